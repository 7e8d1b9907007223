"""Tokens are made, replaced and revoked."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from kaskad.app import tokens
from kaskad.app.ports import ApiToken
from kaskad.stores.catalog import SqlCatalog, TokenError, UnknownTenantError
from kaskad.testing import START, FakeClock
from packages.kaskad.tests.catalog.conftest import Opener
from packages.kaskad.tests.catalog.declarations import SECOND, WIDGET, of_tenant, with_


@pytest.fixture
async def catalog(opener: Opener) -> SqlCatalog:
    catalog = await opener()
    await catalog.apply(with_(tokens=()))
    return catalog


def found(catalog: SqlCatalog, plaintext: str) -> ApiToken:
    return catalog.snapshot.tokens[tokens.hash_token(plaintext)]


async def refused(catalog: SqlCatalog, **wanted: object) -> list[str]:
    revision = catalog.snapshot.revision
    with pytest.raises(TokenError) as caught:
        await catalog.create_token(**{"tenant": "default", "name": "new", **wanted})  # type: ignore[arg-type]  # what is refused may be anything
    assert (await catalog.refresh()).revision == revision
    return caught.value.problems


async def test_a_token_is_made_and_kept_as_a_hash(catalog: SqlCatalog, path: Path) -> None:
    ends = START + timedelta(days=1)
    made = await catalog.create_token("default", "backend", widgets=[WIDGET], expires_at=ends)
    assert tokens.looks_valid(made)
    token = found(catalog, made)
    assert (token.tenant, token.name, token.widgets) == ("default", "backend", (WIDGET,))
    assert (token.created_at, token.expires_at, token.revoked_at) == (START, ends, None)
    assert made.encode() not in path.read_bytes()
    assert made != await catalog.create_token("default", "second")


async def test_without_widgets_it_may_use_all(catalog: SqlCatalog) -> None:
    made = await catalog.create_token("default", "backend")
    assert found(catalog, made).may_use(SECOND)


async def test_a_name_in_force_is_taken(catalog: SqlCatalog) -> None:
    await catalog.create_token("default", "backend")
    assert await refused(catalog, name="backend") == [
        'a token called "backend" is in force; revoke it first, or replace it: --replaces "backend"'
    ]
    await catalog.revoke_token("default", "backend")
    await catalog.create_token("default", "backend")


async def test_a_widget_must_be_the_tenants_own(catalog: SqlCatalog) -> None:
    await catalog.apply(of_tenant("other", with_(widgets=(), tokens=())))
    assert await refused(catalog, tenant="other", widgets=[WIDGET]) == [
        f'no widget is called "{WIDGET}"; known: none'
    ]
    assert await refused(catalog, widgets=["x"]) == [
        f'no widget is called "x"; known: {WIDGET}, {SECOND}'
    ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda catalog: catalog.create_token("typo", "new"),
        lambda catalog: catalog.revoke_token("typo", "backend"),
        lambda catalog: catalog.list_tokens("typo"),
        lambda catalog: catalog.require_tenant("typo"),
    ],
    ids=["create", "revoke", "list", "require"],
)
async def test_a_tenant_must_exist(
    catalog: SqlCatalog, path: Path, ask: Callable[[SqlCatalog], Awaitable[object]]
) -> None:
    await catalog.apply(of_tenant("other", with_(widgets=(), tokens=())))
    with pytest.raises(UnknownTenantError) as caught:
        await ask(catalog)
    assert caught.value.problems == [f'{path}: no tenant is called "typo"; known: default, other']


async def test_a_token_takes_over_with_an_overlap(catalog: SqlCatalog, clock: FakeClock) -> None:
    old = await catalog.create_token("default", "backend", widgets=[WIDGET])
    new = await catalog.create_token("default", "backend", replaces="backend", overlap_s=60)
    assert found(catalog, new).widgets == (WIDGET,)
    await clock.advance(59)
    assert found(catalog, old).valid_at(clock.now())
    await clock.advance(1)
    assert not found(catalog, old).valid_at(clock.now())
    assert found(catalog, new).valid_at(clock.now())


async def test_a_token_that_takes_over_may_have_another_scope(catalog: SqlCatalog) -> None:
    await catalog.create_token("default", "old", widgets=[WIDGET])
    new = await catalog.create_token("default", "new", replaces="old", widgets=[SECOND])
    assert found(catalog, new).widgets == (SECOND,)


async def test_a_scope_that_lost_its_widget_can_still_be_taken_over(
    catalog: SqlCatalog, path: Path
) -> None:
    await catalog.create_token("default", "backend", widgets=[SECOND])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM widgets WHERE id = ?", (SECOND,))
    new = await catalog.create_token("default", "backend", replaces="backend")
    assert found(catalog, new).widgets == (SECOND,)


async def test_what_is_not_there_cannot_be_replaced(catalog: SqlCatalog) -> None:
    assert await refused(catalog, replaces="old") == [
        'no token in force is called "old"; known: none'
    ]


async def test_a_revoked_token_ends_at_once(catalog: SqlCatalog, clock: FakeClock) -> None:
    first = await catalog.create_token("default", "backend")
    second = await catalog.create_token("default", "backend", replaces="backend", overlap_s=60)
    await catalog.revoke_token("default", "backend")
    for made in (first, second):
        assert not found(catalog, made).valid_at(clock.now())
    with pytest.raises(TokenError, match='no token in force is called "backend"; known: none'):
        await catalog.revoke_token("default", "backend")


async def test_a_token_can_be_revoked_by_its_id(catalog: SqlCatalog) -> None:
    made = await catalog.create_token("default", "backend")
    kept = await catalog.create_token("default", "other")
    await catalog.revoke_token("default", found(catalog, made).id)
    assert found(catalog, made).revoked_at == START
    assert found(catalog, kept).revoked_at is None


async def test_another_tenants_token_cannot_be_revoked(catalog: SqlCatalog) -> None:
    await catalog.apply(of_tenant("other", with_(widgets=(), tokens=())))
    made = await catalog.create_token("default", "backend")
    with pytest.raises(TokenError):
        await catalog.revoke_token("other", found(catalog, made).id)


async def test_the_list_is_the_tenants_own_the_oldest_first(
    catalog: SqlCatalog, clock: FakeClock
) -> None:
    await catalog.apply(of_tenant("other", with_(widgets=(), tokens=())))
    await catalog.create_token("other", "foreign")
    for name in ("z", "a"):
        await catalog.create_token("default", name)
        await clock.advance(1)
    assert [token.name for token in await catalog.list_tokens("default")] == ["z", "a"]


async def test_what_happens_to_tokens_is_in_the_audit_trail(
    catalog: SqlCatalog, path: Path
) -> None:
    await catalog.create_token("default", "backend", actor="anna")
    await catalog.create_token("default", "backend", replaces="backend", actor="anna")
    await catalog.revoke_token("default", "backend", actor="boris")
    with closing(sqlite3.connect(path)) as connection:
        trail = connection.execute(
            "SELECT actor, action FROM audit WHERE action LIKE 'token.%' ORDER BY id"
        ).fetchall()
    assert trail == [
        ("anna", "token.create"),
        ("anna", "token.replace"),
        ("anna", "token.create"),
        ("boris", "token.revoke"),
    ]


# --- their form --------------------------------------------------------------------


def test_a_token_has_one_form() -> None:
    made = tokens.make(bytes(20))
    assert made.startswith("ksk_" + "0" * 27)
    assert len(tokens.make(b"\xff" * 20)) == len(made) == len("ksk_") + 27 + 6
    assert made.removeprefix("ksk_").isalnum()


@pytest.mark.parametrize("position", range(4, 37))
def test_a_mistyped_token_is_known_without_a_look_up(position: int) -> None:
    made = tokens.make(bytes(range(20)))
    assert tokens.looks_valid(made)
    wrong = made[:position] + ("A" if made[position] != "A" else "B") + made[position + 1 :]
    assert not tokens.looks_valid(wrong)
    assert not tokens.looks_valid(made[:position])
