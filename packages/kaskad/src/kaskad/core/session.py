"""The session machine: what happens to a session, for every state and every input.

:data:`TABLE` holds every transition as data; the diagram in the docs is drawn
from it. :func:`advance` is the only way in: it lets due deadlines happen first,
then looks the input up. It has no I/O, clock or chance: the same arguments give
the same step.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from kaskad.core import answers, asking, codes, errors, inputs
from kaskad.core import cascade as walk
from kaskad.core.admission import Admission, Solved, takes
from kaskad.core.cascade import Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import DropJob, Effect, PushJob, Step, Take
from kaskad.core.launching import launch_channel, note
from kaskad.core.limits import MINUTE, Window
from kaskad.core.model import (
    Closing,
    Code,
    Entry,
    Recipient,
    Session,
    State,
    TestRecipient,
    Value,
    Widget,
)
from kaskad.core.view import refusal_of, view, wake_at

KEPT_REFUSALS = 40
KEPT_ENTRIES = 200

# --- the table -------------------------------------------------------------------

Handler = Callable[..., Step]


class Rule(NamedTuple):
    """What an input does in a state, and the states in which that may end."""

    do: Handler
    to: frozenset[State]


def _in(*states: State, do: Handler, to: tuple[State, ...] = ()) -> dict[State, Rule]:
    """Rules for several states; each may also end where it began."""
    return {state: Rule(do, frozenset({state, *to})) for state in states}


def _late(session: Session, *_: object) -> Step:
    return Step(session, note="late")


def _false(session: Session, *_: object) -> Step:
    return Step(session, answer=False)


def _confirmed_already(session: Session, *_: object) -> Step:
    return Step(session, answer=errors.SessionAlreadyConfirmedException())


def _state_error(session: Session, *_: object) -> Step:
    refusal = refusal_of(session)
    return Step(session, answer=False if refusal is None else refusal())


_W, _S, _E, _C = State.WAIT, State.SENT, State.ENDED, State.CONFIRMED
_P, _X, _Z = State.SPENT, State.EXHAUSTED, State.CLOSED

TABLE: Final[dict[type[inputs.Input], dict[State, Rule]]] = {
    inputs.Accepted: {
        **_in(_W, do=answers.accept, to=(_S, _E, _C, _X)),
        **_in(_S, _E, _C, _P, _X, _Z, do=_late),
    },
    inputs.Rejected: {
        **_in(_W, do=answers.reject, to=(_S, _X)),
        **_in(_S, _E, _C, _P, _X, _Z, do=_late),
    },
    inputs.Errored: {
        **_in(_W, do=answers.error, to=(_S, _E, _X)),
        **_in(_S, _E, _C, _P, _X, _Z, do=_late),
    },
    inputs.Unsure: {
        **_in(_W, do=answers.doubt, to=(_S, _E, _C, _X)),
        **_in(_S, _E, _C, _P, _X, _Z, do=_late),
    },
    inputs.Reported: {
        **_in(_W, do=answers.report_waiting, to=(_S, _E, _C, _X)),
        **_in(_S, do=answers.report, to=(_W, _E, _C, _X)),
        **_in(_E, do=answers.report, to=(_C,)),
        **_in(_X, do=answers.report_exhausted, to=(_C,)),
        **_in(_C, _P, _Z, do=_late),
    },
    inputs.Turned: {
        **_in(_W, _S, do=answers.turned),
        **_in(_E, _C, _P, _X, _Z, do=_late),
    },
    inputs.CheckCode: {
        **_in(_W, _S, _E, do=asking.check, to=(_C, _P)),
        **_in(_C, do=asking.check_again),
        **_in(_P, _X, _Z, do=_state_error),
    },
    inputs.Resend: {
        **_in(_W, _S, _E, do=asking.resend, to=(_W,)),
        **_in(_C, do=_confirmed_already),
        **_in(_P, _X, do=_state_error),
        **_in(_Z, do=asking.resend_closed),
    },
    inputs.Complete: {
        **_in(_C, do=asking.complete, to=(_Z,)),
        **_in(_W, _S, _E, _P, _X, _Z, do=_false),
    },
    inputs.CheckAndComplete: {
        **_in(_C, do=asking.complete, to=(_Z,)),
        **_in(_W, _S, _E, _P, _X, do=_state_error),
        **_in(_Z, do=_false),
    },
    inputs.Cancel: {
        **_in(_W, _S, _E, _P, _X, do=asking.cancel, to=(_Z,)),
        **_in(_C, _Z, do=_false),
    },
    inputs.Tick: {
        **_in(_W, do=answers.time_out, to=(_S, _E, _C, _X, _Z)),
        **_in(_S, do=answers.expire, to=(_E, _Z)),
        **_in(_E, _C, _P, _X, do=answers.end_life, to=(_Z,)),
        **_in(_Z, do=_late),
    },
}
"""Every input in every state. The tests hold that the pairs are complete and that
no step ends in a state that its rule does not name."""


# --- start -----------------------------------------------------------------------


class Start(Value, frozen=True, kw_only=True):
    """A wish to verify a recipient; ``address`` is the person's IP, if known.

    ``admission`` is there if the widget has a captcha.
    """

    id: str
    widget: Widget
    recipient: Recipient
    locale: str
    lifetime_s: int
    address: str | None = None
    test: TestRecipient | None = None
    admission: Admission | None = None


def start(wish: Start, now: datetime, context: Context) -> Step | errors.KaskadError:
    """Begin a session with its first launch, or say that no channel suits."""
    channel, passed = walk.first_channel(context.cascade, wish.recipient, wish.locale, now)
    if channel is None:
        return errors.NoAvailableChannelsException()
    session = Session(
        id=wish.id,
        tenant=wish.widget.tenant,
        widget=wish.widget.id,
        recipient=wish.recipient,
        locale=wish.locale,
        created_at=now,
        expires_at=now + timedelta(seconds=wish.lifetime_s),
        code_attempts=wish.widget.limits.code_attempts_per_session,
        test=wish.test is not None,
        codes=() if wish.test is None else (_fixed_code(wish.id, wish.test, context.keyring),),
    )
    session = launch_channel(session, channel, passed, now, context, asked=True)
    session = replace(session, due_at=wake_at(session))
    return Step(session, (*pending_job(session), *_room_for(wish)), answer=True)


def _fixed_code(session_id: str, test: TestRecipient, keyring: Keyring) -> Code:
    digest = codes.digest(test.code, session_id, keyring, keyring.current)
    return Code(number=1, key_id=keyring.current, length=len(test.code), digest=digest)


def _room_for(wish: Start) -> tuple[Effect, ...]:
    limits, number = wish.widget.limits, wish.recipient.number
    sends = Take(subject=f"sends:{number}", windows=asking.send_windows(limits))
    room = (*takes(wish.admission, wish.address), *_room_for_failures(wish), sends)
    if wish.address is None:
        return room
    per_address = Window(limit=limits.per_ip_per_minute, span=MINUTE)
    return (*room, Take(subject=f"address:{wish.address}", windows=(per_address,)))


def _room_for_failures(wish: Start) -> tuple[Effect, ...]:
    """Too many failed checks of a number want a captcha, or time where there is none."""
    if isinstance(wish.admission, Solved):
        return ()
    windows = asking.failed_windows(wish.widget.limits)
    wanted = wish.admission is not None
    subject = f"failed:{wish.recipient.number}"
    return (Take(subject=subject, windows=windows, weightless=True, captcha=wanted),)


# --- advance ---------------------------------------------------------------------


def advance(session: Session, event: inputs.Input, now: datetime, context: Context) -> Step:
    """Let every deadline that is due happen, then the input.

    The step's session has a version one higher, unless nothing changed.
    """
    due = session.due_at
    settled = session if due is None or due > now else _settled(session, now, context)
    kind = type(event)
    if kind is inputs.Tick:
        return Step(_versioned(session, settled), _jobs(session, settled))
    done = TABLE[kind][settled.state].do(settled, event, now, context)
    after = _recorded(settled, done, event, now)
    if after is session:
        return done
    effects = (*_jobs(session, after), *done.effects)
    return Step(_versioned(session, after), effects, done.answer, done.note)


def close_restored(session: Session, now: datetime) -> Session:
    """Close a session that came back with an old copy of its store.

    What was spent or collected since the copy was made, nobody knows.
    """
    if session.closing is not None:
        return session
    closed = note(session, now, "restored", None, "")
    return _versioned(session, replace(closed, closing=Closing.RESTORED))


def _settled(session: Session, now: datetime, context: Context) -> Session:
    due = session.due_at
    while due is not None and due <= now:
        rule = TABLE[inputs.Tick][session.state]
        session = rule.do(session, inputs.Tick(), now, context).session
        due = wake_at(session)
    return session


def _jobs(before: Session, after: Session) -> tuple[Effect, ...]:
    """A launch has a job exactly while it waits to be handed over."""
    had, has = _to_hand_over(before), _to_hand_over(after)
    if had == has:
        return ()
    dropped = () if had is None else (DropJob(session=after.id, launch=had),)
    return dropped if has is None else (*dropped, *pending_job(after))


def pending_job(session: Session) -> tuple[PushJob, ...]:
    """The job that a session has: none, or that of its current launch."""
    if _to_hand_over(session) is None:
        return ()
    launch = session.launch
    job = PushJob(
        session=session.id,
        launch=launch.number,
        lane=walk.lane_of(session.tenant, launch.provider),
        due_at=launch.started_at,
        expires_at=launch.send_by,
    )
    return (job,)


def _to_hand_over(session: Session) -> int | None:
    if session.state is not State.WAIT or session.launch.unsure:
        return None
    return session.current


def _versioned(before: Session, after: Session) -> Session:
    if after is before:
        return before
    other_channel = (
        before.current != after.current or before.launch.code_type is not after.launch.code_type
    )
    view_version = before.view_version
    if other_channel or _looks_different(before, after):
        view_version += 1
    return replace(
        after,
        version=before.version + 1,
        view_version=view_version,
        channel_version=view_version if other_channel else before.channel_version,
        due_at=wake_at(after),
    )


def _looks_different(before: Session, after: Session) -> bool:
    was, is_now = before.state, after.state
    if was is not is_now and (was in _SHOWN or is_now in _SHOWN):
        return True  # such a view names its state
    return view(before) != view(after)


_SHOWN: Final = frozenset({State.WAIT, State.SENT, State.CONFIRMED})


def _recorded(before: Session, done: Step, event: inputs.Input, now: datetime) -> Session:
    """The timeline has each input; one that changed nothing only while there is room."""
    kept = KEPT_REFUSALS if done.session is before else KEPT_ENTRIES
    if len(done.session.timeline) >= kept:
        return done.session
    name = event.kind.value if isinstance(event, inputs.Reported) else _NAMES[type(event)]
    launch = getattr(event, "launch", None)
    entry = Entry(at=now, input=name, launch=launch, reason=_reason(done))
    known = len(before.timeline)  # what followed from the input stands below it
    timeline = done.session.timeline
    return replace(done.session, timeline=(*timeline[:known], entry, *timeline[known:]))


def _reason(done: Step) -> str:
    if isinstance(done.answer, errors.KaskadError):
        return done.answer.type
    return done.note if done.answer is None else str(done.answer).lower()


_NAMES: Final[dict[type[inputs.Input], str]] = {
    inputs.Accepted: "accepted",
    inputs.Rejected: "rejected",
    inputs.Errored: "errored",
    inputs.Unsure: "unsure",
    inputs.Turned: "turned",
    inputs.CheckCode: "check_code",
    inputs.Resend: "resend",
    inputs.Complete: "complete",
    inputs.CheckAndComplete: "check_status_and_complete",
    inputs.Cancel: "cancel",
}
