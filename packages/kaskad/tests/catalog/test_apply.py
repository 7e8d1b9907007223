"""A tenant becomes what its file declares."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from kaskad.app import tokens
from kaskad.config import ConfigError, Declared, DeclaredToken
from kaskad.core.model import Hours, Rules, Template, WidgetLimits
from kaskad.stores.catalog import CatalogError, SqlCatalog
from packages.kaskad.tests.catalog.conftest import Opener
from packages.kaskad.tests.catalog.declarations import (
    BARE,
    CODE,
    DECLARED,
    DEMO,
    EMPTY,
    KEYS,
    NUMBER,
    PASSWORD,
    PROVIDER,
    PUSH,
    RECIPIENT,
    SECOND,
    SHOP,
    SMS,
    TOKEN,
    WIDGET,
    of_tenant,
    with_,
)

replace = msgspec.structs.replace

OTHER_TOKEN = DeclaredToken(name="demo", hash=tokens.hash_token("another-token-entirely"))


async def apply(catalog: SqlCatalog, declared: Declared, **options: Any) -> list[str]:
    return [str(difference) for difference in await catalog.apply(declared, **options)]


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def test_an_empty_catalogue_is_empty(catalog: SqlCatalog) -> None:
    snapshot = catalog.snapshot
    assert snapshot.revision == 0
    assert not any((snapshot.widgets, snapshot.channels, snapshot.providers, snapshot.tokens))


async def test_everything_declared_is_in_the_snapshot(catalog: SqlCatalog, opener: Opener) -> None:
    assert await apply(catalog, DECLARED) == [
        "+ provider handset",
        "+ channel sms",
        "+ channel push",
        f"+ widget {WIDGET}",
        f"+ widget {SECOND}",
        "+ token demo",
    ]
    for snapshot in (catalog.snapshot, (await opener()).snapshot):
        assert snapshot.revision == 1
        assert snapshot.providers == {("default", "handset"): PROVIDER}
        assert snapshot.channels == {("default", "sms"): SMS, ("default", "push"): PUSH}
        assert snapshot.widgets == {WIDGET: SHOP, SECOND: BARE}
        token = snapshot.tokens[tokens.hash_token(TOKEN)]
        assert (token.tenant, token.name, token.widgets) == ("default", "demo", (WIDGET,))
        assert token.expires_at == DEMO.expires_at
        assert token.created_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
        assert snapshot.cascade(SECOND).widget == BARE


async def test_a_second_time_nothing_is_different_and_nothing_written(
    catalog: SqlCatalog, path: Path
) -> None:
    await catalog.apply(DECLARED)
    before = path.read_bytes()
    assert await apply(catalog, DECLARED) == []
    assert await apply(catalog, DECLARED, prune=True) == []
    assert path.read_bytes() == before


async def test_a_dry_run_tells_and_does_nothing(catalog: SqlCatalog, path: Path) -> None:
    before = path.read_bytes()
    assert len(await apply(catalog, DECLARED, dry_run=True)) == 6
    assert path.read_bytes() == before
    assert catalog.snapshot.revision == 0


SHOWN_TEXT = "{{ code }} — это ваш код, никому его не называйте, даже нам, "
CHANGES = [
    (
        with_(providers=(replace(PROVIDER, driver="other"),)),
        ["~ provider handset driver simulator -> other"],
    ),
    (
        with_(providers=(replace(PROVIDER, settings={"outcome": 1, "token": "t"}),)),
        [
            "~ provider handset settings.deep (removed)",
            "~ provider handset settings.delay (removed)",
            "~ provider handset settings.outcome (changed)",
            "~ provider handset settings.token (added)",
        ],
    ),
    (
        with_(channels=(replace(SMS, label="Text", enabled=False), PUSH)),
        ["~ channel sms enabled true -> false", "~ channel sms label SMS -> Text"],
    ),
    (
        with_(
            channels=(
                replace(SMS, settings=replace(SMS.settings, code_length=6, lifetime_s=61)),
                PUSH,
            )
        ),
        ["~ channel sms code.length 4 -> 6", "~ channel sms lifetime 60 -> 61"],
    ),
    (
        with_(channels=(replace(SMS, rules=Rules(countries=("RU",))), PUSH)),
        [
            "~ channel sms rules.countries [RU, KZ] -> [RU]",
            "~ channel sms rules.hours 08:30:00-22:00:00 Europe/Moscow -> none",
            "~ channel sms rules.locales [ru] -> []",
            "~ channel sms rules.number_types [mobile] -> []",
        ],
    ),
    (
        with_(
            channels=(
                replace(
                    SMS,
                    rules=replace(
                        SMS.rules,
                        hours=Hours(start=time(8, 30), end=time(22), zone=ZoneInfo("UTC")),
                    ),
                ),
                PUSH,
            )
        ),
        [
            "~ channel sms rules.hours 08:30:00-22:00:00 Europe/Moscow -> 08:30:00-22:00:00 UTC",
        ],
    ),
    (
        with_(
            channels=(
                replace(SMS, templates=(Template(locale="ru", text=SHOWN_TEXT + "\nили"),)),
                PUSH,
            )
        ),
        [
            "~ channel sms templates [ru, en] -> [ru]",
            "~ channel sms templates.en {{ code }} is the code -> none",
            f"~ channel sms templates.ru {{{{ code }}}} — код -> {SHOWN_TEXT[:60]}...",
        ],
    ),
    (
        with_(channels=(replace(SMS, templates=SMS.templates[::-1]), PUSH)),
        ["~ channel sms templates [ru, en] -> [en, ru]"],
    ),
    (
        with_(
            widgets=(
                replace(SHOP, limits=WidgetLimits(per_recipient_per_minute=5)),
                replace(BARE, active=False, channels=("push",)),
            )
        ),
        [
            f"~ widget {WIDGET} limits.per_ip_per_minute 0 -> 10",
            f"~ widget {WIDGET} limits.per_recipient_per_minute 3 -> 5",
            f"~ widget {SECOND} active true -> false",
            f"~ widget {SECOND} channels [] -> [push]",
        ],
    ),
    (
        with_(widgets=(replace(SHOP, channels=("push", "sms"), allowed_origins=()), BARE)),
        [
            f"~ widget {WIDGET} allowed_origins [https://example.com] -> []",
            f"~ widget {WIDGET} channels [sms, push] -> [push, sms]",
        ],
    ),
    (
        with_(widgets=(replace(SHOP, test_recipients=(replace(RECIPIENT, code="000000"),)), BARE)),
        [
            f"~ widget {WIDGET} test_recipients[0] (changed)",
            f"~ widget {WIDGET} test_recipients[1] (removed)",
            f"~ widget {WIDGET} test_recipients[1].number +7999***0002 -> none",
            f"~ widget {WIDGET} test_recipients[1].until 2026-12-31 00:00:00+00:00 -> none",
        ],
    ),
    (
        with_(tokens=(replace(DEMO, widgets=(), expires_at=None),)),
        [
            "~ token demo expires 2027-01-01 00:00:00+00:00 -> none",
            f"~ token demo widgets [{WIDGET}] -> []",
        ],
    ),
    (
        with_(tokens=(OTHER_TOKEN,)),
        [
            "~ token demo expires 2027-01-01 00:00:00+00:00 -> none",
            "~ token demo token (changed)",
            f"~ token demo widgets [{WIDGET}] -> []",
        ],
    ),
]


@pytest.mark.parametrize("declared, lines", CHANGES, ids=lambda value: str(value)[:0])
async def test_what_changed_is_told_and_then_it_is_so(
    catalog: SqlCatalog, opener: Opener, declared: Declared, lines: list[str]
) -> None:
    await catalog.apply(DECLARED)
    assert await apply(catalog, declared, dry_run=True) == lines
    assert await apply(catalog, declared) == lines
    assert await apply(catalog, declared) == []
    fresh = (await opener()).snapshot
    assert fresh == catalog.snapshot
    assert fresh.widgets == {widget.id: widget for widget in declared.widgets}
    assert fresh.channels == {("default", channel.id): channel for channel in declared.channels}
    assert fresh.providers == {("default", "handset"): declared.providers[0]}
    assert fresh.tokens.keys() == {token.hash for token in declared.tokens}


async def test_what_is_not_named_stays_without_prune(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    assert await apply(catalog, EMPTY) == []
    assert catalog.snapshot.widgets == {WIDGET: SHOP, SECOND: BARE}


async def test_prune_removes_what_is_not_named(catalog: SqlCatalog, path: Path) -> None:
    await catalog.apply(DECLARED)
    fewer = with_(channels=(PUSH,), widgets=(replace(SHOP, channels=("push",)),), tokens=())
    assert await apply(catalog, fewer, prune=True) == [
        "- channel sms",
        f"~ widget {WIDGET} channels [sms, push] -> [push]",
        f"- widget {SECOND}",
        "- token demo",
    ]
    assert catalog.snapshot.channels == {("default", "push"): PUSH}
    assert not catalog.snapshot.tokens
    assert await apply(catalog, EMPTY, prune=True) == [
        "- provider handset",
        "- channel push",
        f"- widget {WIDGET}",
    ]
    for table in ("providers", "channels", "templates", "widgets", "widget_channels", "tokens"):
        assert rows(path, f"SELECT count(*) FROM {table}") == [(0,)]
    assert rows(path, "SELECT count(*) FROM test_recipients") == [(0,)]


async def test_tenants_do_not_touch_each_other(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    other = of_tenant("other", with_(widgets=(), tokens=()))
    await catalog.apply(other)
    assert set(catalog.snapshot.channels) == {
        ("default", "sms"), ("default", "push"), ("other", "sms"), ("other", "push"),
    }  # fmt: skip
    assert await apply(catalog, of_tenant("other", EMPTY), prune=True) == [
        "- provider handset",
        "- channel push",
        "- channel sms",
    ]
    assert await apply(catalog, DECLARED) == []


async def test_a_widget_of_another_tenant_is_refused(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    with pytest.raises(ConfigError) as caught:
        await catalog.apply(of_tenant("other", with_(tokens=())))
    assert caught.value.problems == [
        f'kaskad.toml: widgets[0] (id "{WIDGET}"): id: a widget of another tenant has it',
        f'kaskad.toml: widgets[1] (id "{SECOND}"): id: a widget of another tenant has it',
    ]
    assert await apply(catalog, DECLARED) == []


async def test_a_token_of_another_tenant_is_refused(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    with pytest.raises(ConfigError) as caught:
        await catalog.apply(of_tenant("other", with_(widgets=())))
    assert caught.value.problems == [
        'kaskad.toml: tokens[0] (name "demo"): token: another tenant has the same'
    ]


async def test_a_token_can_be_renamed_only_by_pruning_the_old_name(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    renamed = with_(tokens=(replace(DEMO, name="new"),))
    with pytest.raises(ConfigError, match='token: the token "demo" has the same'):
        await catalog.apply(renamed)
    assert await apply(catalog, renamed, prune=True) == ["+ token new", "- token demo"]


async def test_two_tokens_can_swap_their_values(catalog: SqlCatalog) -> None:
    first, second = replace(OTHER_TOKEN, name="a"), replace(DEMO, name="b")
    await catalog.apply(with_(tokens=(first, second)))
    swapped = (replace(first, hash=second.hash), replace(second, hash=first.hash))
    assert await apply(catalog, with_(tokens=swapped)) == [
        "~ token a token (changed)",
        "~ token b token (changed)",
    ]
    assert catalog.snapshot.tokens[first.hash].name == "b"


async def test_a_revoked_token_does_not_come_back(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    await catalog.revoke_token("default", "demo")
    with pytest.raises(ConfigError, match="it has been revoked; give it another value"):
        await catalog.apply(DECLARED)
    assert await apply(catalog, with_(tokens=(OTHER_TOKEN,)), prune=True) == ["+ token demo"]


async def test_a_token_whose_widget_is_gone_does_not_gain_others(catalog: SqlCatalog) -> None:
    await catalog.apply(DECLARED)
    only = with_(widgets=(BARE,), tokens=(DEMO,))
    await catalog.apply(only, prune=True)
    token = catalog.snapshot.tokens[DEMO.hash]
    assert not token.may_use(SECOND)


async def test_secrets_are_nowhere_in_the_file(catalog: SqlCatalog, path: Path) -> None:
    lines = await apply(catalog, DECLARED)
    kept = path.read_bytes() + "\n".join(lines).encode()
    for secret in (PASSWORD, TOKEN, NUMBER, NUMBER[1:], CODE):
        assert secret.encode() not in kept


async def test_each_difference_is_in_the_audit_trail(catalog: SqlCatalog, path: Path) -> None:
    lines = await apply(catalog, DECLARED, actor="somebody")
    found = rows(path, "SELECT tenant, at, actor, action, subject FROM audit ORDER BY id")
    at = "2026-01-01T12:00:00.000000+00:00"
    assert found == [("default", at, "somebody", "apply", line) for line in lines]


# --- sealed in place ---------------------------------------------------------------

Tamper = Callable[[sqlite3.Connection], object]

SWAPS = [
    (
        "UPDATE providers SET settings = (SELECT settings FROM providers WHERE id = 'second')"
        " WHERE id = 'handset'"
    ),
    "UPDATE test_recipients SET code = number",
    (
        "UPDATE test_recipients SET code = (SELECT t.code FROM test_recipients t"
        " WHERE t.id <> test_recipients.id)"
    ),
    "UPDATE providers SET settings = zeroblob(4)",
]


@pytest.mark.parametrize("statement", SWAPS)
async def test_a_swapped_ciphertext_does_not_decrypt(
    catalog: SqlCatalog, opener: Opener, path: Path, statement: str
) -> None:
    second = replace(PROVIDER, id="second", settings={"outcome": "reject"})
    await catalog.apply(with_(providers=(PROVIDER, second)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(CatalogError) as caught:
        await opener()
    assert str(path) in str(caught.value)
    assert "secret_key" in str(caught.value)


async def test_an_old_key_still_opens_and_a_forgotten_one_is_told(
    catalog: SqlCatalog, opener: Opener, path: Path
) -> None:
    await catalog.apply(DECLARED)
    new = b"n" * 32
    rotated = await opener(keys=(new, *KEYS))
    assert rotated.snapshot.widgets == {WIDGET: SHOP, SECOND: BARE}
    assert await apply(rotated, DECLARED) == []
    with pytest.raises(CatalogError) as caught:
        await opener(keys=(new,))
    assert caught.value.problems == [
        (
            f"{path}: providers handset: settings: it was sealed with a key that is not"
            " configured; expected the secret_key that wrote it, or that key in old_secret_keys"
        )
    ]


async def test_a_failure_in_the_middle_leaves_nothing_behind(
    catalog: SqlCatalog, path: Path
) -> None:
    await catalog.apply(DECLARED)
    before = path.read_bytes()
    dangling = with_(channels=(replace(SMS, label="Changed"), replace(PUSH, provider="nobody")))
    with pytest.raises(CatalogError, match="FOREIGN KEY constraint failed"):
        await catalog.apply(dangling)
    assert path.read_bytes() == before
