"""Between the catalogue's rows and the core's values."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kaskad.app.ports import ApiToken, Provider, Snapshot
from kaskad.core.model import (
    Captcha,
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
from kaskad.stores import tables
from kaskad.stores.sealed import Place, Sealer, SealError

Values = dict[str, Any]
_Grouped = Mapping[object, Sequence[Row[Any]]]


async def load(connection: AsyncConnection, sealer: Sealer) -> Snapshot:
    """Everything there is, at the moment that the connection sees.

    Rows become values on a thread: a large catalogue would hold the event loop
    up. Raises :class:`SealError` with the place of a value that does not open.
    """
    rows = {table.name: await _all(connection, table) for table in _LOADED}
    number = await revision(connection)
    return await asyncio.to_thread(_assemble, rows, number, sealer)


_LOADED = (
    tables.providers,
    tables.channels,
    tables.templates,
    tables.widgets,
    tables.widget_channels,
    tables.test_recipients,
    tables.tokens,
)


def _assemble(rows: Mapping[str, Sequence[Row[Any]]], number: int, sealer: Sealer) -> Snapshot:
    templates = _grouped(rows["templates"], "tenant", "channel")
    ordered = _grouped(rows["widget_channels"], "widget")
    recipients = _grouped(rows["test_recipients"], "widget")
    tokens = (_token(row) for row in rows["tokens"])
    return Snapshot(
        revision=number,
        providers={(row.tenant, row.id): _provider(row, sealer) for row in rows["providers"]},
        channels={(row.tenant, row.id): _channel(row, templates) for row in rows["channels"]},
        widgets={row.id: _widget(row, ordered, recipients, sealer) for row in rows["widgets"]},
        tokens={token.hash: token for token in tokens},
    )


async def revision(connection: AsyncConnection) -> int:
    """How often the configuration has changed."""
    query = select(tables.meta.c.value).where(tables.meta.c.name == "revision")
    return int((await connection.execute(query)).scalar_one())


async def _all(connection: AsyncConnection, table: Any) -> Sequence[Row[Any]]:
    query: Select[Any] = select(table).order_by(*table.primary_key.columns)
    if "position" in table.c:
        query = select(table).order_by(table.c.position)
    rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
    return rows


def _grouped(rows: Sequence[Row[Any]], *by: str) -> _Grouped:
    groups: dict[object, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, name) for name in by)].append(row)
    return groups


# --- providers -------------------------------------------------------------------


def provider_row(provider: Provider, sealer: Sealer) -> Values:
    """The row of a provider; its settings are sealed."""
    plain = json.dumps(provider.settings, sort_keys=True).encode()
    place = _settings_place(provider.tenant, provider.id)
    return {
        "tenant": provider.tenant,
        "id": provider.id,
        "driver": provider.driver,
        "settings": sealer.seal(plain, place),
    }


def _provider(row: Row[Any], sealer: Sealer) -> Provider:
    opened = _open(row.settings, _settings_place(row.tenant, row.id), sealer)
    settings = json.loads(opened)
    return Provider(id=row.id, tenant=row.tenant, driver=row.driver, settings=settings)


def _settings_place(tenant: str, provider: str) -> Place:
    return Place(table="providers", column="settings", row=provider, tenant=tenant)


def _open(sealed: bytes, place: Place, sealer: Sealer) -> bytes:
    try:
        return sealer.open(sealed, place)
    except SealError as error:
        message = f"{place.table} {place.row}: {place.column}: {error}"
        raise SealError(message) from None


# --- channels --------------------------------------------------------------------


def channel_row(channel: Channel, tenant: str) -> Values:
    """The row of a channel; its templates have rows of their own."""
    return {
        "tenant": tenant,
        "id": channel.id,
        "type": channel.type.value,
        "label": channel.label,
        "provider": channel.provider,
        "enabled": channel.enabled,
        "settings": msgspec.to_builtins(channel.settings),
        "rules": _rules_value(channel.rules),
    }


def template_rows(channel: Channel, tenant: str) -> list[Values]:
    """The rows of a channel's templates, in their order."""
    return [
        {
            "tenant": tenant,
            "channel": channel.id,
            "position": position,
            "locale": template.locale,
            "text": template.text,
        }
        for position, template in enumerate(channel.templates)
    ]


def _channel(row: Row[Any], templates: _Grouped) -> Channel:
    return Channel(
        id=row.id,
        type=ChannelType(row.type),
        label=row.label,
        provider=row.provider,
        enabled=row.enabled,
        settings=msgspec.convert(row.settings, LaunchSettings),
        rules=_rules(row.rules),
        templates=tuple(
            Template(locale=template.locale, text=template.text)
            for template in templates.get((row.tenant, row.id), ())
        ),
    )


