"""What the machine does with what people and back ends ask for."""

from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil

from msgspec.structs import replace

from kaskad.core import cascade as walk
from kaskad.core import codes, errors, inputs
from kaskad.core.cascade import Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import Step, Take
from kaskad.core.launching import launch_channel, live_with_code
from kaskad.core.limits import DAY, HOUR, MINUTE, Window, wait_for_room
from kaskad.core.model import Closing, CodeType, Launch, Session, State, WidgetLimits
from kaskad.core.view import channel_rest, cooldown_end, refusal_of, session_rest

AFTER_CONFIRMATION = timedelta(seconds=300)
"""How long, at least, a back end has to collect a confirmation."""


@lru_cache(maxsize=1024)
def send_windows(limits: WidgetLimits) -> tuple[Window, ...]:
    """The windows that a recipient's sends have to fit into."""
    return (
        Window(limit=limits.per_recipient_per_minute, span=MINUTE),
        Window(limit=limits.per_recipient_per_hour, span=HOUR),
    )


@lru_cache(maxsize=1024)
def failed_windows(limits: WidgetLimits) -> tuple[Window, ...]:
    """The window that a recipient's failed checks have to fit into."""
    return (Window(limit=limits.failed_checks_per_recipient_per_day, span=DAY),)


# --- codes -----------------------------------------------------------------------


def check(session: Session, event: inputs.CheckCode, now: datetime, context: Context) -> Step:
    """Compare with every live code; a miss costs an attempt."""
    live = live_with_code(session, now)
    if not live:
        return Step(session, answer=_nothing_to_compare(session))
    if _hits(session, {launch.code for launch in live}, event.code, context.keyring):
        return Step(confirm(session, now, live), answer=True)
    return _missed(session, live, context)


def _nothing_to_compare(session: Session) -> errors.KaskadError:
    refusal = refusal_of(session)
    if refusal is not None:
        return refusal()
    if session.launch.code_type is CodeType.CODELESS:
        return errors.IsCodelessChannelException()
    return errors.InvalidCodeException()


def _hits(session: Session, numbers: set[int | None], typed: str, keyring: Keyring) -> bool:
    """Compare with every one of these codes, without stopping at a hit."""
    found = [
        codes.matches(typed, code, session.id, keyring)
        for code in session.codes
        if code.number in numbers
    ]
    return any(found)


def _missed(session: Session, live: tuple[Launch, ...], context: Context) -> Step:
    missed = dict(session.channel_misses)
    for channel in {x.channel for x in live}:
        missed[channel] = missed.get(channel, 0) + 1
    session = replace(
        session, misses=session.misses + 1, channel_misses=tuple(sorted(missed.items()))
    )
    widget = context.cascade.widget
    limits = widget.limits if widget else WidgetLimits()
    subject = f"failed:{session.recipient.number}"
    failed = Take(subject=subject, windows=failed_windows(limits), refuse=False)
    if not _is_spent(session):
        return Step(session, (failed,), errors.InvalidCodeException())
    session = replace(session, over=State.SPENT, next=None, another=None)
    return Step(session, (failed,), errors.AttemptsExpiredException())


def _is_spent(session: Session) -> bool:
    launch = session.launch
    typed_here = launch.code_type is CodeType.CODE
    return session_rest(session) <= 0 or (typed_here and channel_rest(session, launch) <= 0)


def confirm(session: Session, now: datetime, live: tuple[Launch, ...]) -> Session:
    """The recipient is proven; the codes of the ``live`` launches stay good until completion."""
    numbers = {x.code for x in live if x.code is not None}
    return replace(
        session,
        confirmed_at=now,
        confirmed_codes=tuple(sorted(numbers)),
        expires_at=max(session.expires_at, now + AFTER_CONFIRMATION),
    )


def check_again(session: Session, event: inputs.CheckCode, now: datetime, context: Context) -> Step:
    """A confirmed session accepts a code that was live then once more; a miss is free."""
    if _hits(session, set(session.confirmed_codes), event.code, context.keyring):
        return Step(session, answer=True)
    return Step(session, answer=errors.InvalidCodeException())


# --- resend ----------------------------------------------------------------------


def resend(session: Session, event: inputs.Resend, now: datetime, context: Context) -> Step:
    """Restart the current channel while it has restarts, else start the next one."""
    widget = context.cascade.widget
    channel = None if event.next else walk.restartable(session, context.cascade, now)
    passed = ""
    if channel is None:
        channel, passed = walk.next_channel(session, context.cascade, now)
    if channel is None or widget is None:
        return Step(session, answer=errors.NoAvailableChannelsException(), note=passed)
    refusal = _too_early(session, now) or _too_often(session, widget.limits, now)
    if refusal is not None:
        return Step(session, answer=refusal)
    sends = Take(
        subject=f"sends:{session.recipient.number}",
        windows=send_windows(widget.limits),
        refuse=False,
    )
    begun = launch_channel(session, channel, passed, now, context, asked=True)
    return Step(begun, (sends,), answer=True)


def _too_early(session: Session, now: datetime) -> errors.KaskadError | None:
    allowed_at = cooldown_end(session.launch)
    if session.state is State.ENDED or now >= allowed_at:
        return None
    return errors.RestartCooldownActiveException(retry_after_s=seconds(allowed_at - now))


def _too_often(session: Session, limits: WidgetLimits, now: datetime) -> errors.KaskadError | None:
    """A session's resends are measured by its own sends: a stranger's cannot refuse them."""
    own = [x.started_at for x in session.launches if x.asked]
    wait = wait_for_room(own, send_windows(limits), now)
    return None if wait is None else errors.RateLimitException(retry_after_s=seconds(wait))


def seconds(wait: timedelta) -> int:
    """Whole seconds to wait, at least one."""
    return max(1, ceil(wait.total_seconds()))


def resend_closed(session: Session, *_: object) -> Step:
    """A closed session says whether it ever got its confirmation."""
    if session.confirmed_at is not None:
        return Step(session, answer=errors.SessionAlreadyConfirmedException())
    return Step(session, answer=errors.NoAvailableChannelsException())


# --- the end ---------------------------------------------------------------------


def complete(session: Session, *_: object) -> Step:
    """Hand the verdict over, to this caller and no other."""
    return Step(replace(session, closing=Closing.COMPLETED), answer=True)


def cancel(session: Session, *_: object) -> Step:
    """Give the session up."""
    return Step(replace(session, closing=Closing.CANCELLED), answer=True)
