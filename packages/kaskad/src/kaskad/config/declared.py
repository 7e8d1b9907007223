"""What a file declares, in the words of the core."""

from collections.abc import Mapping
from datetime import datetime

from kaskad.app.ports import Provider
from kaskad.config.tables import (
    CaptchaTable,
    ChannelTable,
    FileTable,
    ProviderTable,
    RecipientTable,
    RulesTable,
    TokenTable,
    WidgetTable,
)
from kaskad.core.model import (
    Captcha,
    CaptchaProvider,
    Channel,
    ChannelType,
    Hours,
    LaunchSettings,
    NumberType,
    Rules,
    Template,
    TestRecipient,
    Value,
    Widget,
    WidgetLimits,
)
from kaskad.core.recipients import parse_recipient


class DeclaredToken(Value, frozen=True, kw_only=True):
    """A token that the operator chose; no ``widgets`` means every widget of the tenant."""

    name: str
    hash: bytes
    widgets: tuple[str, ...] = ()
    expires_at: datetime | None = None


class Declared(Value, frozen=True, kw_only=True):
    """Everything that one file declares, in its order. ``origin`` names the file."""

    tenant: str = "default"
    origin: str = ""
    providers: tuple[Provider, ...] = ()
    channels: tuple[Channel, ...] = ()
    widgets: tuple[Widget, ...] = ()
    tokens: tuple[DeclaredToken, ...] = ()


def declare(file: FileTable, origin: str, default_region: str) -> Declared:
    """The core's values of a file that has been checked."""
    return Declared(
        tenant=file.tenant,
        origin=origin,
        providers=tuple(_provider(table, file.tenant) for table in file.providers),
        channels=tuple(_channel(table) for table in file.channels),
        widgets=tuple(_widget(table, file.tenant, default_region) for table in file.widgets),
        tokens=tuple(_token(table) for table in file.tokens),
    )


def _provider(table: ProviderTable, tenant: str) -> Provider:
    settings: Mapping[str, object] = dict(table.__pydantic_extra__)
    return Provider(id=table.id, tenant=tenant, driver=table.driver, settings=settings)


def _channel(table: ChannelTable) -> Channel:
    return Channel(
        id=table.id,
        type=ChannelType(table.type),
        label=table.label,
        provider=table.provider,
        enabled=table.enabled,
        settings=LaunchSettings(
            code_length=table.code.length,
            beautify=table.code.beautify,
            lifetime_s=table.lifetime,
            number_of_tries=table.number_of_tries,
            number_of_restart=table.number_of_restart,
            restart_cooldown_s=table.restart_cooldown,
            send_timeout_s=table.send_timeout,
        ),
        rules=_rules(table.rules),
        templates=tuple(Template(locale=t.locale, text=t.text) for t in table.templates),
    )


def _rules(table: RulesTable) -> Rules:
    hours = table.hours
    return Rules(
        countries=table.countries,
        number_types=tuple(NumberType(name) for name in table.number_types),
        locales=table.locales,
        hours=None if hours is None else Hours(start=hours.from_, end=hours.to, zone=hours.zone),
    )


def _widget(table: WidgetTable, tenant: str, default_region: str) -> Widget:
    region = table.region or default_region
    return Widget(
        id=table.id,
        tenant=tenant,
        name=table.name,
        active=table.active,
        blocked=table.blocked,
        region=region,
        locale=table.locale,
        domain=table.domain,
        channels=table.channels,
        allowed_origins=table.allowed_origins,
        limits=WidgetLimits(**table.limits.model_dump()),
        test_recipients=tuple(_recipient(item, region) for item in table.test_recipients),
        captcha=None if table.captcha is None else _captcha(table.captcha),
    )


def _captcha(table: CaptchaTable) -> Captcha:
    return Captcha(
        provider=CaptchaProvider(table.provider),
        lifetime_s=table.lifetime,
        **table.model_dump(exclude={"provider", "lifetime"}),
    )


def _recipient(table: RecipientTable, region: str) -> TestRecipient:
    recipient = parse_recipient(table.number, region)
    if recipient is None:  # the checks come first
        message = "not a phone number"
        raise ValueError(message)
    return TestRecipient(number=recipient.number, code=table.code, until=table.until)


def _token(table: TokenTable) -> DeclaredToken:
    return DeclaredToken(
        name=table.name,
        hash=table.token,
        widgets=table.widgets or (),
        expires_at=table.expires,
    )
