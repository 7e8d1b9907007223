"""The process dies: at every moment at which anything waits, and between any two writes."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self

import pytest

from kaskad.core.model import LaunchState, Session
from kaskad.testing import START
from packages.kaskad.tests.faults.disk import Disk, Event, Told, Written
from packages.kaskad.tests.faults.life import (
    Answered,
    Asked,
    Handed,
    Life,
    Offered,
    Paused,
    Stored,
    later,
    pausing,
)
from packages.kaskad.tests.faults.replay import Image, Replay, laid_out
from packages.kaskad.tests.faults.stories import (
    SENDS_AN_HOUR,
    STORIES,
    Person,
    Story,
    cancels,
    collects,
    completes,
    guesses,
    looks,
    send,
    session_of,
)

pytestmark = pytest.mark.untraced

PARTS = 3
RESTART_S = 0.5
SECOND_DEATHS = 20
COLLECTING = (collects, completes)


class Began(NamedTuple):
    step: int


class Lived(NamedTuple):
    """What one life left behind: its events up to the end of the story, and what was said."""

    events: Sequence[Event]
    person: Person


@dataclass(frozen=True)
class Past:
    """What the world knows of lives that have ended, and what the processes knew."""

    ended_at: datetime = START
    next: int = 0
    request_id: str = ""
    said: Mapping[int, object] = field(default_factory=dict)
    offered: tuple[Session, ...] = ()
    promised: Mapping[str, Session] = field(default_factory=dict)
    handed: Counter[tuple[str, int]] = field(default_factory=Counter)
    interrupted: tuple[int, ...] = ()
    deaths: int = 0

    def and_then(self, life: Lived, death: int) -> Self:
        """With another life that ended after so many of its events."""
        told = [e.what for e in life.events[:death] if isinstance(e, Told)]
        answered = {int(what.label) for what in told if isinstance(what, Answered) and what.label}
        began = [what.step for what in told if isinstance(what, Began)]
        at = began[-1] if began else self.next
        cut_short = bool(began) and at not in answered
        session_id = life.person.request_id
        return replace(
            self,
            ended_at=max((w.at for w in told if isinstance(w, Paused)), default=self.ended_at),
            next=at if cut_short or not began else at + 1,
            request_id=session_id if 0 in answered | self.said.keys() else "",
            said={**self.said, **{n: life.person.said[n] for n in answered}},
            offered=(*self.offered, *(w.session for w in told if isinstance(w, Offered))),
            promised={
                **self.promised,
                **{w.session.id: w.session for w in told if isinstance(w, Stored)},
            },
            handed=self.handed
            + Counter((w.session, w.launch) for w in told if isinstance(w, Handed)),
            interrupted=(*self.interrupted, at) if cut_short else self.interrupted,
            deaths=self.deaths + 1,
        )


def deaths(events: Sequence[Event]) -> Iterator[int]:
    """After how many events a death leaves something else behind, or somebody knowing more."""
    for number, event in enumerate(events):
        if not (isinstance(event, Told) and isinstance(event.what, Paused)):
            yield number + 1


async def lived(story: Story, past: Past, folder: Path, uninterrupted: Lived | None) -> Lived:
    """One life: whoever was interrupted asks again, and the story goes on to its end."""
    person = Person(request_id=past.request_id, said=dict(past.said))
    with Disk(folder) as disk:
        begins = past.ended_at if not past.deaths else later(past.ended_at, RESTART_S)
        life = Life(disk, story.snapshot, at=begins, seed=past.deaths)
        pausing(disk, life.clock)
        async with life:
            for session_id in {s.id for s in past.offered}:
                assert_whole(await life.store.load(session_id), past, session_id)
            for number in range(past.next, len(story.steps)):
                disk.tell(Began(number))
                said = await story.steps[number](life, person, str(number))
                if uninterrupted is not None:
                    assert_expected(said, number, story, past, person, uninterrupted)
                person.said[number] = said
            events = list(disk.events)
            await assert_end(story, past.and_then(Lived(events, person), len(events)), life)
            disk.recording = False
    return Lived(events, person)


def assert_expected(
    said: object, number: int, story: Story, past: Past, person: Person, uninterrupted: Lived
) -> None:
    """An answer is that of the story without a death, less a verdict that was given already."""
    step = story.steps[number]
    before = [n for n in person.said if n < number]
    if step is looks:
        seen = [person.said[n] for n in before if story.steps[n] is looks]
        assert isinstance(said, int)
        assert said >= max(map(int, map(str, seen)), default=0), "what was seen was taken back"
    elif step is cancels:
        again = number == past.next and number in past.interrupted
        assert said is True or (again and said is False)
    elif step in COLLECTING:
        again = number == past.next and number in past.interrupted
        first = story.collected and not any(story.steps[n] in COLLECTING for n in before)
        assert said is first or (again and said is False), "a verdict twice"
    else:
        assert said == uninterrupted.person.said[number], step


def assert_whole(session: Session | None, past: Past, session_id: str) -> None:
    """A session is as some change left it, and no earlier one than was promised."""
    promised = past.promised.get(session_id)
    if session is None:
        assert promised is None, "a promised session is gone"
        return
    assert session in [s for s in past.offered if s.id == session_id], "half a change"
    assert promised is None or session.version >= promised.version, "a promised change is gone"


async def assert_end(story: Story, past: Past, life: Life) -> None:
    """The whole of all lives: verdicts, attempts, messages and limits."""
    person = Person(request_id=past.request_id)
    session = await session_of(life, person)
    assert life.store.sizes()["sessions"] == 1
    interrupted = [story.steps[number] for number in past.interrupted]

    verdicts = [said for n, said in past.said.items() if story.steps[n] in COLLECTING]
    lost = any(step in COLLECTING for step in interrupted)
    assert verdicts.count(True) == story.collected or (lost and verdicts.count(True) == 0)

    guessed = sum(step is guesses for step in story.steps)
    assert guessed <= session.misses <= guessed + interrupted.count(guesses)

    assert min(past.handed.values()) >= 1
    assert past.handed.total() <= len(past.handed) + past.deaths - 1, "more than one a death"

    asked = sum(launch.asked for launch in session.launches)
    assert asked == story.sends
    for number in range(SENDS_AN_HOUR - asked):
        assert (await send(life, Person(), "", key=f"more {number}")) is True
    assert (await send(life, Person(), "", key="too much")) == "RateLimitException"


async def dies(story: Story, past: Past, image: Image, folder: Path, first: Lived) -> Lived:
    """The life after a death."""
    laid_out(image, folder)
    sent = {
        (session.id, launch.number)
        for session in past.promised.values()
        for launch in session.launches
        if launch.state is not LaunchState.WAIT
    }
    life = await lived(story, past, folder, first)
    shutil.rmtree(folder)
    told = [e.what for e in life.events if isinstance(e, Told)]
    again = [w for w in told if isinstance(w, Handed) and (w.session, w.launch) in sent]
    assert again == [], "sent, stored, and sent again"
    return life


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", STORIES)
async def test_a_death_at_any_moment_costs_nothing_that_was_promised(
    tmp_path: Path, name: str, part: int
) -> None:
    story = STORIES[name]
    (tmp_path / "first").mkdir()
    first = await lived(story, Past(), tmp_path / "first", None)
    replay = Replay(first.events)
    for death in list(deaths(first.events))[part::PARTS]:
        image = replay.go(death).killed()
        past = Past().and_then(first, death)
        try:
            await dies(story, past, image, tmp_path / f"after-{death}", first)
        except BaseException as failure:
            failure.add_note(f"killed after event {death}: {first.events[death - 1]}")
            raise


@pytest.mark.soak
@pytest.mark.parametrize("name", STORIES)
async def test_a_second_death_costs_nothing_either(tmp_path: Path, name: str) -> None:
    story, chance = STORIES[name], random.Random(name)
    (tmp_path / "first").mkdir()
    first = await lived(story, Past(), tmp_path / "first", None)
    replay = Replay(first.events)
    for death in deaths(first.events):
        image, past = replay.go(death).killed(), Past().and_then(first, death)
        second = await dies(story, past, image, tmp_path / f"after-{death}", first)
        points = list(deaths(second.events))
        again = Replay(second.events, image)
        for at in sorted(chance.sample(points, min(SECOND_DEATHS, len(points)))):
            folder = tmp_path / f"after-{death}-{at}"
            both = past.and_then(second, at)
            await dies(story, both, again.go(at).killed(), folder, first)


@pytest.mark.parametrize("name", STORIES)
async def test_calls_and_messages_can_die_on_their_way(tmp_path: Path, name: str) -> None:
    """What the tests above rest on: each wait, and each write before it, is one of the events."""
    (tmp_path / "first").mkdir()
    events = (await lived(STORIES[name], Past(), tmp_path / "first", None)).events
    asked: dict[str, int] = {}
    for number, event in enumerate(events):
        what = event.what if isinstance(event, Told) else event
        if isinstance(what, Asked):
            asked[what.label] = number
        elif isinstance(what, Answered):
            between = events[asked.pop(what.label) : number]
            changes = any(isinstance(e, Told) and isinstance(e.what, Stored) for e in between)
            waits = sum(isinstance(e, Told) and isinstance(e.what, Paused) for e in between)
            writes = sum(isinstance(e, Written) for e in between)
            assert not changes or (waits >= 1 and writes >= 2)
    assert asked == {}
    told = [e.what for e in events if isinstance(e, Told)]
    handed = [number for number, what in enumerate(told) if isinstance(what, Handed)]
    assert handed
    assert all(isinstance(told[number + 1], Offered) for number in handed)
    assert len(list(deaths(events))) >= 40
