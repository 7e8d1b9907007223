"""What ``apply`` would change, in lines that show no secret."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from kaskad.app.ports import ApiToken, Provider
from kaskad.config import DeclaredToken
from kaskad.core.model import Captcha, Channel, Value, Widget
from kaskad.core.recipients import mask
from kaskad.stores._rows import hours_value

_SHOWN = 60
_SETTING_NAMES = {
    "code_length": "code.length",
    "beautify": "code.beautify",
    "lifetime_s": "lifetime",
    "restart_cooldown_s": "restart_cooldown",
    "send_timeout_s": "send_timeout",
}

_CAPTCHA_NAMES = {"lifetime_s": "lifetime"}


class Kind(StrEnum):
    """What happens to the thing, as the first character of its line."""

    ADDED = "+"
    CHANGED = "~"
    REMOVED = "-"


class Secret(Value, frozen=True, kw_only=True):
    """A value that is compared but never shown."""

    value: object

    def __repr__(self) -> str:
        return "Secret()"


class Difference(Value, frozen=True, kw_only=True):
    """One line: a thing that is added or removed, or one property of it that changes."""

    kind: Kind
    what: str
    name: str
    property: str = ""
    detail: str = ""

    def __str__(self) -> str:
        parts = (self.kind.value, self.what, self.name, self.property, self.detail)
        return " ".join(part for part in parts if part)


Properties = Mapping[str, object]


def compare(
    what: str, name: str, old: Properties | None, new: Properties | None
) -> list[Difference]:
    """The differences between a thing as it is and as it should be; ``None``: it is not there."""
    if old is None:
        return [] if new is None else [Difference(kind=Kind.ADDED, what=what, name=name)]
    if new is None:
        return [Difference(kind=Kind.REMOVED, what=what, name=name)]
    return [
        Difference(
            kind=Kind.CHANGED,
            what=what,
            name=name,
            property=key,
            detail=_detail(old.get(key), new.get(key)),
        )
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _detail(old: object, new: object) -> str:
    if isinstance(old, Secret) or isinstance(new, Secret):
        verb = "added" if old is None else "removed" if new is None else "changed"
        return f"({verb})"
    return f"{_shown(old)} -> {_shown(new)}"


def _shown(value: object) -> str:
    match value:
        case None:
            text = "none"
        case bool():
            text = str(value).lower()
        case tuple():
            text = f"[{', '.join(str(item) for item in value)}]"
        case _:
            text = str(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# --- properties, by the names that the file has for them ---------------------------


def provider_properties(provider: Provider) -> Properties:
    """A provider's settings may all be secrets."""
    settings = provider.settings.items()
    return {
        "driver": provider.driver,
        **{f"settings.{k}": Secret(value=json.dumps(v, sort_keys=True)) for k, v in settings},
    }


def channel_properties(channel: Channel) -> Properties:
    """A channel's settings, rules and templates."""
    rules = channel.rules
    return {
        "type": channel.type.value,
        "label": channel.label,
        "provider": channel.provider,
        "enabled": channel.enabled,
        **{
            _SETTING_NAMES.get(k, k): v for k, v in msgspec.structs.asdict(channel.settings).items()
        },
        "rules.countries": rules.countries,
        "rules.number_types": tuple(kind.value for kind in rules.number_types),
        "rules.locales": rules.locales,
        "rules.hours": None if rules.hours is None else _hours(hours_value(rules.hours)),
        "templates": tuple(template.locale for template in channel.templates),
        **{f"templates.{template.locale}": template.text for template in channel.templates},
    }


def _hours(value: dict[str, str]) -> str:
    return f"{value['from']}-{value['to']} {value['zone']}"


def widget_properties(widget: Widget) -> Properties:
    """A widget's own settings, its channels, limits and test recipients."""
    return {
        "name": widget.name,
        "active": widget.active,
        "blocked": widget.blocked,
        "region": widget.region,
        "locale": widget.locale,
        "domain": widget.domain,
        "channels": widget.channels,
        "allowed_origins": widget.allowed_origins,
        **{f"limits.{k}": v for k, v in msgspec.structs.asdict(widget.limits).items()},
        **dict(_captcha(widget.captcha)),
        **dict(_recipients(widget)),
    }


def _captcha(captcha: Captcha | None) -> Iterator[tuple[str, object]]:
    for key, value in (msgspec.structs.asdict(captcha) if captcha else {}).items():
        name = _CAPTCHA_NAMES.get(key, key)
        yield f"captcha.{name}", Secret(value=value) if key == "secret_key" else value


def _recipients(widget: Widget) -> Iterator[tuple[str, object]]:
    """Keyed by place and masked number: the number is personal, the code a secret."""
    for index, recipient in enumerate(widget.test_recipients):
        yield f"test_recipients[{index}]", Secret(value=(recipient.number, recipient.code))
        yield f"test_recipients[{index}].number", mask(recipient.number)
        yield f"test_recipients[{index}].until", recipient.until


def token_properties(token: ApiToken | DeclaredToken) -> Properties:
    """A token's scope; its hash is compared only."""
    return {
        "token": Secret(value=token.hash),
        "widgets": token.widgets,
        "expires": token.expires_at,
    }
