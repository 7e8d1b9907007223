"""The town's own books: what may never happen, held against every durable change."""

from collections import Counter
from datetime import timedelta

from kaskad.app.courier import RESTING
from kaskad.app.ports import Catalog, Change, Message
from kaskad.app.verification import ChannelAnswer
from kaskad.core.model import Closing, CodeType, Launch, LaunchState, Session, State
from kaskad.core.view import View, wake_at
from kaskad.testing import FakeClock
from packages.kaskad.tests.core.promises import hold_history, hold_timeline
from packages.kaskad.tests.running.node import Archive
from packages.kaskad.tests.simulation.story import Story

TEN_MINUTES = timedelta(seconds=600)
NOTICED_WITHIN = timedelta(seconds=1)

Shown = View | type[Exception]


class Ledger:
    """Watches the store and the provider, and listens to what callers are answered."""

    def __init__(self, archive: Archive, catalog: Catalog, clock: FakeClock, story: Story) -> None:
        self.archive = archive
        self.story = story
        self._catalog = catalog
        self._clock = clock
        self.names: dict[str, str] = {}
        self.verdicts: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.handed: Counter[tuple[str, int]] = Counter()
        self.again: Counter[tuple[str, int]] = Counter()
        self.passed_on = 0
        self.restarts = 0
        self._restarts_at: dict[tuple[str, int], int] = {}
        self._views: dict[tuple[str, int], Shown] = {}
        archive.watchers.append(self._changed)

    def name(self, session: str) -> str:
        """Sessions are told apart by the order of their coming."""
        return self.names.setdefault(session, f"s{len(self.names):04}")

    # --- what the store was told

    def _changed(self, change: Change) -> None:
        after, before = change.session, self.archive.sessions.get(change.session.id)
        name = self.name(after.id)
        self.story.tell(name, f"v{after.version} {after.state} {_last(before, after)}")
        with self.story.holding(name):
            if before is None:
                assert after.version == 1
            else:
                self._hold_step(before, after)
            self._hold_record(after)
            for launch in after.launches[len(before.launches) if before else 0 :]:
                self._hold_launch(before, after, launch)

    def _hold_step(self, before: Session, after: Session) -> None:
        assert after.version == before.version + 1, "a change was made on something else"
        hold_history(before, after, self._clock.now())
        known = len(before.timeline)
        if any(entry.reason == RESTING for entry in after.timeline[known:]):
            self.passed_on += 1
            assert len(after.launches) > len(before.launches), "given up for a guess"
        assert after.code_attempts == before.code_attempts
        if before.closing is not None:
            assert after.state is State.CLOSED
            assert (after.launches, after.misses) == (before.launches, before.misses)
        if before.over is State.SPENT:
            assert after.confirmed_at is None
        if before.over is State.EXHAUSTED and after.confirmed_at is not None:
            pushes = [x for x in before.launches if x.code_type is CodeType.CODELESS]
            assert pushes, "a code confirmed what was exhausted"

    def _hold_record(self, record: Session) -> None:
        assert record.misses <= record.code_attempts, "more looks than attempts"
        most: Counter[str] = Counter()
        for launch in record.launches:
            most[launch.channel] = max(most[launch.channel], launch.settings.number_of_tries)
        for channel, missed in record.channel_misses:
            assert missed <= most[channel], "more looks than tries"
        if record.closing is Closing.COMPLETED:
            assert record.confirmed_at is not None
        waits = record.state is State.WAIT and not record.launch.unsure
        assert self.archive.jobs[record.id] == ({record.current} if waits else set())
        hold_timeline(record, self._clock.now())

    def _hold_launch(self, before: Session | None, session: Session, launch: Launch) -> None:
        """A launch goes to a channel that is offered to this person at this moment."""
        snapshot = self._catalog.snapshot
        widget = snapshot.widgets[session.widget]
        assert widget.active
        assert not widget.blocked, "a blocked widget launched something"
        assert launch.channel in widget.channels
        channel = snapshot.channels[session.tenant, launch.channel]
        countries = channel.rules.countries
        assert channel.enabled
        assert not countries or session.recipient.country in countries
        assert launch.started_at == self._clock.now()
        if before is not None:
            used = {x.channel for x in before.launches}
            assert launch.asked or launch.channel not in used, "restarted by itself"
            assert launch.channel not in before.barred
            assert before.confirmed_at is None
            assert before.over is None
        self._restarts_at[session.id, launch.number] = self.restarts

    # --- what the provider was given

    def hand_over(self, message: Message) -> None:
        name, key = self.name(message.session), (message.session, message.launch)
        self.handed[key] += 1
        with self.story.holding(name):
            session = self.archive.sessions[message.session]
            launch, now = session.launches[message.launch - 1], self._clock.now()
            assert session.state is State.WAIT, "handed over though nobody waits for it"
            assert launch.number == session.current
            assert launch.state is LaunchState.WAIT
            assert now < min(launch.send_by, session.expires_at)
            assert message.recipient == session.recipient.number
            if launch.code is not None:
                first = session.codes[launch.code - 1].first_sent_at
                assert first is None or now < first + TEN_MINUTES, "its code is dead"
                assert message.code
                assert message.code in message.text
            allowed = 1 + self.again[key] + self.restarts - self._restarts_at[key]
            assert self.handed[key] <= allowed, "one message too many"

    # --- what callers were answered

    def collected(self, session: str, answer: bool | None) -> None:
        """A call for the verdict was answered; ``None``: the answer was lost on its way."""
        if answer is None:
            self.unanswered[session] += 1
        self.verdicts[session] += answer is True
        with self.story.holding(self.name(session)):
            assert self.verdicts[session] <= 1, "a second verdict"
            if answer is True:
                assert self.archive.sessions[session].closing is Closing.COMPLETED

    def saw(self, answer: ChannelAnswer, since: int) -> int:
        """A reader was shown a view, having seen ``since`` before."""
        session = answer.session.id
        with self.story.holding(self.name(session)):
            assert answer.version >= since, "a view from the past"
            known = self._views.setdefault((session, answer.version), answer.view)
            assert known == answer.view, "two views of one version"
        return answer.version

    # --- now and then, and at the end

    def inspect(self, jobs: int) -> None:
        """Nobody is stuck, and the store has the jobs that it must have."""
        now = self._clock.now()
        for session in self.archive.sessions.values():
            due = wake_at(session)
            if due is not None and due + NOTICED_WITHIN <= now:
                with self.story.holding(self.name(session.id)):
                    raise AssertionError(f"stuck since {due}")
        with self.story.holding("town"):
            assert jobs == self.archive.open_jobs

    def close(self) -> None:
        """Everybody has reached the end; a verdict that was given was also received, or lost."""
        for session in self.archive.sessions.values():
            with self.story.holding(self.name(session.id)):
                assert session.state is State.CLOSED
                assert not self.archive.jobs[session.id]
                if session.closing is Closing.COMPLETED:
                    received = self.verdicts[session.id] + self.unanswered[session.id]
                    assert received, "nobody was given the verdict"


def _last(before: Session | None, after: Session) -> str:
    known = len(before.timeline) if before else 0
    return ", ".join(
        f"{entry.input}{'' if entry.launch is None else f' {entry.launch}'} {entry.reason}".strip()
        for entry in after.timeline[known:]
    )
