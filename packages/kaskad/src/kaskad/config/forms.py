"""The forms that values of the configuration can take.

A form reads one value and, when it cannot, says what it expected. What is
given is repeated in the message, unless it may be a secret.
"""

import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from kaskad.core.recipients import regions

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MIDNIGHT = "24:00"
_SHOWN = 40
_LONGEST_DURATION_S = 10 * 365 * 24 * 3600
_LONGEST_TEXT = 200
_PORTS = 65535
_DEFAULT_PORTS = {"http": 80, "https": 443}

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_HOST = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?"
)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Form:
    """A reader of one value; ``read`` raises ``ValueError`` with a reason, or without."""

    __slots__ = ("expected", "read", "secret")

    def __init__(
        self, expected: str, read: Callable[[Any], object], *, secret: bool = False
    ) -> None:
        self.expected = expected
        self.read = read
        self.secret = secret

    def __call__(self, value: object) -> object:
        """The value read; ``ValueError`` says what was expected."""
        if isinstance(value, Reason):
            raise value
        try:
            return self.read(value)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(self._complaint(value, error)) from None

    def _complaint(self, value: object, error: Exception) -> str:
        if isinstance(error, Reason):
            return str(error)
        got = "" if self.secret else f", got {shown(value)}"
        return f"expected {self.expected}{got}"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let pydantic read with this form alone, whatever the annotation is."""
        return core_schema.no_info_plain_validator_function(self)


class Reason(ValueError):
    """A refusal that is explained better than by the expected form."""


def shown(value: object) -> str:
    """A value as the file would write it, shortened."""
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "a table"
        case list():
            return "an array"
        case str():
            text = value if len(value) <= _SHOWN else value[:_SHOWN] + "..."
            return '"' + "".join(c if c.isprintable() else "?" for c in text) + '"'
        case _:
            return str(value)


def _exactly(kind: type, value: object) -> None:
    if type(value) is not kind:
        raise ValueError


def _matching(pattern: re.Pattern[str], value: str) -> str:
    _exactly(str, value)
    if not pattern.fullmatch(value):
        raise ValueError
    return value


# --- numbers ---------------------------------------------------------------------


def whole(lowest: int, highest: int, what: str = "a whole number") -> Form:
    """A whole number within bounds."""

    def read(value: int) -> int:
        _exactly(int, value)
        if not lowest <= value <= highest:
            raise ValueError
        return value

    return Form(f"{what} from {lowest} to {highest}", read)


def as_whole(text: str) -> int | str:
    """The whole number that a text outside the file stands for; any other text as it is."""
    return int(text) if text.isascii() and text.isdecimal() else text


SECONDS = Form("a whole number of seconds, 1 or more", whole(1, _LONGEST_DURATION_S).read)
OVERLAP = Form("a whole number of seconds, 0 or more", whole(0, _LONGEST_DURATION_S).read)
COUNT = Form("a whole number, 0 or more", whole(0, 10**9).read)
TRIES = Form("a whole number, 1 or more", whole(1, 10**9).read)
PORT = whole(0, _PORTS, "a port number")


def _share(value: float) -> float:
    if type(value) not in {int, float} or not 0 <= value <= 1:
        raise ValueError
    return float(value)


SHARE = Form("a number from 0 to 1", _share)


def _flag(value: object) -> object:
    _exactly(bool, value)
    return value


FLAG = Form("true or false", _flag)


# --- texts -----------------------------------------------------------------------


def _text(value: str) -> str:
    _exactly(str, value)
    if not value.isprintable() or not 0 < len(value) <= _LONGEST_TEXT or value != value.strip():
        raise ValueError
    return value


def _identifier(value: str) -> str:
    return _matching(_ID, value)


def _body(value: str) -> str:
    _exactly(str, value)
    if not value.strip():
        raise ValueError
    return value


def one_of(choices: tuple[str, ...], what: str = "") -> Form:
    """One of a few words."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    return Form(what or f"one of {', '.join(choices)}", read)


