"""A widget's captcha in the catalogue: sealed, compared without being shown, found again."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from msgspec.structs import replace
from sqlalchemy import create_engine

from kaskad.core.model import Captcha, CaptchaProvider
from kaskad.stores._database import APPLICATION_ID
from kaskad.stores.catalog import CatalogError, SqlCatalog
from packages.kaskad.tests.catalog.conftest import Opener
from packages.kaskad.tests.catalog.declarations import BARE, DECLARED, SHOP, WIDGET, with_

CAPTCHA = Captcha(
    provider=CaptchaProvider.GOOGLE,
    site_key="public",
    secret_key="a-secret-of-google",
    version=3,
    min_score=0.25,
    action="send",
    hostnames=("example.com",),
    first_free_requests_per_ip=2,
    fail_open=True,
)
GUARDED = with_(widgets=(replace(SHOP, captcha=CAPTCHA), BARE))


async def test_it_is_found_again_and_then_nothing_is_different(opener: Opener) -> None:
    await (await opener()).apply(GUARDED)
    catalog = await opener()
    assert catalog.snapshot.widgets[WIDGET].captcha == CAPTCHA
    assert await catalog.apply(GUARDED) == []
    await catalog.apply(DECLARED)
    assert catalog.snapshot.widgets[WIDGET].captcha is None


async def test_a_difference_is_shown_without_the_secret(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    lines = [str(line) for line in await catalog.apply(GUARDED)]
    assert f"~ widget {WIDGET} captcha.secret_key (added)" in lines
    assert f"~ widget {WIDGET} captcha.min_score none -> 0.25" in lines
    assert f"~ widget {WIDGET} captcha.lifetime none -> 300" in lines
    other = replace(CAPTCHA, secret_key="another", fail_open=False)
    lines = [
        str(line)
        for line in await catalog.apply(with_(widgets=(replace(SHOP, captcha=other), BARE)))
    ]
    assert lines == [
        f"~ widget {WIDGET} captcha.fail_open true -> false",
        f"~ widget {WIDGET} captcha.secret_key (changed)",
    ]
    assert "a-secret" not in str(lines) + repr(CAPTCHA)


async def test_no_file_has_the_secret_and_a_moved_one_does_not_open(
    opener: Opener, path: Path
) -> None:
    await (await opener()).apply(GUARDED)
    assert b"a-secret-of-google" not in path.read_bytes()
    with closing(sqlite3.connect(path)) as file:
        file.execute(
            "UPDATE widgets SET captcha = (SELECT captcha FROM widgets WHERE captcha NOT NULL)"
        )
        file.commit()
    with pytest.raises(CatalogError, match=r"widgets .*: captcha: it has been changed or moved"):
        await opener()


def make_old(path: Path) -> None:
    """A catalogue as the first version made it."""
    path.unlink()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "kaskad.stores:migrations")
        command.upgrade(config, "0001")
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.exec_driver_sql("INSERT INTO tenants VALUES ('default', '2026-01-01')")
        connection.exec_driver_sql(
            "INSERT INTO widgets VALUES"
            f" ('{WIDGET}', 'default', 'Old', 1, 0, 'RU', 'ru', '', '[]', '{{}}')"
        )
    engine.dispose()


async def test_a_catalogue_from_before_has_no_captcha_until_one_is_applied(
    opener: Opener, path: Path
) -> None:
    await asyncio.to_thread(make_old, path)
    catalog = await opener()
    assert catalog.snapshot.widgets[WIDGET].name == "Old"
    assert catalog.snapshot.widgets[WIDGET].captcha is None
    await catalog.apply(GUARDED)
    assert catalog.snapshot.widgets[WIDGET].captcha == CAPTCHA
