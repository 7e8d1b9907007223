"""What a process must not take along when it forks.

Parent and child have every open connection in common: each would read the other's answers, verdicts
included. And the child has none of the parent's threads, so that a lock which one of them held is
held for ever, and what they waited for is nobody's any more.
"""

import os
from typing import Final, Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """What is made anew in the child."""

    def renew(self) -> None:
        """Forget whatever is the parent's, without touching it; no other thread runs yet."""


_kept: Final[WeakSet[Renewable]] = WeakSet()


def renewed_by_forks(kept: Renewable) -> None:
    """Have ``kept`` renewed in every child, for as long as it is in use."""
    _kept.add(kept)


def _renew() -> None:
    for kept in list(_kept):
        kept.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
