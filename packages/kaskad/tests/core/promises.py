"""What must be true of every record, and of every step from one record to the next."""

from datetime import datetime

from kaskad.core import inputs
from kaskad.core.model import CodeType, LaunchState, ReportKind, Session, State
from kaskad.core.session import KEPT_ENTRIES, TABLE
from kaskad.core.view import View, view, wake_at
from packages.kaskad.tests.core.books import WAITING, Message, Track


def hold_transition(last: Session, record: Session, event: inputs.Input, now: datetime) -> None:
    reached = {last.state}
    while True:
        more = {to for state in reached for to in TABLE[inputs.Tick][state].to}
        if more <= reached:
            break
        reached |= more
    due = wake_at(last)
    if due is None or due > now:
        reached = {last.state}
    allowed = {to for state in reached for to in TABLE[type(event)][state].to}
    assert record.state in allowed, (last.state, event, record.state)


def hold_history(last: Session, record: Session, now: datetime) -> None:
    """What has happened stays happened."""
    assert (record.version == last.version) == (record == last)
    assert record.version >= last.version
    assert record.view_version >= last.view_version
    due = wake_at(last)
    if due is None or due > now:
        moved = (record.current, record.launch.code_type) != (
            last.current,
            last.launch.code_type,
        )
        seen = moved or view(record) != view(last)
        assert record.view_version == last.view_version + seen
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


def hold_moves(track: Track, last: Session, record: Session, now: datetime) -> None:
    """Automatic moves go to fresh channels, back to the newest live code, or nowhere."""
    used = {launch.channel for launch in last.launches}
    for launch in record.launches[len(last.launches) :]:
        assert launch.asked or launch.channel not in used
        used.add(launch.channel)
    earlier = [m.number for m in track.live(now) if m.number < last.current]
    if record.over is State.EXHAUSTED and last.over is None:
        assert not earlier
    if record.current < last.current:
        assert record.state is State.CLOSED or not [n for n in earlier if n > record.current]


def hold_record(track: Track, record: Session, jobs: set[int], now: datetime) -> None:
    """What is true of every record at every time."""
    waits = record.state is State.WAIT and not record.launch.unsure
    assert jobs == ({record.current} if waits else set())
    if waits:
        assert track.messages[record.current - 1].fate == WAITING
    open_ = record.over is None and record.closing is None
    assert not open_ or record.launch.state is not LaunchState.FAILED
    due = wake_at(record)
    assert (due is None) == (record.state is State.CLOSED)
    assert due is None or due <= record.expires_at
    hold_timeline(record, now)


def hold_timeline(record: Session, now: datetime) -> None:
    instants = [entry.at for entry in record.timeline]
    assert instants == sorted(instants)
    assert not instants or instants[-1] <= now
    assert len(instants) <= KEPT_ENTRIES + 4 * len(record.launches)


def hold_attempts(track: Track, record: Session) -> None:
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


def hold_parked(message: Message, record: Session, now: datetime) -> None:
    """Reports that came too early have counted by now."""
    verdicts = message.parked if message.code_type is CodeType.CODELESS else set()
    if ReportKind.CONFIRMED in verdicts:
        assert record.confirmed_at == now
    elif ReportKind.DECLINED in verdicts:
        assert message.channel in record.barred
    elif ReportKind.UNDELIVERED in message.parked:
        assert record.state is not State.SENT or record.current != message.number
    else:
        assert record.launch.number == message.number
        assert record.state is State.SENT
