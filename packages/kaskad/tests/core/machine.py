"""A machine that lives with several sessions at once and holds them to what may never happen.

:class:`Verification` drives a :class:`~packages.kaskad.tests.core.system.System` and keeps books
of its own: which messages may be with the person, since when, and what was charged to whom. It
believes the system's record only where a record cannot lie (numbers of launches and codes), and
compares the rest.

To drive something else than the core, implement ``System`` and subclass the machine with ``make``
set to it.
"""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from msgspec.structs import replace

from kaskad.core import inputs
from kaskad.core.model import (
    Channel,
    Closing,
    CodeType,
    ReportKind,
    Session,
    State,
    Widget,
    WidgetLimits,
)
from kaskad.core.view import View, wake_at
from packages.kaskad.tests.core.books import OUT, WAITING, Track, has_room
from packages.kaskad.tests.core.drawn import (
    ADDRESSES,
    AGES,
    CHANNELS,
    CURRENT_OR_ANY,
    EDGES,
    KINDS,
    LIMITS,
    LONG,
    MESSAGE,
    PEOPLE,
    PLANS,
    UNLIKELY_TWICE,
    WHICH,
    WIDGETS,
)
from packages.kaskad.tests.core.promises import (
    hold_attempts,
    hold_parked,
    hold_record,
)
from packages.kaskad.tests.core.scene import Outcome
from packages.kaskad.tests.core.stage import Stage
from packages.kaskad.tests.core.system import CoreSystem


