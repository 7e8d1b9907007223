"""The tables of the file, as it writes them."""

import math
from datetime import datetime, time, tzinfo
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from kaskad.app import tokens
from kaskad.config.forms import (
    BODY,
    COUNT,
    COUNTRY,
    DOMAIN,
    FLAG,
    HOST,
    ID,
    INSTANT,
    LOCALE,
    ORIGIN,
    REGION,
    SECONDS,
    SHARE,
    TEXT,
    TIME,
    TRIES,
    VERIFY_URL,
    WIDGET_ID,
    ZONE,
    Form,
    Reason,
    one_of,
    whole,
)
from kaskad.core import codes
from kaskad.core.model import CaptchaProvider, ChannelType, NumberType


def _setting(value: object) -> object:
    """A driver's setting; the first reference in it that leads nowhere is its problem."""
    match value:
        case Reason():
            raise value
        case dict():
            return {key: _setting(item) for key, item in value.items()}
        case list():
            return [_setting(item) for item in value]
        case str() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            raise ValueError


def _token(value: str) -> bytes:
    fits = tokens.SHORTEST <= len(value) <= tokens.LONGEST
    if type(value) is not str or not fits or not value.isprintable() or " " in value:
        raise ValueError
    if not tokens.looks_valid(value):
        raise Reason(f"begins with {tokens.PREFIX} but its checksum is wrong; was it cut off?")
    return tokens.hash_token(value)


def _secret(value: str) -> str:
    fits = type(value) is str and 0 < len(value) <= tokens.LONGEST
    if not fits or not value.isprintable() or " " in value:
        raise ValueError
    return value


def _fixed_code(value: str) -> str:
    if not (
        value.isascii() and value.isdecimal() and codes.SHORTEST <= len(value) <= codes.LONGEST
    ):
        raise ValueError
    return value


def _number(value: str) -> str:
    if type(value) is not str:
        raise ValueError
    return value


SETTING = Form("a text, a number, true, false, an array or a table", _setting, secret=True)
TOKEN = Form(
    f"{tokens.SHORTEST} to {tokens.LONGEST} characters without spaces", _token, secret=True
)
FIXED_CODE = Form(f"{codes.SHORTEST} to {codes.LONGEST} digits in quotes", _fixed_code, secret=True)
NUMBER = Form('a phone number like "+79990000001"', _number)
SECRET = Form("a key of 1 to 512 characters without spaces", _secret, secret=True)
CAPTCHA_PROVIDER = one_of(tuple(CaptchaProvider))
CAPTCHA_VERSION = whole(2, 3, "a version of reCAPTCHA")
CAPTCHA_LIFETIME = whole(30, 3600, "a whole number of seconds")
WORK = whole(1000, 10_000_000, "a number of tries")
CHANNEL_TYPE = one_of(tuple(ChannelType))
NUMBER_TYPE = one_of(tuple(NumberType))
CODE_LENGTH = whole(codes.SHORTEST, codes.LONGEST, "a number of digits")


class Table(BaseModel):
    """Base of the tables: a key that none of them names is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderTable(BaseModel):
    """``[[providers]]``; keys beyond these are settings of the driver."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Annotated[Any, SETTING]] = Field(init=False)

    id: Annotated[str, ID]
    driver: Annotated[str, ID]


class CodeTable(Table):
    """``code`` of a channel; ``weak`` accepts a readable set that is easy to guess."""

    length: Annotated[int, CODE_LENGTH] = 6
    beautify: Annotated[bool, FLAG] = False
    weak: Annotated[bool, FLAG] = False


class HoursTable(Table):
    """``rules.hours`` of a channel."""

    from_: Annotated[time, TIME] = Field(alias="from")
    to: Annotated[time, TIME]
    zone: Annotated[tzinfo, ZONE] = ZoneInfo("UTC")


class RulesTable(Table):
    """``rules`` of a channel."""

    countries: tuple[Annotated[str, COUNTRY], ...] = ()
    number_types: tuple[Annotated[str, NUMBER_TYPE], ...] = ()
    locales: tuple[Annotated[str, LOCALE], ...] = ()
    hours: HoursTable | None = None


