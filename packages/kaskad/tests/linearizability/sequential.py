"""A session as one caller at a time knows it: attempts, verdict, and one more message."""

from typing import NamedTuple

ATTEMPTS = 4

RIGHT, WRONG, COMPLETE, CHECK_AND_COMPLETE = "right", "wrong", "complete", "check_and_complete"
RESEND, REMAINING, CANCEL = "resend", "remaining", "cancel"
CALLS = (RIGHT, WRONG, COMPLETE, CHECK_AND_COMPLETE, RESEND, REMAINING, CANCEL)

INVALID, EXPIRED = "InvalidCodeException", "AttemptsExpiredException"
CLOSED, CONFIRMED_ALREADY = "SessionClosedException", "SessionAlreadyConfirmedException"
COOLDOWN, NO_CHANNELS = "RestartCooldownActiveException", "NoAvailableChannelsException"


class Sequential(NamedTuple):
    """Where a session stands whose one message is out and may be followed by another."""

    misses: int = 0
    confirmed: bool = False
    closed: bool = False
    resent: bool = False

    @property
    def spent(self) -> bool:
        return self.misses >= ATTEMPTS


def apply(state: Sequential, call: str) -> tuple[Sequential, object]:
    """What a call does, and what it answers."""
    match call:
        case "right":
            return _right(state)
        case "wrong":
            return _wrong(state)
        case "complete" | "check_and_complete":
            return _collect(state, call)
        case "resend":
            return _resend(state)
        case "cancel":
            refused = state.confirmed or state.closed
            return (state, False) if refused else (state._replace(closed=True), True)
        case "remaining":
            return state, _over(state) or ATTEMPTS - state.misses
        case _:
            raise ValueError(call)


def _over(state: Sequential) -> str | None:
    if state.closed:
        return CLOSED
    return EXPIRED if state.spent else None


def _right(state: Sequential) -> tuple[Sequential, object]:
    over = _over(state)
    return (state, over) if over else (state._replace(confirmed=True), True)


def _wrong(state: Sequential) -> tuple[Sequential, object]:
    over = _over(state)
    if over or state.confirmed:
        return state, over or INVALID
    state = state._replace(misses=state.misses + 1)
    return state, EXPIRED if state.spent else INVALID


def _collect(state: Sequential, call: str) -> tuple[Sequential, object]:
    if state.confirmed and not state.closed:
        return state._replace(closed=True), True
    tells_why = call == CHECK_AND_COMPLETE and state.spent and not state.closed
    return state, EXPIRED if tells_why else False


def _resend(state: Sequential) -> tuple[Sequential, object]:
    if state.confirmed:
        return state, CONFIRMED_ALREADY
    if state.closed:
        return state, NO_CHANNELS
    if state.spent:
        return state, EXPIRED
    return (state, COOLDOWN) if state.resent else (state._replace(resent=True), True)