class Verification(Stage):
    """Everybody does anything at any time."""

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
        self.send(0, 0, None, plan=("accept",), kind=ReportKind.DELIVERED)

    # --- people and back ends

    @precondition(lambda self: self._has_place())
    @rule(
        widget=st.integers(0, 1),
        person=st.integers(0, 1),
        address=st.sampled_from(ADDRESSES),
        plan=PLANS,
        kind=KINDS,
    )
    def send(
        self,
        widget: int,
        person: int,
        address: str | None,
        plan: tuple[str, ...],
        kind: ReportKind,
    ) -> None:
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
        track.observe(record, self.system.now)
        hold_record(track, record, self.system.jobs(track.id), now)
        self._hand_over(track, plan, kind)

    def _hand_over(self, track: Track, plan: tuple[str, ...], kind: ReportKind) -> None:
        """What happens to a fresh launch at once, before anybody else does anything."""
        number = track.last.current
        for act in plan:
            match act:
                case "accept":
                    self._accept(track, number, None, None)
                case "report":
                    self._report(track, number, kind)
                case _:
                    self._fail(track, number, act)

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
        theirs_is = theirs.messages[message % len(theirs.messages)]
        typed = self._digits(theirs, theirs_is.number) or "none"
        mine = self._track(which)
        answer = self._check(mine, typed, typed)
        if mine is not theirs and len(typed) >= UNLIKELY_TWICE:
            assert theirs_is.settings.beautify or answer is not True

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, edge=EDGES, again=st.booleans())
    def check_when_ten_minutes_are_over(self, which: int, edge: float, again: bool) -> None:
        track = self._track(which)
        if again:
            self._resend(track, False, 0.0, ("accept",), ReportKind.DELIVERED)
        for code, first in tuple(track.first_out.items()):
            seconds = (first + AGES - self.system.now).total_seconds() + edge
            if seconds <= 0:
                continue
            self._pass(seconds, asleep=False)
            carrier = next((m for m in track.messages if m.code == code), None)
            typed = carrier and self._digits(track, carrier.number)
            answer = self._check(track, typed or "none", typed or "none")
            twice = carrier is not None and carrier.settings.beautify
            assert edge < 0 or answer is not True or typed in track.good or twice
            return

    def _check(self, track: Track, typed: str, meant: str) -> Outcome:
        now = self.system.now
        track.time_out(self.system.now)
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
        hold_attempts(track, record)
        return answer

    @precondition(lambda self: self.tracks)
    @rule(
        which=WHICH,
        another_way=st.sampled_from([False, False, True]),
        patience=st.sampled_from([None, 0.0, None, -0.001]),
        plan=PLANS,
        kind=KINDS,
    )
    def resend(
        self,
        which: int,
        another_way: bool,
        patience: float | None,
        plan: tuple[str, ...],
        kind: ReportKind,
    ) -> None:
        self._resend(self._track(which), another_way, patience, plan, kind)

    def _resend(
        self,
        track: Track,
        another_way: bool,
        patience: float | None,
        plan: tuple[str, ...],
        kind: ReportKind,
    ) -> None:
        if patience is not None:
            self._cool_down(track, patience)
        now = self.system.now
        track.time_out(now)
        limits, before = self.widgets[track.widget].limits, track.last
        was_open, room = track.is_open(now), has_room(track.asked, limits, now)
        count = len(track.messages)
        answer = self.system.resend(track.id, another_way=another_way)
        asked = answer is True
        record = self._seen(track, inputs.Resend(), asked=asked)
        match answer:
            case True:
                assert was_open
                assert room
                assert len(track.messages) > count
                self._hold_resend(track, before, another_way=another_way)
                track.asked.append(now)
                self.asked[track.number].append(now)
                self._hand_over(track, plan, kind)
            case "RateLimitException":
                assert not room
            case "RestartCooldownActiveException":
                assert record.state in {State.WAIT, State.SENT}
                assert now < self._cool_at(track.messages[record.current - 1])
            case "SessionAlreadyConfirmedException":
                assert record.confirmed_at is not None
            case _:
                assert answer in {"NoAvailableChannelsException", "AttemptsExpiredException"}
                assert record.confirmed_at is None

    def _hold_resend(self, track: Track, before: Session, *, another_way: bool) -> None:
        """A granted resend: in its time, on a channel that was free for it."""
        now, launch = self.system.now, track.last.launch
        assert launch.asked
        assert not self.widgets[track.widget].blocked
        current = track.messages[before.current - 1]
        assert before.state is not State.WAIT or now >= current.answer_by
        if before.state is State.SENT and now < track.deadline(current):
            assert now >= self._cool_at(current)
        again = sum(message.channel == launch.channel for message in track.messages) - 1
        configured = next(c for c in self.cascades[track.widget] if c.id == launch.channel)
        assert again <= (0 if another_way else configured.settings.number_of_restart)
        assert launch.channel not in before.barred

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, way=st.sampled_from(["complete", "check_and_complete"]))
    def complete(self, which: int, way: str) -> None:
        track = self._track(which)
        track.time_out(self.system.now)
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
        track.time_out(self.system.now)
        was_confirmed = self._is_confirmed(track)
        answer = self.system.cancel(track.id)
        record = self._seen(track, inputs.Cancel())
        assert answer in {True, False}
        assert not (answer and was_confirmed)
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
        track.time_out(self.system.now)
        before, message = track.last, track.message(number)
        event = inputs.Accepted(launch=number, code=code, code_type=code_type)
        now_sent = (
            message is not None
            and message.fate == WAITING
            and track.is_open(self.system.now)
            and before.state is State.WAIT
        )
        self.system.accept(track.id, number, code, code_type)
        record = self._seen(track, event)
        if now_sent and message is not None:
            hold_parked(message, record, self.system.now)

    @precondition(lambda self: self.tracks)
    @rule(
        which=WHICH,
        launch=CURRENT_OR_ANY,
        answer=st.sampled_from(["reject", "error", "unsure"]),
    )
    def fail(self, which: int, launch: int | None, answer: str) -> None:
        track = self._track(which)
        self._fail(track, self._number(track, launch), answer)

    def _fail(self, track: Track, number: int, answer: str) -> None:
        track.time_out(self.system.now)
        getattr(self.system, answer)(track.id, number)
        kinds: dict[str, type[inputs.Rejected | inputs.Errored | inputs.Unsure]] = {
            "reject": inputs.Rejected,
            "error": inputs.Errored,
            "unsure": inputs.Unsure,
        }
        self._seen(track, kinds[answer](launch=number))

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, launch=CURRENT_OR_ANY, kind=KINDS)
    def report(self, which: int, launch: int | None, kind: ReportKind) -> None:
        track = self._track(which)
        self._report(track, self._number(track, launch), kind)

    def _report(self, track: Track, number: int, kind: ReportKind) -> None:
        now = self.system.now
        track.time_out(now)
        before, was_open, message = track.last, track.is_open(now), track.message(number)
        due = (
            message is not None
            and message.fate == OUT
            and message.code_type is CodeType.CODELESS
            and now < track.deadline(message)
        )
        self.system.report(track.id, number, kind)
        record = self._seen(track, inputs.Reported(launch=number, kind=kind))
        due_at = wake_at(before)
        if kind is ReportKind.UNDELIVERED and number != before.current:
            assert record.current == before.current or (due_at is not None and due_at <= now)
        if kind is ReportKind.CONFIRMED and was_open and due:
            assert record.confirmed_at == now
        if kind is ReportKind.DECLINED and due and was_open and record.confirmed_at is None:
            assert message is not None
            assert message.channel in record.barred or record.over is State.EXHAUSTED

    @precondition(lambda self: self.tracks)
    @rule(which=WHICH, launch=CURRENT_OR_ANY, code_type=st.sampled_from(CodeType))
    def turn(self, which: int, launch: int | None, code_type: CodeType) -> None:
        track = self._track(which)
        number = self._number(track, launch)
        track.time_out(self.system.now)
        self.system.turn(track.id, number, code_type)
        self._seen(track, inputs.Turned(launch=number, code_type=code_type))

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
