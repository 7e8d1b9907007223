"""Declarations for tests."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import msgspec

from kaskad.app import tokens
from kaskad.app.ports import Provider
from kaskad.config import Declared, DeclaredToken
from kaskad.core.model import (
    Channel,
    ChannelType,
    Hours,
    LaunchSettings,
    NumberType,
    Rules,
    Template,
    TestRecipient,
    Widget,
    WidgetLimits,
)

KEYS = (b"k" * 32,)
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
SECOND = "5a6d8a2e-9b7e-4c3b-8a1d-2f1e0d9c8b7a"
TOKEN = "a-token-that-is-long-enough"
PASSWORD = "hunter2-hunter2"
NUMBER = "+79990000001"
CODE = "271828"

PROVIDER = Provider(
    id="handset",
    tenant="default",
    driver="simulator",
    settings={
        "outcome": "deliver",
        "delay": 0.5,
        "deep": {"password": PASSWORD, "list": [1, True]},
    },
)
SMS = Channel(
    id="sms",
    type=ChannelType.SMS,
    label="SMS",
    provider="handset",
    settings=LaunchSettings(
        code_length=4,
        beautify=True,
        lifetime_s=60,
        number_of_tries=2,
        number_of_restart=3,
        restart_cooldown_s=4,
        send_timeout_s=5,
    ),
    rules=Rules(
        countries=("RU", "KZ"),
        number_types=(NumberType.MOBILE,),
        locales=("ru",),
        hours=Hours(start=time(8, 30), end=time(22), zone=ZoneInfo("Europe/Moscow")),
    ),
    templates=(
        Template(locale="ru", text="{{ code }} — код"),
        Template(locale="en", text="{{ code }} is the code"),
    ),
)
PUSH = Channel(
    id="push", type=ChannelType.SIM_PUSH, label="Push", provider="handset", enabled=False
)
RECIPIENT = TestRecipient(number=NUMBER, code=CODE, until=datetime(2026, 12, 31, tzinfo=UTC))
SHOP = Widget(
    id=WIDGET,
    tenant="default",
    name="Shop",
    blocked=True,
    region="KZ",
    locale="kk",
    domain="example.com",
    channels=("sms", "push"),
    allowed_origins=("https://example.com",),
    limits=WidgetLimits(per_ip_per_minute=0),
    test_recipients=(
        RECIPIENT,
        msgspec.structs.replace(RECIPIENT, number="+79990000002", code="314159"),
    ),
)
BARE = Widget(id=SECOND, tenant="default", name="Bare")
DEMO = DeclaredToken(
    name="demo",
    hash=tokens.hash_token(TOKEN),
    widgets=(WIDGET,),
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
)

DECLARED = Declared(
    tenant="default",
    origin="kaskad.toml",
    providers=(PROVIDER,),
    channels=(SMS, PUSH),
    widgets=(SHOP, BARE),
    tokens=(DEMO,),
)
EMPTY = Declared(origin="kaskad.toml")


def with_(declared: Declared = DECLARED, **changes: object) -> Declared:
    return msgspec.structs.replace(declared, **changes)


def of_tenant(tenant: str, declared: Declared = DECLARED) -> Declared:
    """The same, said of another tenant."""
    return with_(
        declared,
        tenant=tenant,
        providers=tuple(msgspec.structs.replace(p, tenant=tenant) for p in declared.providers),
        widgets=tuple(msgspec.structs.replace(w, tenant=tenant) for w in declared.widgets),
    )
