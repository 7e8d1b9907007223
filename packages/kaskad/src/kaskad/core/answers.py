"""What the machine does with a provider's answers, its reports, and its silence."""

from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from kaskad.core import codes, inputs
from kaskad.core.asking import confirm
from kaskad.core.cascade import Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import Step
from kaskad.core.launching import (
    capped,
    fail,
    left,
    live_with_code,
    look_ahead,
    note,
    turn,
    with_launch,
)
from kaskad.core.model import (
    Closing,
    Code,
    CodeType,
    Launch,
    LaunchState,
    Reason,
    ReportKind,
    Session,
    State,
)
from kaskad.core.view import launch_deadline

_APPLIED = (
    ReportKind.DELIVERED,
    ReportKind.CONFIRMED,
    ReportKind.DECLINED,
    ReportKind.UNDELIVERED,
)
"""Parked reports count in this order, whatever that of their coming was: a person's
verdict before bad news, because it would also count after the session moved on."""

# --- answers to the hand-over ----------------------------------------------------


def accept(session: Session, event: inputs.Accepted, now: datetime, context: Context) -> Step:
    """The provider took the message: the launch is sent."""
    launch = session.launch
    if launch.number != event.launch:
        return Step(session, note="late")
    if not session.test:
        if event.code is not None:
            session = _take_chosen_code(session, event.code, context.keyring)
        elif event.code_type not in {None, launch.code_type}:
            session = turn(session, launch, event.code_type, now, context.keyring)
    return _sent(session, now, now, context)


def _take_chosen_code(session: Session, chosen: str, keyring: Keyring) -> Session:
    """A code that the provider made up: keep its digest, and what follows from its length."""
    chosen = codes.clean(chosen)
    code = Code(
        number=len(session.codes) + 1,
        key_id=keyring.current,
        length=len(chosen),
        digest=codes.digest(chosen, session.id, keyring, keyring.current),
    )
    settings = capped(replace(session.launch.settings, code_length=len(chosen), beautify=False))
    launch = replace(session.launch, code=code.number, code_type=CodeType.CODE, settings=settings)
    return with_launch(replace(session, codes=(*session.codes, code)), launch)


def _sent(session: Session, at: datetime, now: datetime, context: Context) -> Step:
    """The current launch is sent as of ``at``; reports that came too early count now."""
    launch = session.launch
    session = left(session, replace(launch, state=LaunchState.SENT, parked=()), at)
    session = look_ahead(session, now, context.cascade)
    for kind in _APPLIED:
        if kind in launch.parked and session.state is State.SENT:
            event = inputs.Reported(launch=launch.number, kind=kind)
            session = report(session, event, now, context).session
    return Step(session)


def reject(session: Session, event: inputs.Rejected, now: datetime, context: Context) -> Step:
    """The provider refused for good."""
    if session.launch.number != event.launch:
        return Step(session, note="late")
    return Step(fail(session, Reason.REJECTED, now, context), note=event.reason)


def error(session: Session, event: inputs.Errored, now: datetime, context: Context) -> Step:
    """The message could not be handed over."""
    if session.launch.number != event.launch:
        return Step(session, note="late")
    return Step(fail(session, Reason.ERRORED, now, context), note=event.reason)


def doubt(session: Session, event: inputs.Unsure, now: datetime, context: Context) -> Step:
    """Nobody knows whether the provider took it: from now on a report decides."""
    launch = session.launch
    if launch.number != event.launch:
        return Step(session, note="late")
    session = with_launch(session, replace(launch, unsure=True))
    return _decided(session, now, context)._replace(note=event.reason)


def _decided(session: Session, now: datetime, context: Context) -> Step:
    """Any report on a message of unknown fate, bad news too, tells that the provider took it."""
    launch = session.launch
    if not launch.unsure or not launch.parked:
        return Step(session)
    return _sent(session, now, now, context)


# --- reports ---------------------------------------------------------------------


def report_waiting(
    session: Session, event: inputs.Reported, now: datetime, context: Context
) -> Step:
    """A report while the current launch waits for the provider's answer: keep it."""
    launch = session.launch
    if launch.number != event.launch:
        return report(session, event, now, context)
    if event.kind in launch.parked:
        return Step(session, note="again")
    session = with_launch(session, replace(launch, parked=(*launch.parked, event.kind)))
    return _decided(session, now, context)._replace(note=event.reason)


