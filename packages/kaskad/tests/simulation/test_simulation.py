"""Whole cascades in virtual time: one number decides everything that happens.

A failure prints the number, the command that tells the same story again, and what of the
story is about the session that was wronged.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.simulation.sabotage import ALL
from packages.kaskad.tests.simulation.town import Town

pytestmark = pytest.mark.untraced

REPLAY = "KASKAD_SIMULATION_SEED"
PEOPLE = 300
SEEDS, SOAKED = range(3), range(1000, 1300)
TOLD = 80


@pytest.fixture(autouse=True)
def logged() -> Iterator[object]:
    """Providers fail by the hundred here: the log would only hide the story."""
    with structlog.testing.capture_logs() as entries:
        yield entries


def seeds(usual: range) -> list[int]:
    """The usual ones, or the one that is to be replayed."""
    given = os.environ.get(REPLAY)
    return list(usual) if given is None else [int(given)]


def live(seed: int, folder: Path, *, people: int = PEOPLE) -> Town:
    """A town's whole story, if it is one to be proud of."""
    town = Town(seed, folder, people=people)
    town.live()
    if town.story.wrongs:
        pytest.fail(complaint(town), pytrace=False)
    return town


def complaint(town: Town) -> str:
    """What went wrong first, and how to see it again."""
    who, what = town.story.wrongs[0]
    file = (
        Path(__file__).relative_to(Path.cwd()) if Path(__file__).is_relative_to(Path.cwd()) else ""
    )
    again = f"{REPLAY}={town.seed} .venv/bin/python -m pytest {file} -k in_all_towns"
    story = "\n".join(town.story.lines(who)[-TOLD:])
    return f"seed {town.seed}; again with\n  {again}\n\n{story}\n\n{what}"


@pytest.mark.parametrize("seed", seeds(SEEDS))
def test_in_all_towns_promises_are_kept(seed: int, tmp_path: Path) -> None:
    town = live(seed, tmp_path)
    assert len(town.ledger.names) > PEOPLE // 2
    assert sum(town.ledger.verdicts.values()) > PEOPLE // 4
    assert town.ledger.restarts > 3
    assert town.ledger.passed_on > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", seeds(SOAKED))
def test_in_all_towns_promises_are_kept_for_long(seed: int, tmp_path: Path) -> None:
    live(seed, tmp_path)


def test_the_same_seed_tells_the_same_story(tmp_path: Path) -> None:
    first, same, other = (
        live(seed, tmp_path / name, people=60).story.lines()
        for name, seed in (("first", 42), ("same", 42), ("other", 43))
    )
    assert first == same
    assert len(first) > 1000
    assert first != other


@pytest.mark.parametrize("defect", ALL, ids=lambda defect: defect.__name__.lower())
def test_a_defect_of_the_store_comes_out(defect: type[FaultyStore], tmp_path: Path) -> None:
    town = Town(1, tmp_path, people=PEOPLE, wrap=defect)
    town.live()
    assert town.story.wrongs
    told = complaint(town)
    assert f"{REPLAY}=1 " in told
    assert "<-- here something is wrong" in told
