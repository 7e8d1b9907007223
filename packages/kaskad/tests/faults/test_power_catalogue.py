"""The power goes while the catalogue is written: a revoked token stays revoked.

The catalogue's driver brings a SQLite of its own, which no disk of ours stands
below. So its settings are taken from a connection that the product opened, and
hold for one on a recorded disk.
"""

import random
import shutil
from pathlib import Path

import apsw
import pytest

from kaskad.stores._database import open_database
from packages.kaskad.tests.faults.disk import STORE, Disk, Event, Told
from packages.kaskad.tests.faults.replay import Replay, laid_out

COMMITS = 30
FULL, EXTRA = 2, 3
IMAGES = 200


async def settings_of_the_product(folder: Path) -> tuple[int, str]:
    database = await open_database(f"sqlite:///{folder}/catalogue.db", busy_timeout_s=1)
    async with database.writing() as connection:
        synchronous = (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one()
        journal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one()
    await database.close()
    return int(synchronous), str(journal)


def recorded(folder: Path, synchronous: int, journal: str) -> list[Event]:
    """Many small changes, each promised once it is committed."""
    folder.mkdir()
    with Disk(folder) as disk:
        db = apsw.Connection(str(folder / STORE))
        db.execute(f"PRAGMA journal_mode = {journal}").fetchall()
        db.execute(f"PRAGMA synchronous = {synchronous}").fetchall()
        db.execute("CREATE TABLE tokens (n INTEGER PRIMARY KEY, filling TEXT)")
        for number in range(1, COMMITS + 1):
            db.execute("INSERT INTO tokens VALUES (?, ?)", (number, "x" * 900))
            disk.tell(number)
        db.close()
        return disk.events


def losses(events: list[Event], folder: Path) -> int:
    """How many power cuts take a promise back."""
    chance, replay, lost = random.Random(1), Replay(events), 0
    made = next(n for n, e in enumerate(events) if isinstance(e, Told))
    for cut in sorted(chance.randrange(made + 1, len(events) + 1) for _ in range(IMAGES)):
        promised = [e.what for e in events[:cut] if isinstance(e, Told)][-1]
        path = laid_out(replay.go(cut).unplugged(chance), folder)
        with Disk(folder):
            db = apsw.Connection(str(path))
            [(last, count)] = db.execute("SELECT max(n), count(*) FROM tokens").fetchall()
            db.close()
        lost += not (isinstance(last, int) and last == count and last >= promised)  # type: ignore[operator]
        shutil.rmtree(folder)
    return lost


async def test_with_the_products_settings_nothing_is_taken_back(tmp_path: Path) -> None:
    synchronous, journal = await settings_of_the_product(tmp_path)
    assert losses(recorded(tmp_path / "first", synchronous, journal), tmp_path / "after") == 0


@pytest.mark.parametrize(("synchronous", "some"), [(FULL, True), (EXTRA, False)])
def test_what_a_rollback_journal_needs(tmp_path: Path, synchronous: int, some: bool) -> None:
    """A journal whose removal was not synced comes back, and undoes what it was kept for."""
    lost = losses(recorded(tmp_path / "first", synchronous, "delete"), tmp_path / "after")
    assert (lost > 0) is some