def report(session: Session, event: inputs.Reported, now: datetime, context: Context) -> Step:
    """A report on a message that was handed over."""
    launch = _reported(session, event)
    if launch is None:
        return Step(session, note="no such message")
    match event.kind:
        case ReportKind.DELIVERED:
            done = None if launch.delivered else _delivered(session, launch)
        case ReportKind.UNDELIVERED:
            done = _undelivered(session, launch, now, context)
        case ReportKind.CONFIRMED:
            done = _confirmed(session, launch, now)
        case ReportKind.DECLINED:
            done = _declined(session, launch, now, context)
        case _:
            assert_never(event.kind)
    return Step(session, note="late") if done is None else Step(done, note=event.reason)


def report_exhausted(
    session: Session, event: inputs.Reported, now: datetime, context: Context
) -> Step:
    """A person's confirmation counts, although bad news of the message had come before it."""
    launch = _reported(session, event)
    if launch is None or event.kind is not ReportKind.CONFIRMED:
        return Step(session, note="late")
    done = _confirmed(session, launch, now)
    return Step(session, note="late") if done is None else Step(done, note=event.reason)


def _reported(session: Session, event: inputs.Reported) -> Launch | None:
    """The launch of a report, if a message of it may be with the person."""
    known = 0 < event.launch <= len(session.launches)
    launch = session.launches[event.launch - 1] if known else None
    return None if launch is None or launch.sent_at is None else launch


def _delivered(session: Session, launch: Launch) -> Session:
    return with_launch(session, replace(launch, delivered=True))


def _undelivered(
    session: Session, launch: Launch, now: datetime, context: Context
) -> Session | None:
    current = launch.number == session.current and launch.state is LaunchState.SENT
    if not current or launch.reason is Reason.UNDELIVERED:
        return None
    return fail(session, Reason.UNDELIVERED, now, context)


def _confirmed(session: Session, launch: Launch, now: datetime) -> Session | None:
    if launch.code_type is CodeType.CODE or now >= launch_deadline(session, launch):
        return None
    return confirm(session, now, live_with_code(session, now))


def _declined(session: Session, launch: Launch, now: datetime, context: Context) -> Session | None:
    if launch.code_type is CodeType.CODE or launch.reason is Reason.DECLINED:
        return None
    state = LaunchState.ENDED if launch.state is LaunchState.SENT else launch.state
    session = with_launch(session, replace(launch, state=state, reason=Reason.DECLINED))
    session = replace(session, barred=(*session.barred, launch.channel))
    return look_ahead(_spared(session, launch.channel), now, context.cascade)


def _spared(session: Session, barred: str) -> Session:
    """A restart that still waits when its channel is declined is not handed over any more."""
    waiting = session.launch
    if waiting.channel != barred or waiting.state is not LaunchState.WAIT:
        return session
    return with_launch(session, replace(waiting, state=LaunchState.ENDED, reason=Reason.DECLINED))


def turned(session: Session, event: inputs.Turned, now: datetime, context: Context) -> Step:
    """The provider changed the current launch between code and codeless."""
    launch = session.launch
    if launch.number != event.launch or launch.code_type is event.code_type or session.test:
        return Step(session, note="late")
    return Step(turn(session, launch, event.code_type, now, context.keyring))


# --- silence ---------------------------------------------------------------------


def time_out(session: Session, event: inputs.Tick, now: datetime, context: Context) -> Step:
    """The provider did not answer in time: the message may or may not be on its way."""
    if session.expires_at <= now:
        return end_life(session, event, now, context)
    launch = session.launch
    session = note(session, now, "send_timeout", launch.number, launch.channel)
    if set(launch.parked) - {ReportKind.UNDELIVERED}:
        return _sent(session, launch.started_at, now, context)
    session = left(session, launch, launch.started_at)
    return Step(fail(session, Reason.TIMED_OUT, now, context))


def expire(session: Session, event: inputs.Tick, now: datetime, context: Context) -> Step:
    """The current launch reached its deadline; nothing is sent by itself."""
    if session.expires_at <= now:
        return end_life(session, event, now, context)
    launch = replace(session.launch, state=LaunchState.ENDED, reason=Reason.EXPIRED)
    session = note(session, now, "expired", launch.number, launch.channel)
    return Step(look_ahead(with_launch(session, launch), now, context.cascade))


def end_life(session: Session, event: inputs.Tick, now: datetime, context: Context) -> Step:
    """The session is past its lifetime."""
    session = note(session, now, "lifetime", None, "")
    return Step(replace(session, closing=Closing.LIFETIME))
