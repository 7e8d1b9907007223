"""Configuration and sessions for tests, each with what the test cares about."""

from collections.abc import Mapping
from datetime import datetime

from kaskad.app.ports import ApiToken, Provider, Snapshot
from kaskad.app.tokens import hash_token
from kaskad.core.cascade import Cascade, Context
from kaskad.core.codes import Keyring, digits
from kaskad.core.effects import Step
from kaskad.core.model import (
    Channel,
    ChannelType,
    LaunchSettings,
    Recipient,
    Session,
    Template,
    Widget,
)
from kaskad.core.recipients import parse_recipient
from kaskad.core.session import Start, start
from kaskad.testing import START

TENANT = "default"
WIDGET_ID = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
TOKEN = "test-token-of-the-widget"
KEY = b"0123456789abcdef0123456789abcdef"
KEYRING = Keyring([KEY])
NUMBER = "+79001234567"


def recipient(number: str = NUMBER) -> Recipient:
    found = parse_recipient(number, "RU")
    assert found is not None
    return found


def channel(kind: str = "sms", **changes: object) -> Channel:
    given: dict[str, object] = {
        "id": kind,
        "type": ChannelType(kind),
        "label": kind.upper(),
        "provider": f"{kind}-provider",
        "templates": (
            Template(locale="ru", text="{{ code }} — код"),
            Template(locale="en", text="{{ code }} is your code"),
        ),
    }
    settings = {k: changes.pop(k) for k in list(changes) if k in LaunchSettings.__struct_fields__}
    if settings:
        given["settings"] = LaunchSettings(**settings)  # type: ignore[arg-type]
    return Channel(**{**given, **changes})  # type: ignore[arg-type]


def widget(*channels: Channel, **changes: object) -> Widget:
    given: dict[str, object] = {
        "id": WIDGET_ID,
        "tenant": TENANT,
        "name": "Demo",
        "channels": tuple(c.id for c in channels),
    }
    return Widget(**{**given, **changes})  # type: ignore[arg-type]


def context(*channels: Channel, **changes: object) -> Context:
    made = channels or (channel(),)
    return Context(cascade=Cascade(widget=widget(*made, **changes), channels=made), keyring=KEYRING)


def snapshot(
    *channels: Channel,
    providers: Mapping[str, Mapping[str, object]] | None = None,
    widgets: tuple[Widget, ...] | None = None,
    tokens: tuple[ApiToken, ...] | None = None,
    **changes: object,
) -> Snapshot:
    """A tenant with these channels; each provider is a simulator unless told otherwise."""
    made = channels or (channel(),)
    accounts: dict[str, Mapping[str, object]] = {c.provider: {"delay": 0.2} for c in made}
    accounts.update(providers or {})
    known = widgets if widgets is not None else (widget(*made, **changes),)
    keys = tokens if tokens is not None else (api_token(),)
    return Snapshot(
        revision=1,
        widgets={w.id: w for w in known},
        channels={(TENANT, c.id): c for c in made},
        providers={
            (TENANT, name): Provider(id=name, tenant=TENANT, driver="simulator", settings=settings)
            for name, settings in accounts.items()
        },
        tokens={t.hash: t for t in keys},
    )


def api_token(text: str = TOKEN, **changes: object) -> ApiToken:
    given: dict[str, object] = {
        "id": text[:8],
        "tenant": TENANT,
        "name": text,
        "hash": hash_token(text),
    }
    return ApiToken(**{**given, **changes})  # type: ignore[arg-type]


def begin(
    with_context: Context | None = None,
    *,
    now: datetime = START,
    session_id: str = "6f1c8d4e-0000-4000-8000-000000000001",
    number: str = NUMBER,
    lifetime_s: int = 900,
    address: str | None = None,
) -> Step:
    world = with_context or context()
    assert world.cascade.widget is not None
    wish = Start(
        id=session_id,
        widget=world.cascade.widget,
        recipient=recipient(number),
        locale="ru",
        lifetime_s=lifetime_s,
        address=address,
    )
    step = start(wish, now, world)
    assert isinstance(step, Step)
    return step


def code_of(session: Session) -> str:
    """The digits of the newest code that we derive."""
    found = digits(session.codes[-1], session.id, KEYRING)
    assert found is not None
    return found
