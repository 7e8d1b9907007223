"""Where the machine plays: the catalogue, the clock and the books, without the people."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from msgspec.structs import replace

from kaskad.core import inputs
from kaskad.core.model import Channel, Session, Widget
from packages.kaskad.tests.core.books import WAITING, Message, Track
from packages.kaskad.tests.core.drawn import (
    AGES,
    AT_MOST,
    CHANNELS,
    EDGES,
    JUMPS,
    NEAREST,
    OPEN_AT_ONCE,
    PLACE,
    WHICH,
    WIDGETS,
)
from packages.kaskad.tests.core.promises import (
    hold_attempts,
    hold_history,
    hold_moves,
    hold_record,
    hold_transition,
)
from packages.kaskad.tests.core.system import System


class Stage(RuleBasedStateMachine):
    """A system, what was asked of it so far, and time."""

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
                candidates.append(self._cool_at(message))
        candidates.extend(first + AGES for first in track.first_out.values())
        return (instant for instant in candidates if instant > self.system.now)

    def _pass(self, seconds: float, *, asleep: bool) -> None:
        before = [track.last for track in self.tracks]
        self.system.advance_time(seconds, asleep=asleep)
        for track, last in zip(self.tracks, before, strict=True):
            if self.system.state(track.id).version != last.version:
                self._seen(track, inputs.Tick())

    def _cool_at(self, message: Message) -> datetime:
        """When a message may be followed by another that somebody asks for."""
        counted_from = message.answer_by if message.out_at is None else message.out_at
        return counted_from + timedelta(seconds=message.settings.restart_cooldown_s)

    def _cool_down(self, track: Track, edge: float) -> None:
        seconds = (
            self._cool_at(track.messages[track.last.current - 1]) - self.system.now
        ).total_seconds()
        if seconds + edge > 0:
            self._pass(seconds + edge, asleep=False)

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

    def _seen(
        self,
        track: Track,
        event: inputs.Input,
        *,
        hit: bool = False,
        asked: bool = False,
    ) -> Session:
        """Enter one step into the books and hold the new record to what must be true."""
        track.time_out(self.system.now)
        now, last = self.system.now, track.last
        record = self.system.state(track.id)
        track.observe(record, self.system.now)
        track.enter(event, now)
        if record.confirmed_at is not None and last.confirmed_at is None:
            assert record.confirmed_at == now
            assert hit or track.was_told(event, now)
            assert record.expires_at == max(last.expires_at, now + timedelta(seconds=300))
            track.good = {self._digits(track, message.number) for message in track.live(now)}
        hold_transition(last, record, event, now)
        hold_history(last, record, now)
        hold_moves(track, last, record, now)
        hold_record(track, record, self.system.jobs(track.id), now)
        if not isinstance(event, inputs.CheckCode):
            hold_attempts(track, record)
        assert sum(launch.asked for launch in record.launches) == len(track.asked) + asked
        return record