class TemplateTable(Table):
    """One of a channel's ``templates``."""

    locale: Annotated[str, LOCALE]
    text: Annotated[str, BODY]


class ChannelTable(Table):
    """``[[channels]]``."""

    id: Annotated[str, ID]
    type: Annotated[str, CHANNEL_TYPE]
    label: Annotated[str, TEXT]
    provider: Annotated[str, ID]
    enabled: Annotated[bool, FLAG] = True
    code: CodeTable = CodeTable()
    lifetime: Annotated[int, SECONDS] = 300
    number_of_tries: Annotated[int, TRIES] = 3
    number_of_restart: Annotated[int, COUNT] = 1
    restart_cooldown: Annotated[int, SECONDS] = 30
    send_timeout: Annotated[int, SECONDS] = 10
    rules: RulesTable = RulesTable()
    templates: tuple[TemplateTable, ...] = ()


class RecipientTable(Table):
    """One of a widget's ``test_recipients``."""

    number: Annotated[str, NUMBER]
    code: Annotated[str, FIXED_CODE]
    until: Annotated[datetime, INSTANT]


class LimitsTable(Table):
    """``limits`` of a widget."""

    per_recipient_per_minute: Annotated[int, COUNT] = 3
    per_recipient_per_hour: Annotated[int, COUNT] = 10
    per_ip_per_minute: Annotated[int, COUNT] = 10
    failed_checks_per_recipient_per_day: Annotated[int, COUNT] = 20
    code_attempts_per_session: Annotated[int, COUNT] = 5


class CaptchaTable(Table):
    """``captcha`` of a widget; which keys there are depends on the provider."""

    provider: Annotated[str, CAPTCHA_PROVIDER]
    site_key: Annotated[str, TEXT] = ""
    secret_key: Annotated[str, SECRET] = ""
    version: Annotated[int, CAPTCHA_VERSION] = 2
    min_score: Annotated[float, SHARE] = 0.5
    action: Annotated[str | None, TEXT] = None
    hostnames: tuple[Annotated[str, HOST], ...] = ()
    max_number: Annotated[int, WORK] = 50_000
    lifetime: Annotated[int, CAPTCHA_LIFETIME] = 300
    verify_url: Annotated[str, VERIFY_URL] = ""
    first_free_requests_per_ip: Annotated[int, COUNT] = 0
    fail_open: Annotated[bool, FLAG] = False


class WidgetTable(Table):
    """``[[widgets]]``."""

    id: Annotated[str, WIDGET_ID]
    name: Annotated[str, TEXT]
    active: Annotated[bool, FLAG] = True
    blocked: Annotated[bool, FLAG] = False
    region: Annotated[str | None, REGION] = None
    locale: Annotated[str, LOCALE] = "ru"
    domain: Annotated[str, DOMAIN] = ""
    channels: tuple[Annotated[str, ID], ...] = ()
    allowed_origins: tuple[Annotated[str, ORIGIN], ...] = ()
    test_recipients: tuple[RecipientTable, ...] = ()
    limits: LimitsTable = LimitsTable()
    captcha: CaptchaTable | None = None


class TokenTable(Table):
    """``[[tokens]]``; the token itself is hashed as soon as it is read."""

    name: Annotated[str, TEXT]
    token: Annotated[bytes, TOKEN]
    widgets: tuple[Annotated[str, WIDGET_ID], ...] | None = None
    expires: Annotated[datetime | None, INSTANT] = None


class FileTable(Table):
    """The whole file. ``server`` is read by itself."""

    tenant: Annotated[str, ID] = "default"
    server: dict[str, Any] = {}
    providers: tuple[ProviderTable, ...] = ()
    channels: tuple[ChannelTable, ...] = ()
    widgets: tuple[WidgetTable, ...] = ()
    tokens: tuple[TokenTable, ...] = ()


Kind = Literal["providers", "channels", "widgets", "tokens"]
KINDS: tuple[Kind, ...] = ("providers", "channels", "widgets", "tokens")
