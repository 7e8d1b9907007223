"""What a page may be shown of a session, and when that changes by itself."""

from datetime import datetime, timedelta

from kaskad.core import errors
from kaskad.core.model import (
    ChannelType,
    CodeType,
    Launch,
    LaunchSettings,
    NextMove,
    Session,
    State,
    Value,
    lasting,
)

LONGEST_CODE_LIFE = timedelta(seconds=600)
"""NIST SP 800-63B-4, 3.1.3.2: an out-of-band secret is valid for at most ten minutes."""


class View(Value, frozen=True, kw_only=True):
    """The current channel as its reader sees it."""

    type: ChannelType
    status: State
    label: str
    code_type: CodeType
    settings: LaunchSettings
    remaining_code_attempts: int
    expires_at: datetime
    resend_at: datetime | None
    next: NextMove | None
    another: NextMove | None


def view(session: Session) -> View | type[errors.KaskadError]:
    """The body of a channel call, or the error that it answers instead."""
    state = session.state
    refusal = refusal_of(session)
    if refusal is not None:
        return refusal
    launch = session.launch
    return View(
        type=launch.type,
        status=state,
        label=launch.label,
        code_type=launch.code_type,
        settings=launch.settings,
        remaining_code_attempts=remaining_attempts(session),
        expires_at=_expires_at(session, state),
        resend_at=None if state is State.CONFIRMED else resend_at(session),
        next=None if state is State.CONFIRMED else session.next,
        another=None if state is State.CONFIRMED else session.another,
    )


def refusal_of(session: Session) -> type[errors.KaskadError] | None:
    """The error of the session's state; ``None`` in wait, sent and confirmed."""
    match session.state:
        case State.CLOSED:
            return errors.SessionClosedException
        case State.SPENT:
            return errors.AttemptsExpiredException
        case State.EXHAUSTED:
            return errors.NoAvailableChannelsException
        case State.ENDED if session.next is None:
            return errors.NoAvailableChannelsException
        case State.ENDED:
            return errors.ResendChannelException
        case _:
            return None


def status(session: Session, *, changed: bool) -> bool | type[errors.KaskadError]:
    """Whether the recipient is proven, or why not yet.

    ``changed`` tells that the asker has not read the current channel.
    """
    refusal = refusal_of(session)
    if refusal is not None:
        return refusal
    if session.state is State.CONFIRMED:
        return True
    return errors.ChannelChangedException if changed else False


def _expires_at(session: Session, state: State) -> datetime:
    if state is State.SENT:
        return min(launch_deadline(session, session.launch), session.expires_at)
    return session.expires_at


def resend_at(session: Session) -> datetime | None:
    """The end of the cooldown; ``None`` when a resend would find nothing to start."""
    return None if session.next is None else cooldown_end(session.launch)


def cooldown_end(launch: Launch) -> datetime:
    """When a launch may be followed by another on request."""
    counted_from = launch.sent_at if launch.sent_at is not None else launch.send_by
    return counted_from + lasting(launch.settings.restart_cooldown_s)


def remaining_attempts(session: Session) -> int:
    """Attempts left to type a code: the current channel's or the session's, the fewer."""
    launch = session.launch
    if launch.code_type is CodeType.CODELESS:
        return 0
    return max(0, min(channel_rest(session, launch), session_rest(session)))


def session_rest(session: Session) -> int:
    """Attempts left over all channels."""
    return session.code_attempts - session.misses


def channel_rest(session: Session, launch: Launch) -> int:
    """Attempts left on the channel of a launch, its restarts included."""
    tries = launch.settings.number_of_tries
    for channel, missed in session.channel_misses:
        if channel == launch.channel:
            return tries - missed
    return tries


def launch_deadline(session: Session, launch: Launch) -> datetime:
    """When a launch that has ``sent_at`` ends: its code's deadline, or its lifetime."""
    if launch.code is not None:
        return code_deadline(session, launch.code)
    if launch.sent_at is None:
        return session.expires_at
    return launch.sent_at + lasting(launch.settings.lifetime_s)


def code_deadline(session: Session, number: int) -> datetime:
    """When a code dies: ten minutes after it was first sent, or with its newest launch."""
    first_sent_at = session.codes[number - 1].first_sent_at
    if first_sent_at is not None:
        for launch in reversed(session.launches):
            if launch.code == number and launch.sent_at is not None:
                newest = launch.sent_at + lasting(launch.settings.lifetime_s)
                return min(first_sent_at + LONGEST_CODE_LIFE, newest)
    return session.expires_at


def wake_at(session: Session) -> datetime | None:
    """The next instant at which the session changes by itself; ``None`` once closed."""
    state = session.state
    if state is State.CLOSED:
        return None
    if state is State.WAIT:
        return min(session.launch.send_by, session.expires_at)
    if state is State.SENT:
        return min(launch_deadline(session, session.launch), session.expires_at)
    return session.expires_at
