"""A machine that lives with several sessions at once and holds them to what may never happen.

:class:`Verification` drives a :class:`System` and keeps books of its own: which messages may be
with the person, since when, and what was charged to whom. It believes the system's record only
where a record cannot lie (numbers of launches and codes), and compares the rest.

To drive something else than the core, implement :class:`System` and subclass the machine with
``make`` set to it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from kaskad.core import codes, inputs
from kaskad.core.cascade import Cascade, Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import DropJob, Effect, PushJob, Step, Take
from kaskad.core.errors import KaskadError
from kaskad.core.limits import wait_for_room
from kaskad.core.model import (
    Channel,
    ChannelType,
    Closing,
    CodeType,
    Launch,
    LaunchSettings,
    LaunchState,
    NumberType,
    Recipient,
    ReportKind,
    Session,
    State,
    Template,
    Widget,
    WidgetLimits,
)
from kaskad.core.session import KEPT_ENTRIES, TABLE, Start, advance, start
from kaskad.core.view import View, view, wake_at
from packages.kaskad.tests.core.scene import KEYS, NOON, outcome

Outcome = bool | str | None
"""The answer to a call; an error is its type."""


class Opened(NamedTuple):
    """A send that was granted."""

    session: str


class System(ABC):
    """What the machine needs of a system under test. Sessions are named by their ids."""

    @property
    @abstractmethod
    def now(self) -> datetime:
        """The system's clock; it moves only in :meth:`advance_time`."""

    @abstractmethod
    def configure(self, widget: Widget, channels: Sequence[Channel]) -> None:
        """Add or replace a widget with the cascade that it has from now on."""

    @abstractmethod
    def advance_time(self, seconds: float, *, asleep: bool) -> None:
        """Let time pass; ``asleep``: deadlines are noticed only when somebody calls."""

    @abstractmethod
    def send(self, widget: str, to: Recipient, address: str | None) -> Opened | str:
        """Ask for a verification."""

    @abstractmethod
    def do(self, session: str, event: inputs.Input) -> Outcome:
        """Give the session an input: a call of the API, a provider's answer or a report."""

    @abstractmethod
    def state(self, session: str) -> Session:
        """The record as it stands."""

    @abstractmethod
    def digits(self, session: str, launch: int) -> str | None:
        """What the message of a launch says; ``None`` when it has no code of ours."""

    @abstractmethod
    def jobs(self, session: str) -> set[int]:
        """The launches that wait to be handed to a provider."""

    # --- the inputs by name

    def check(self, session: str, code: str) -> Outcome:
        return self.do(session, inputs.CheckCode(code=code))

    def resend(self, session: str, *, another_way: bool) -> Outcome:
        return self.do(session, inputs.Resend(next=another_way))

    def complete(self, session: str) -> Outcome:
        return self.do(session, inputs.Complete())

    def check_and_complete(self, session: str) -> Outcome:
        return self.do(session, inputs.CheckAndComplete())

    def cancel(self, session: str) -> Outcome:
        return self.do(session, inputs.Cancel())

    def accept(
        self, session: str, launch: int, code: str | None, code_type: CodeType | None
    ) -> Outcome:
        return self.do(session, inputs.Accepted(launch=launch, code=code, code_type=code_type))

    def reject(self, session: str, launch: int) -> Outcome:
        return self.do(session, inputs.Rejected(launch=launch))

    def error(self, session: str, launch: int) -> Outcome:
        return self.do(session, inputs.Errored(launch=launch))

    def unsure(self, session: str, launch: int) -> Outcome:
        return self.do(session, inputs.Unsure(launch=launch))

    def report(self, session: str, launch: int, kind: ReportKind) -> Outcome:
        return self.do(session, inputs.Reported(launch=launch, kind=kind))

    def turn(self, session: str, launch: int, code_type: CodeType) -> Outcome:
        return self.do(session, inputs.Turned(launch=launch, code_type=code_type))

    def view(self, session: str) -> View | str:
        """What the channel call answers: a body or the type of an error."""
        self.do(session, inputs.Tick())
        shown = view(self.state(session))
        return shown if isinstance(shown, View) else shown.type


