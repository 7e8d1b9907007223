"""Whether what concurrent callers saw could have happened one call after the other.

After Wing and Gong, "Testing and Verifying Concurrent Objects" (1993): look for an order of the
calls in which each takes effect between its beginning and its end, and answers what the
sequential object answers. What has been tried from the same place is not tried again.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

S = TypeVar("S", bound=Hashable)
Apply = Callable[[S, str], tuple[S, object]]
"""The sequential object: a state and a call give the next state and the answer."""


class Operation(NamedTuple):
    """One call. Without ``returned`` nobody knows whether it took effect, or will yet."""

    client: int
    call: str
    invoked: int
    returned: int | None = None
    answer: object = None

    def __str__(self) -> str:
        until = "..." if self.returned is None else f"{self.returned:3}"
        return f"[{self.invoked:3} {until}] client {self.client}: {self.call} -> {self.answer}"


def order(history: Sequence[Operation], initial: S, apply: Apply[S]) -> list[Operation] | None:
    """An order that explains the history; ``None``: there is none."""
    everything = (1 << len(history)) - 1
    answered = sum(1 << i for i, x in enumerate(history) if x.returned is not None)
    tried: set[tuple[int, S]] = set()
    stack: list[tuple[int, S, list[Operation]]] = [(0, initial, [])]
    while stack:
        done, state, path = stack.pop()
        if done & answered == answered:
            return path
        if (done, state) in tried:
            continue
        tried.add((done, state))
        for i in _possible(history, everything & ~done):
            after, answer = apply(state, history[i].call)
            if history[i].returned is None or history[i].answer == answer:
                stack.append((done | 1 << i, after, [*path, history[i]]))
    return None


def _possible(history: Sequence[Operation], left: int) -> list[int]:
    """Which of the calls that are left may come next: none that began after another had ended."""
    open_ = [i for i in range(len(history)) if left >> i & 1]
    ends = [end for i in open_ if (end := history[i].returned) is not None]
    return [i for i in open_ if history[i].invoked < min(ends, default=history[i].invoked + 1)]


def first_refused(
    history: Sequence[Operation], initial: S, apply: Apply[S]
) -> list[Operation] | None:
    """The shortest beginning of the history that nothing explains; ``None``: it is all right."""
    if order(history, initial, apply) is not None:
        return None
    for now in sorted(x.returned for x in history if x.returned is not None):
        seen = [_as_of(x, now) for x in history if x.invoked < now]
        if order(seen, initial, apply) is None:
            return seen
    raise AssertionError("the whole is refused, and none of its beginnings")


def _as_of(operation: Operation, now: int) -> Operation:
    if operation.returned is None or operation.returned <= now:
        return operation
    return operation._replace(returned=None, answer=None)