def _rules_value(rules: Rules) -> Values:
    hours = rules.hours
    return {
        "countries": rules.countries,
        "number_types": [kind.value for kind in rules.number_types],
        "locales": rules.locales,
        "hours": None if hours is None else hours_value(hours),
    }


def hours_value(hours: Hours) -> dict[str, str]:
    """A daily window as the file writes it."""
    return {
        "from": hours.start.isoformat(),
        "to": hours.end.isoformat(),
        "zone": str(hours.zone),
    }


def _rules(value: Values) -> Rules:
    hours = value["hours"]
    return Rules(
        countries=tuple(value["countries"]),
        number_types=tuple(NumberType(kind) for kind in value["number_types"]),
        locales=tuple(value["locales"]),
        hours=None if hours is None else _hours(hours),
    )


def _hours(value: dict[str, str]) -> Hours:
    return Hours(
        start=time.fromisoformat(value["from"]),
        end=time.fromisoformat(value["to"]),
        zone=ZoneInfo(value["zone"]),
    )


# --- widgets ---------------------------------------------------------------------


def widget_row(widget: Widget, sealer: Sealer) -> Values:
    """The row of a widget; its channels and test recipients have rows of their own."""
    place = _captcha_place(widget.id, widget.tenant)
    captcha = widget.captcha
    return {
        "id": widget.id,
        "tenant": widget.tenant,
        "name": widget.name,
        "active": widget.active,
        "blocked": widget.blocked,
        "region": widget.region,
        "locale": widget.locale,
        "domain": widget.domain,
        "allowed_origins": widget.allowed_origins,
        "limits": msgspec.to_builtins(widget.limits),
        "captcha": captcha and sealer.seal(msgspec.json.encode(captcha), place),
    }


def _captcha_place(widget: str, tenant: str) -> Place:
    return Place(table="widgets", column="captcha", row=widget, tenant=tenant)


def _captcha(row: Row[Any], sealer: Sealer) -> Captcha | None:
    if row.captcha is None:
        return None
    plain = _open(row.captcha, _captcha_place(row.id, row.tenant), sealer)
    return msgspec.json.decode(plain, type=Captcha)


def widget_channel_rows(widget: Widget) -> list[Values]:
    """The rows of a widget's channels, by priority."""
    return [
        {
            "widget": widget.id,
            "position": position,
            "tenant": widget.tenant,
            "channel": channel,
        }
        for position, channel in enumerate(widget.channels)
    ]


def recipient_row(
    row_id: str, position: int, recipient: TestRecipient, widget: Widget, sealer: Sealer
) -> Values:
    """The row of a test recipient; its number and code are sealed."""
    number_place = _recipient_place("number", row_id, widget.tenant)
    code_place = _recipient_place("code", row_id, widget.tenant)
    return {
        "id": row_id,
        "widget": widget.id,
        "tenant": widget.tenant,
        "position": position,
        "number_index": sealer.index("test recipient", widget.tenant, recipient.number),
        "number": sealer.seal(recipient.number.encode(), number_place),
        "code": sealer.seal(recipient.code.encode(), code_place),
        "until": recipient.until,
    }


def _recipient_place(column: str, row_id: str, tenant: str) -> Place:
    return Place(table="test_recipients", column=column, row=row_id, tenant=tenant)


def _recipient(row: Row[Any], sealer: Sealer) -> TestRecipient:
    number = _open(row.number, _recipient_place("number", row.id, row.tenant), sealer)
    code = _open(row.code, _recipient_place("code", row.id, row.tenant), sealer)
    return TestRecipient(number=number.decode(), code=code.decode(), until=row.until)


def _widget(row: Row[Any], ordered: _Grouped, recipients: _Grouped, sealer: Sealer) -> Widget:
    return Widget(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        active=row.active,
        blocked=row.blocked,
        region=row.region,
        locale=row.locale,
        domain=row.domain,
        channels=tuple(link.channel for link in ordered.get((row.id,), ())),
        allowed_origins=tuple(row.allowed_origins),
        limits=msgspec.convert(row.limits, WidgetLimits),
        test_recipients=tuple(_recipient(item, sealer) for item in recipients.get((row.id,), ())),
        captcha=_captcha(row, sealer),
    )


# --- tokens ----------------------------------------------------------------------


def token_row(token: ApiToken) -> Values:
    """The row of a token."""
    return {**msgspec.structs.asdict(token), "widgets": list(token.widgets)}


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(**{**row._mapping, "widgets": tuple(row.widgets)})