class CoreSystem(System):
    """The pure core with a dictionary for a store."""

    def __init__(self, keys: Keyring = KEYS) -> None:
        self._now = NOON
        self._keys = keys
        self._catalogue: dict[str, Cascade] = {}
        self._sessions: dict[str, Session] = {}
        self._jobs: dict[str, set[int]] = {}
        self._hits: dict[str, list[datetime]] = {}

    @property
    def now(self) -> datetime:
        return self._now

    def configure(self, widget: Widget, channels: Sequence[Channel]) -> None:
        starts = widget.active and not widget.blocked
        self._catalogue[widget.id] = Cascade(
            widget=widget, channels=tuple(channels) if starts else ()
        )

    def advance_time(self, seconds: float, *, asleep: bool) -> None:
        self._now += timedelta(seconds=seconds)
        if asleep:
            return
        for name, session in self._sessions.items():
            due = wake_at(session)
            if due is not None and due <= self._now:
                self.do(name, inputs.Tick())

    def send(self, widget: str, to: Recipient, address: str | None) -> Opened | str:
        cascade = self._catalogue[widget]
        assert cascade.widget is not None
        name = f"session-{len(self._sessions)}"
        wish = Start(
            id=name,
            widget=cascade.widget,
            recipient=to,
            locale="ru",
            lifetime_s=900,
            address=address,
        )
        step = start(wish, self._now, Context(cascade=cascade, keyring=self._keys))
        if not isinstance(step, Step):
            return step.type
        takes = [effect for effect in step.effects if isinstance(effect, Take)]
        if any(wait_for_room(self._taken(t), t.windows, self._now) for t in takes if t.refuse):
            return "RateLimitException"
        self._sessions[name] = step.session
        self._carry_out(name, step.effects)
        return Opened(name)

    def do(self, session: str, event: inputs.Input) -> Outcome:
        before = self._sessions[session]
        context = Context(cascade=self._catalogue[before.widget], keyring=self._keys)
        step = advance(before, event, self._now, context)
        self._sessions[session] = step.session
        self._carry_out(session, step.effects)
        return outcome(step.answer)

    def state(self, session: str) -> Session:
        return self._sessions[session]

    def digits(self, session: str, launch: int) -> str | None:
        record = self._sessions[session]
        number = record.launches[launch - 1].code
        return (
            None
            if number is None
            else codes.digits(record.codes[number - 1], record.id, self._keys)
        )

    def jobs(self, session: str) -> set[int]:
        return self._jobs.get(session, set())

    def _taken(self, take: Take) -> list[datetime]:
        return self._hits.setdefault(take.subject, [])

    def _carry_out(self, session: str, effects: Sequence[Effect]) -> None:
        jobs = self._jobs.setdefault(session, set())
        for effect in effects:
            match effect:
                case PushJob():
                    assert effect.launch not in jobs
                    jobs.add(effect.launch)
                case DropJob():
                    jobs.remove(effect.launch)
                case Take() if not effect.weightless:
                    self._taken(effect).append(self._now)
                case Take():
                    pass


# --- the machine's own books -----------------------------------------------------


WAITING, OUT, LOST = "waiting", "out", "lost"


@dataclass(slots=True)
class Message:
    """One launch as the outside knows it."""

    number: int
    channel: str
    started: datetime
    settings: LaunchSettings
    code_type: CodeType
    code: int | None
    fate: str = WAITING
    out_at: datetime | None = None
    unsure: bool = False
    parked: set[ReportKind] = field(default_factory=set)

    @property
    def answer_by(self) -> datetime:
        return self.started + timedelta(seconds=self.settings.send_timeout_s)

    @property
    def lifetime(self) -> timedelta:
        return timedelta(seconds=self.settings.lifetime_s)


