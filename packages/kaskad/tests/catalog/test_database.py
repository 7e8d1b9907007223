"""The catalogue's file: how it is opened, migrated, shared and refused."""

import asyncio
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from kaskad.app.ports import StoreUnavailableError
from kaskad.config import ConfigError, OperatorError
from kaskad.stores._database import APPLICATION_ID, open_database
from kaskad.stores.catalog import CatalogError, SqlCatalog
from kaskad.stores.migrations import HEAD
from kaskad.stores.tables import metadata
from kaskad.testing import FakeClock, FakeEntropy
from packages.kaskad.tests.catalog.conftest import Opener
from packages.kaskad.tests.catalog.declarations import DECLARED, KEYS, with_

SOON = 0.05  # seconds for which to wait for a lock that will not be given


async def open_at(path: Path, **options: Any) -> SqlCatalog:
    return await SqlCatalog.open(
        f"sqlite:///{path}",
        KEYS,
        clock=FakeClock(),
        entropy=FakeEntropy(),
        watch=False,
        **options,
    )


async def problem(path: Path, **options: Any) -> str:
    with pytest.raises(CatalogError) as caught:
        await (await open_at(path, **options)).close()
    assert isinstance(caught.value, OperatorError)
    assert isinstance(caught.value, StoreUnavailableError)
    (line,) = caught.value.problems
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


@contextmanager
def sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


# --- migrations --------------------------------------------------------------------


def test_the_newest_script_is_the_one_we_expect() -> None:
    config = Config()
    config.set_main_option("script_location", "kaskad.stores:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_scripts_make_the_tables_that_the_code_knows(migrated: Path) -> None:
    engine = create_engine(f"sqlite:///{migrated}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_a_missing_file_is_made_with_its_folder_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "lib" / "kaskad.db"
    catalog = await open_at(path)
    await catalog.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite(path) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


async def test_an_empty_file_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "kaskad.db"
    path.touch()
    catalog = await open_at(path)
    await catalog.close()
    assert catalog.snapshot.revision == 0


def test_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    asyncio.run(_start_at_once(tmp_path / "kaskad.db"))


async def _start_at_once(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kaskad.stores._database import prepare;"
        " sys.stdin.readline(); prepare(Path(sys.argv[1]), 5.0)"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(path),
            stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]  # fmt: skip
    done = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [
        (process.returncode, err) for process, (_, err) in zip(processes, done, strict=True)
    ] == [(0, b"")] * 3
    with sqlite(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]


# --- how it is used ----------------------------------------------------------------


async def test_commits_survive_a_power_cut(path: Path) -> None:
    database = await open_database(f"sqlite:///{path}", busy_timeout_s=5.0)
    try:
        async with database.writing() as connection:
            pragmas = [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
    finally:
        await database.close()
    assert pragmas == ["delete", 3, 1]


# --- what is refused ---------------------------------------------------------------


async def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        await SqlCatalog.open("postgresql://db/x", KEYS, clock=FakeClock(), entropy=FakeEntropy())
    assert caught.value.problems == [
        "database_url: expected sqlite:///PATH; postgresql is not supported"
    ]


async def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    before = path.read_bytes()
    assert await problem(path) == (
        "a database of something else; expected a new path or kaskad's own file"
    )
    assert path.read_bytes() == before


async def test_an_empty_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite(path) as connection:
        connection.execute("PRAGMA application_id = 7")
    assert (await problem(path)).startswith("a database of something else")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look at" * 30)
    assert await problem(path) == ("not a database of kaskad; expected a new path or its own file")


async def test_a_catalogue_of_a_newer_version_is_refused(path: Path) -> None:
    with sqlite(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert (await problem(path)).startswith("made by another version of kaskad (Can't locate")


async def test_a_catalogue_that_lost_its_tables_is_refused(path: Path) -> None:
    with sqlite(path) as connection:
        connection.execute("DROP TABLE widget_channels")
    assert "no such table: widget_channels" in await problem(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE channels SET type = 'pigeon'",
        'UPDATE channels SET settings = \'{"lifetime_s": "long"}\'',
        "UPDATE channels SET rules = '{}'",
        "UPDATE channels SET rules = replace(rules, 'Europe/Moscow', 'Mars/Olympus')",
        "UPDATE widgets SET limits = 'not json'",
        "UPDATE widgets SET allowed_origins = '7'",
    ],
)
async def test_a_row_that_means_nothing_is_told(path: Path, opener: Opener, statement: str) -> None:
    await (await opener()).apply(DECLARED)
    with sqlite(path) as connection:
        connection.execute(statement)
    assert (await problem(path)).startswith("a row of it cannot be read: ")


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert await problem(tmp_path / "file" / "kaskad.db") == "cannot use it: Not a directory"


async def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    assert await problem(tmp_path) == "cannot use it: Is a directory"


async def test_a_locked_catalogue_is_told(path: Path, opener: Opener) -> None:
    catalog = await opener(busy_timeout_s=SOON)
    with sqlite(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogError) as caught:
            await catalog.apply(DECLARED)
        connection.execute("ROLLBACK")
    assert caught.value.problems == [
        f"{path}: another process has locked it; try again, or stop that process"
    ]
    assert await catalog.apply(DECLARED)


async def test_a_failing_open_leaves_nothing_open(path: Path) -> None:
    with sqlite(path) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert (await problem(path, busy_timeout_s=SOON)).startswith(
            "another process has locked it"
        )
        connection.execute("ROLLBACK")


async def test_applying_nothing_to_a_new_tenant_writes_nothing(opener: Opener, path: Path) -> None:
    catalog = await opener()
    nothing = with_(tenant="new", providers=(), channels=(), widgets=(), tokens=())
    assert await catalog.apply(nothing) == []
    with sqlite(path) as connection:
        assert connection.execute("SELECT count(*) FROM tenants").fetchone() == (0,)