TEXT = Form(f"a text of 1 to {_LONGEST_TEXT} characters in one line", _text)
BODY = Form("a text that is not empty", _body)
ID = Form("an id of 1 to 64 letters, digits, dots, dashes and underscores", _identifier)
LOCALE = Form('a locale like "ru" or "pt-BR"', lambda value: _matching(_LOCALE, value))
REGION = one_of(tuple(sorted(regions())), 'a known region of two capital letters like "RU"')
COUNTRY = one_of((*sorted(regions()), "001"), 'a known country of two capital letters like "RU"')


def _uuid(value: str) -> str:
    _exactly(str, value)
    return str(UUID(_matching(_UUID, value.lower())))


WIDGET_ID = Form('a UUID like "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"', _uuid)
SESSION_ID = Form('a requestId like "d1f4c9a2-4b0e-4c7d-9e55-0a6f1b2c3d4e"', _uuid)


# --- network ---------------------------------------------------------------------


def _host(value: str) -> str:
    _exactly(str, value)
    if ":" in value:
        return str(ipaddress.IPv6Address(value))
    return _matching(_HOST, value.lower())


def _domain(value: str) -> str:
    _exactly(str, value)
    return _matching(_HOST, value.lower()) if value else ""


def _network(value: str) -> Network:
    _exactly(str, value)
    network = None if value == "*" else ipaddress.ip_network(value)
    if network is None or network.prefixlen == 0 or _maps_all_of_ipv4(network):
        raise Reason(
            f"{shown(value)} would trust everybody; expected the addresses of your own proxies"
        )
    return network


def _maps_all_of_ipv4(network: Network) -> bool:
    return network.version == 6 and network.supernet_of(  # noqa: PLR2004  # IP version 6
        ipaddress.IPv6Network("::ffff:0:0/96")
    )


def _origin(value: str) -> str:
    _exactly(str, value)
    if value == "*":
        raise Reason('"*" would let every site use the widget; expected its own origins')
    url = _web_url(value)
    if url.path or value.endswith("/"):
        raise ValueError
    return f"{url.scheme}://{_authority(url.scheme, str(url.hostname), url.port)}"


def _public_url(value: str) -> str:
    _exactly(str, value)
    if not value:
        return ""
    url = _web_url(value)
    return f"{url.scheme}://{_authority(url.scheme, str(url.hostname), url.port)}{url.path}".rstrip(
        "/"
    )


def _web_url(value: str) -> Any:
    url = urlsplit(value)
    plain = not (url.query or url.fragment or url.username or url.password or value[-1:] in "?#")
    if url.scheme not in _DEFAULT_PORTS or not plain or not value.isascii() or " " in value:
        raise ValueError
    _host(url.hostname or "")
    return url


def _authority(scheme: str, host: str, port: int | None) -> str:
    """As a browser writes it into ``Origin``: lower case, without the usual port."""
    host = f"[{host}]" if ":" in host else host
    return host if port in {None, _DEFAULT_PORTS[scheme]} else f"{host}:{port}"


HOST = Form("a host name or an IP address", _host)
DOMAIN = Form('a domain like "example.com", without https://', _domain)
NETWORK = Form('an IP address or a network like "10.0.0.0/8"', _network)
ORIGIN = Form('an origin like "https://example.com", without a path', _origin)
PUBLIC_URL = Form('an address like "https://otp.example.com"', _public_url)


VERIFY_URL = Form(
    'an address like "https://www.recaptcha.net/recaptcha/api/siteverify"', _public_url
)


# --- time ------------------------------------------------------------------------


def _time(value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if value == MIDNIGHT:
        return time()
    return time.fromisoformat(_matching(_TIME, str(value)))


def _zone(value: str) -> ZoneInfo:
    _exactly(str, value)
    try:
        return ZoneInfo(value)
    except (OSError, LookupError):
        raise ValueError from None


def instant(value: object) -> datetime:
    """A moment; a day without a time lasts to its end, a time without a zone is UTC."""
    if isinstance(value, str):
        value = date.fromisoformat(value) if len(value) == len("2027-01-31") else _moment(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if not isinstance(value, date):
        raise ValueError
    return datetime.combine(value + timedelta(days=1), time(), UTC)


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


TIME = Form('a time of day like "08:00"', _time)
ZONE = Form('a time zone like "Europe/Moscow"', _zone)
INSTANT = Form("a date like 2027-01-31 or a date and time like 2027-01-31T12:00:00Z", instant)