@dataclass(slots=True)
class Track:
    """What the machine knows of a session by its own account."""

    id: str
    widget: str
    number: str
    last: Session
    asked: list[datetime]
    messages: list[Message] = field(default_factory=list)
    first_out: dict[int, datetime] = field(default_factory=dict)
    chosen: dict[int, str] = field(default_factory=dict)
    misses: int = 0
    channel_misses: dict[str, int] = field(default_factory=dict)
    good: set[str | None] = field(default_factory=set)
    completions: int = 0

    def message(self, number: int) -> Message | None:
        return self.messages[number - 1] if 0 < number <= len(self.messages) else None

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be confirmed, as far as the last record and the clock tell."""
        last = self.last
        over = last.over is not None or last.closing is not None or last.confirmed_at is not None
        return not over and now < last.expires_at

    def let_out(self, message: Message, at: datetime) -> None:
        message.fate, message.out_at = OUT, at
        if message.code is not None:
            self.first_out.setdefault(message.code, at)

    def deadline(self, message: Message) -> datetime:
        """When a message that is out stops to count."""
        assert message.out_at is not None
        if message.code is None:
            return message.out_at + message.lifetime
        newest = next(
            m for m in reversed(self.messages) if m.code == message.code and m.fate == OUT
        )
        assert newest.out_at is not None
        return min(
            self.first_out[message.code] + timedelta(seconds=600),
            newest.out_at + newest.lifetime,
        )

    def rest(self, message: Message) -> int:
        return message.settings.number_of_tries - self.channel_misses.get(message.channel, 0)

    def live(self, now: datetime) -> list[Message]:
        return [
            m
            for m in self.messages
            if m.fate == OUT and m.code is not None and now < self.deadline(m) and self.rest(m) > 0
        ]


def has_room(hits: Sequence[datetime], limits: WidgetLimits, now: datetime) -> bool:
    """Whether one more send fits, counted by hand."""
    ages = [(now - hit).total_seconds() for hit in hits]
    return (
        sum(age < 60 for age in ages) < limits.per_recipient_per_minute
        and sum(age < 3600 for age in ages) < limits.per_recipient_per_hour
    )


# --- what is drawn ---------------------------------------------------------------


def build_channel(
    kind: ChannelType,
    length: int,
    beautify: bool,
    lifetime: int,
    tries: int,
    restarts: int,
    cooldown: int,
    send_timeout: int,
) -> Channel:
    return Channel(
        id="",
        type=kind,
        label=kind,
        provider="p",
        settings=LaunchSettings(
            code_length=length,
            beautify=beautify,
            lifetime_s=lifetime,
            number_of_tries=tries,
            number_of_restart=restarts,
            restart_cooldown_s=cooldown,
            send_timeout_s=send_timeout,
        ),
        templates=(Template(locale="ru", text="{{ code }}"),),
    )


CHANNELS = st.builds(
    build_channel,
    kind=st.sampled_from(
        [ChannelType.SMS, ChannelType.SIM_PUSH, ChannelType.FLASHCALL, ChannelType.VOICE]
    ),
    length=st.sampled_from([6, 6, 8, 5]),
    beautify=st.sampled_from([False, False, False, True]),
    lifetime=st.sampled_from([300, 60, 700, 20]),
    tries=st.sampled_from([3, 1, 2, 9]),
    restarts=st.integers(0, 2),
    cooldown=st.sampled_from([30, 1, 90]),
    send_timeout=st.sampled_from([10, 1, 40]),
)
LIMITS = st.sampled_from(
    [
        WidgetLimits(),
        WidgetLimits(per_recipient_per_minute=9, per_recipient_per_hour=20),
        WidgetLimits(per_recipient_per_minute=1, code_attempts_per_session=9),
        WidgetLimits(
            per_recipient_per_minute=9,
            per_recipient_per_hour=4,
            failed_checks_per_recipient_per_day=3,
            code_attempts_per_session=2,
        ),
    ]
)
WIDGETS = ("widget-0", "widget-1")
PEOPLE = tuple(
    Recipient(number=f"+7900000000{n}", country="RU", number_type=NumberType.MOBILE)
    for n in range(2)
)
ADDRESSES = (None, "10.0.0.1")
WHICH = st.sampled_from([0, 1, 2, 0, 1, 2, 0, 7])
PLACE = st.integers(0, 3)
MESSAGE = st.integers(0, 6)
CURRENT_OR_ANY = st.sampled_from([None, None, None, None, None, 1, 2, 3, 0, 99])
JUMPS = st.sampled_from([1.0, 31.0, 30.0, 5.0, 0.001, 31.0, 10.0, 61.0, 31.0, 120.0, 300.0])
NEAREST = st.sampled_from([0, 1, 0, 2, 0, 1, 3, 5])
EDGES = st.sampled_from([0.0, -0.001, 0.001])
AGES = timedelta(seconds=600)
OPEN_AT_ONCE, AT_MOST = 3, 12
LONG = 2000.0


class Verification(RuleBasedStateMachine):
    """Everybody does anything at any time."""

    make: ClassVar[Callable[[], System]]

    def __init__(self) -> None:
        super().__init__()
        self.system = type(self).make()
        self.widgets: dict[str, Widget] = {}
        self.cascades: dict[str, tuple[Channel, ...]] = {}
        self.tracks: list[Track] = []
        self.asked: dict[str, list[datetime]] = {}
        self.failed: dict[str, list[datetime]] = {}
        self.addressed: dict[str, list[datetime]] = {}

    # --- the catalogue

    @initialize(
        cascades=st.tuples(*[st.lists(CHANNELS, min_size=1, max_size=4)] * 2),
        limits=st.tuples(LIMITS, LIMITS),
    )
    def open_shop(
        self,
        cascades: tuple[list[Channel], list[Channel]],
        limits: tuple[WidgetLimits, WidgetLimits],
    ) -> None:
        for name, channels, limit in zip(WIDGETS, cascades, limits, strict=True):
            self.widgets[name] = Widget(id=name, tenant="t", name=name, limits=limit)
            self.cascades[name] = tuple(
                replace(channel, id=f"c{place}") for place, channel in enumerate(channels)
            )
            self._configure(name)
        self.send(0, 0, None, taken=True)

    def _configure(self, name: str) -> None:
        self.system.configure(self.widgets[name], self.cascades[name])

    @rule(
        name=st.sampled_from(WIDGETS),
        change=st.sampled_from(["edit", "disable", "drop", "rotate", "add", "block"]),
        place=PLACE,
        channel=CHANNELS,
    )
    def change_catalogue(self, name: str, change: str, place: int, channel: Channel) -> None:
        cascade = list(self.cascades[name])
        at = place % max(1, len(cascade))
        match change:
            case "edit" if cascade:
                cascade[at] = replace(channel, id=cascade[at].id)
            case "disable" if cascade:
                cascade[at] = replace(cascade[at], enabled=not cascade[at].enabled)
            case "drop" if cascade:
                del cascade[at]
            case "rotate":
                cascade = cascade[1:] + cascade[:1]
            case "block":
                widget = self.widgets[name]
                self.widgets[name] = replace(widget, blocked=not widget.blocked)
            case _:
                fresh = f"c{max((int(c.id[1:]) for c in cascade), default=-1) + 1}"
                cascade.append(replace(channel, id=fresh))
        self.cascades[name] = tuple(cascade)
        self._configure(name)

    # --- time

    @rule(seconds=JUMPS, asleep=st.booleans())
    def wait(self, seconds: float, asleep: bool) -> None:
        self._pass(seconds, asleep=asleep)

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, deadline=NEAREST, edge=EDGES, asleep=st.booleans())
    def wait_for_a_deadline(self, which: int, deadline: int, edge: float, asleep: bool) -> None:
        ahead = sorted(self._deadlines(self._track(which)))
        if not ahead:
            return
        seconds = (ahead[deadline % len(ahead)] - self.system.now).total_seconds() + edge
        if seconds > 0:
            self._pass(seconds, asleep=asleep)

    def _deadlines(self, track: Track) -> Iterator[datetime]:
        """Instants ahead at which something may change for this session."""
        candidates = [track.last.expires_at, *(hit + timedelta(minutes=1) for hit in track.asked)]
        for message in track.messages:
            if message.fate == WAITING:
                candidates.append(message.answer_by)
            elif message.out_at is not None:
                candidates.append(track.deadline(message))
                cooldown = timedelta(seconds=message.settings.restart_cooldown_s)
                candidates.append(message.out_at + cooldown)
        candidates.extend(first + AGES for first in track.first_out.values())
        return (instant for instant in candidates if instant > self.system.now)

    def _pass(self, seconds: float, *, asleep: bool) -> None:
        before = [track.last for track in self.tracks]
        self.system.advance_time(seconds, asleep=asleep)
        for track, last in zip(self.tracks, before, strict=True):
            if self.system.state(track.id).version != last.version:
                self._seen(track, inputs.Tick())

    # --- people and back ends

    @precondition(lambda self: self._has_place())
    @rule(
        widget=st.integers(0, 1),
        person=st.integers(0, 1),
        address=st.sampled_from(ADDRESSES),
        taken=st.booleans(),
    )
    def send(self, widget: int, person: int, address: str | None, taken: bool) -> None:
        name, to, now = WIDGETS[widget], PEOPLE[person], self.system.now
        limits = self.widgets[name].limits
        asked = self.asked.setdefault(to.number, [])
        failed = [(now - at).days < 1 for at in self.failed.get(to.number, [])]
        hits = self.addressed.setdefault(address or "", [])
        crowded = sum((now - at).total_seconds() < 60 for at in hits) >= limits.per_ip_per_minute
        room = (
            has_room(asked, limits, now)
            and sum(failed) < limits.failed_checks_per_recipient_per_day
            and not (address and crowded)
        )
        answer = self.system.send(name, to, address)
        if isinstance(answer, str):
            assert answer in {"RateLimitException", "NoAvailableChannelsException"}
            assert answer != "RateLimitException" or not room
            return
        assert room
        asked.append(now)
        hits.append(now)
        record = self.system.state(answer.session)
        assert record.state is State.WAIT
        assert record.expires_at == now + timedelta(seconds=900)
        track = Track(answer.session, name, to.number, record, [now])
        self.tracks.append(track)
        self._observe(track, record)
        self._hold_record(track, record)
        if taken:
            self._accept(track, record.current, None, None)

    @precondition(lambda self: self.tracks)
    @rule(
        which=WHICH,
        message=MESSAGE,
        form=st.sampled_from(["wrong", "plain", "wrong", "twice", "spaced"]),
    )
    def check(self, which: int, message: int, form: str) -> None:
        track = self._track(which)
        if form == "wrong":
            typed = "wrong"
        else:
            typed = self._digits(track, message % len(track.messages) + 1) or "none"
        self._check(track, f" {typed[:3]}-{typed[3:]}" if form == "spaced" else typed, typed)
        if form == "twice":
            self._check(track, typed, typed)

    @precondition(lambda self: len(self.tracks) > 1)
    @rule(which=WHICH, other=WHICH, message=MESSAGE)
    def check_a_code_of_another_session(self, which: int, other: int, message: int) -> None:
        theirs = self._track(other)
        typed = self._digits(theirs, message % len(theirs.messages) + 1) or "none"
        self._check(self._track(which), typed, typed)

    def _check(self, track: Track, typed: str, meant: str) -> None:
        now = self.system.now
        self._time_out(track)
        was_open, was_confirmed = track.is_open(now), self._is_confirmed(track)
        live = track.live(now)
        matching = {self._digits(track, m.number) for m in live}
        answer = self.system.check(track.id, typed)
        record = self._seen(track, inputs.CheckCode(code=typed), hit=meant in matching)
        exhausted = record.over is State.EXHAUSTED
        if was_confirmed:
            assert answer == (True if meant in track.good else "InvalidCodeException")
        elif not was_open or exhausted:
            assert answer in {
                "SessionClosedException",
                "AttemptsExpiredException",
                "NoAvailableChannelsException",
            }
        elif meant in matching:
            assert answer is True
            assert record.state is State.CONFIRMED
        elif record.confirmed_at is not None:  # by a verdict that was parked until now
            assert answer == "InvalidCodeException"
        elif live:
            track.misses += 1
            for channel in {m.channel for m in live}:
                track.channel_misses[channel] = track.channel_misses.get(channel, 0) + 1
            self.failed.setdefault(track.number, []).append(now)
            spent = record.state is State.SPENT
            assert answer == ("AttemptsExpiredException" if spent else "InvalidCodeException")
            current = track.messages[record.current - 1]
            typed_here = current.code_type is CodeType.CODE
            assert spent == (
                track.misses >= record.code_attempts or (typed_here and track.rest(current) <= 0)
            )
        else:
            assert answer in {
                "InvalidCodeException",
                "IsCodelessChannelException",
                "ResendChannelException",
                "NoAvailableChannelsException",
            }
        self._hold_attempts(track, record)

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, another_way=st.booleans(), taken=st.booleans())
    def resend(self, which: int, another_way: bool, taken: bool) -> None:
        track, now = self._track(which), self.system.now
        self._time_out(track)
        limits, before = self.widgets[track.widget].limits, track.last
        was_open, room = track.is_open(now), has_room(track.asked, limits, now)
        count = len(track.messages)
        answer = self.system.resend(track.id, another_way=another_way)
        asked = answer is True
        record = self._seen(track, inputs.Resend(), asked=asked)
        if asked:
            assert was_open
            assert room
            assert not self.widgets[track.widget].blocked
            assert record.launch.asked
            assert len(track.messages) > count
            current = track.messages[before.current - 1]
            assert before.state is not State.WAIT or now >= current.answer_by
            if before.state is State.SENT and now < track.deadline(current):
                assert current.out_at is not None
                cooldown = timedelta(seconds=current.settings.restart_cooldown_s)
                assert now >= current.out_at + cooldown
            track.asked.append(now)
            self.asked[track.number].append(now)
            if taken:
                self._accept(track, record.current, None, None)
        elif answer == "RateLimitException":
            assert not room
        else:
            assert answer in {
                "NoAvailableChannelsException",
                "RestartCooldownActiveException",
                "AttemptsExpiredException",
                "SessionAlreadyConfirmedException",
            }
            confirmed = record.confirmed_at is not None
            assert (answer == "SessionAlreadyConfirmedException") == confirmed

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, way=st.sampled_from(["complete", "check_and_complete"]))
    def complete(self, which: int, way: str) -> None:
        track = self._track(which)
        self._time_out(track)
        was_confirmed = self._is_confirmed(track)
        answer = getattr(self.system, way)(track.id)
        event = inputs.Complete() if way == "complete" else inputs.CheckAndComplete()
        record = self._seen(track, event)
        track.completions += answer is True
        assert track.completions <= 1
        if answer is True:
            assert record.confirmed_at is not None
            assert record.closing is Closing.COMPLETED
        else:
            assert not was_confirmed
            assert record.state is not State.CONFIRMED
            assert answer is False or way == "check_and_complete"

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, really=st.sampled_from([False, False, False, True]))
    def cancel(self, which: int, really: bool) -> None:
        track = self._track(which)
        if not really:
            return
        self._time_out(track)
        answer = self.system.cancel(track.id)
        record = self._seen(track, inputs.Cancel())
        assert isinstance(answer, bool)
        assert (record.state is State.CLOSED) or record.confirmed_at is not None

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH)
    def look(self, which: int) -> None:
        track = self._track(which)
        shown = self.system.view(track.id)
        record = self._seen(track, inputs.Tick())
        if isinstance(shown, View):
            assert shown.status == record.state
            assert shown.expires_at > self.system.now
        else:
            assert record.state not in {State.WAIT, State.SENT, State.CONFIRMED}

    # --- providers

    @precondition(lambda self: self.tracks)
    @rule(
        which=WHICH,
        launch=CURRENT_OR_ANY,
        code=st.sampled_from([None, None, None, None, "4821", "135790"]),
        code_type=st.sampled_from([None, None, None, *CodeType]),
    )
    def accept(
        self, which: int, launch: int | None, code: str | None, code_type: CodeType | None
    ) -> None:
        track = self._track(which)
        self._accept(track, self._number(track, launch), code, code_type)

    def _accept(
        self, track: Track, number: int, code: str | None, code_type: CodeType | None
    ) -> None:
        self._time_out(track)
        self.system.accept(track.id, number, code, code_type)
        self._seen(
            track,
            inputs.Accepted(launch=number, code=code, code_type=code_type),
        )

    @precondition(lambda self: self.tracks)
    @rule(
        which=WHICH,
        launch=CURRENT_OR_ANY,
        answer=st.sampled_from(["reject", "error", "unsure"]),
    )
    def fail(self, which: int, launch: int | None, answer: str) -> None:
        track = self._track(which)
        number = self._number(track, launch)
        self._time_out(track)
        getattr(self.system, answer)(track.id, number)
        kinds: dict[str, type[inputs.Rejected | inputs.Errored | inputs.Unsure]] = {
            "reject": inputs.Rejected,
            "error": inputs.Errored,
            "unsure": inputs.Unsure,
        }
        self._seen(track, kinds[answer](launch=number))

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, launch=CURRENT_OR_ANY, kind=st.sampled_from(ReportKind))
    def report(self, which: int, launch: int | None, kind: ReportKind) -> None:
        track, now = self._track(which), self.system.now
        number = self._number(track, launch)
        self._time_out(track)
        was_open, message = track.is_open(now), track.message(number)
        due = (
            message is not None
            and message.fate == OUT
            and message.code_type is CodeType.CODELESS
            and now < track.deadline(message)
        )
        self.system.report(track.id, number, kind)
        record = self._seen(track, inputs.Reported(launch=number, kind=kind))
        if kind is ReportKind.CONFIRMED and was_open and due:
            assert record.confirmed_at == now or record.over is State.EXHAUSTED
        if kind is ReportKind.DECLINED and due and was_open and record.confirmed_at is None:
            assert message is not None
            assert message.channel in record.barred or record.over is State.EXHAUSTED

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, launch=CURRENT_OR_ANY, code_type=st.sampled_from(CodeType))
    def turn(self, which: int, launch: int | None, code_type: CodeType) -> None:
        track = self._track(which)
        number = self._number(track, launch)
        self._time_out(track)
        self.system.turn(track.id, number, code_type)
        self._seen(track, inputs.Turned(launch=number, code_type=code_type))

    # --- the books

    def _track(self, which: int) -> Track:
        """Mostly a session that is open; the highest numbers mean any."""
        alive = [track for track in self.tracks if track.last.closing is None]
        chosen = self.tracks if which > OPEN_AT_ONCE or not alive else alive
        return chosen[which % len(chosen)]

    def _has_place(self) -> bool:
        alive = sum(track.last.closing is None for track in self.tracks)
        return alive < OPEN_AT_ONCE and len(self.tracks) < AT_MOST

    def _number(self, track: Track, launch: int | None) -> int:
        return track.last.current if launch is None else launch

    def _digits(self, track: Track, number: int) -> str | None:
        code = track.messages[number - 1].code
        if code is None:
            return None
        return track.chosen.get(code) or self.system.digits(track.id, number)

    def _is_confirmed(self, track: Track) -> bool:
        last = track.last
        waits = last.confirmed_at is not None and last.closing is None
        return waits and self.system.now < last.expires_at

    def _time_out(self, track: Track) -> None:
        """What time alone has done by now to messages that nobody answered for."""
        if not track.is_open(self.system.now):
            return
        for message in track.messages:
            if message.fate == WAITING and message.answer_by <= self.system.now:
                track.let_out(message, message.started)

    def _seen(
        self,
        track: Track,
        event: inputs.Input,
        *,
        hit: bool = False,
        asked: bool = False,
    ) -> Session:
        """Enter one step into the books and hold the new record to what must be true."""
        self._time_out(track)
        now, last = self.system.now, track.last
        record = self.system.state(track.id)
        self._observe(track, record)
        self._answer(track, event, record)
        if record.confirmed_at is not None and last.confirmed_at is None:
            assert record.confirmed_at == now
            assert hit or self._provider_said_so(track, event)
            track.good = {self._digits(track, message.number) for message in track.live(now)}
        self._hold_transition(last, record, event)
        self._hold_history(last, record)
        self._hold_record(track, record)
        if not isinstance(event, inputs.CheckCode):
            self._hold_attempts(track, record)
        assert sum(launch.asked for launch in record.launches) == len(track.asked) + asked
        return record

    def _observe(self, track: Track, record: Session) -> None:
        """Take over the numbers that only the record knows; launches begin when they are seen."""
        now = self.system.now
        for launch in record.launches[len(track.messages) :]:
            assert launch.started_at == now
            assert launch.number == len(track.messages) + 1
            track.messages.append(
                Message(
                    number=launch.number,
                    channel=launch.channel,
                    started=now,
                    settings=launch.settings,
                    code_type=launch.code_type,
                    code=launch.code,
                )
            )
        for message, launch in zip(track.messages, record.launches, strict=True):
            self._take_over(track, message, launch)
        track.last = record

    def _take_over(self, track: Track, message: Message, launch: Launch) -> None:
        assert (launch.channel, launch.started_at) == (message.channel, message.started)
        if launch.code == message.code and launch.code_type is message.code_type:
            return
        assert launch.settings.lifetime_s == message.settings.lifetime_s
        message.code, message.code_type = launch.code, launch.code_type
        message.settings = launch.settings
        if message.fate == OUT and launch.code is not None:
            track.first_out.setdefault(launch.code, self.system.now)

    def _answer(self, track: Track, event: inputs.Input, record: Session) -> None:
        """What the input itself does to the message that it names."""
        message, now = track.message(getattr(event, "launch", 0)), self.system.now
        if message is None:
            return
        match event:
            case inputs.Reported(kind=ReportKind.DECLINED) if message.fate == OUT:
                self._spare(track, message)
            case _ if message.fate != WAITING:
                pass
            case inputs.Accepted():
                if event.code is not None and self._is_chosen(message, record):
                    assert message.code is not None
                    track.chosen[message.code] = event.code
                track.let_out(message, now)
            case inputs.Unsure():
                message.unsure = True
                if message.parked:
                    track.let_out(message, now)
            case inputs.Rejected() | inputs.Errored():
                message.fate = LOST
            case inputs.Reported():
                message.parked.add(event.kind)
                if message.unsure:
                    track.let_out(message, now)
            case _:
                pass

    def _spare(self, track: Track, declined: Message) -> None:
        """A restart that still waits is not handed over once its channel is declined."""
        for message in track.messages:
            same = message.channel == declined.channel and message.fate == WAITING
            if same and declined.code_type is CodeType.CODELESS:
                message.fate = LOST

    def _is_chosen(self, message: Message, record: Session) -> bool:
        return message.code is not None and record.codes[message.code - 1].digest is not None

    def _provider_said_so(self, track: Track, event: inputs.Input) -> bool:
        """Whether a verdict of the provider explains a confirmation at this moment."""
        now = self.system.now
        return any(
            m.fate == OUT
            and m.code_type is CodeType.CODELESS
            and now < track.deadline(m)
            and (
                ReportKind.CONFIRMED in m.parked
                or event == inputs.Reported(launch=m.number, kind=ReportKind.CONFIRMED)
            )
            for m in track.messages
        )

    # --- what must hold

    def _hold_transition(self, last: Session, record: Session, event: inputs.Input) -> None:
        reached = {last.state}
        while True:
            more = {to for state in reached for to in TABLE[inputs.Tick][state].to}
            if more <= reached:
                break
            reached |= more
        due = wake_at(last)
        if due is None or due > self.system.now:
            reached = {last.state}
        allowed = {to for state in reached for to in TABLE[type(event)][state].to}
        assert record.state in allowed, (last.state, event, record.state)

    def _hold_history(self, last: Session, record: Session) -> None:
        """What has happened stays happened."""
        assert (record.version == last.version) == (record == last)
        assert record.version >= last.version
        assert record.view_version >= last.view_version
        assert view(record) == view(last) or record.view_version > last.view_version
        assert record.misses >= last.misses
        charged = dict(record.channel_misses)
        assert all(charged[name] >= count for name, count in last.channel_misses)
        assert record.expires_at >= last.expires_at
        assert set(record.barred) >= set(last.barred)
        assert len(record.codes) >= len(last.codes)
        for name in ("confirmed_at", "over", "closing"):
            assert getattr(last, name) in {None, getattr(record, name)}
        assert record.timeline[: len(last.timeline)] == last.timeline

    def _hold_record(self, track: Track, record: Session) -> None:
        """What is true of every record at every time."""
        waits = record.state is State.WAIT and not record.launch.unsure
        assert self.system.jobs(track.id) == ({record.current} if waits else set())
        if waits:
            assert track.messages[record.current - 1].fate == WAITING
        open_ = record.over is None and record.closing is None
        assert not open_ or record.launch.state is not LaunchState.FAILED
        due = wake_at(record)
        assert (due is None) == (record.state is State.CLOSED)
        assert due is None or due <= record.expires_at
        self._hold_timeline(record)

    def _hold_timeline(self, record: Session) -> None:
        instants = [entry.at for entry in record.timeline]
        assert instants == sorted(instants)
        assert not instants or instants[-1] <= self.system.now
        assert len(instants) <= KEPT_ENTRIES + 4 * len(record.launches)

    def _hold_attempts(self, track: Track, record: Session) -> None:
        """The record charges what the books charge: never less, and never to somebody else."""
        assert record.misses == track.misses
        assert dict(record.channel_misses) == track.channel_misses
        shown = view(record)
        if not isinstance(shown, View):
            return
        current = track.messages[record.current - 1]
        rest = min(track.rest(current), record.code_attempts - track.misses)
        typed_here = current.code_type is CodeType.CODE
        assert shown.remaining_code_attempts == (max(0, rest) if typed_here else 0)

    def teardown(self) -> None:
        for _ in range(2):
            self.system.advance_time(LONG, asleep=False)
        for track in self.tracks:
            assert self.system.state(track.id).state is State.CLOSED
            assert self.system.view(track.id) == "SessionClosedException"
            assert self.system.complete(track.id) is False
            assert self.system.jobs(track.id) == set()


class CoreVerification(Verification):
    """The machine over the pure core."""

    make = CoreSystem
