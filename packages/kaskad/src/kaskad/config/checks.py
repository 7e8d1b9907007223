"""What a file must hold beyond the form of its values: references, duplicates, weak codes."""

from collections.abc import Hashable, Iterator, Sequence
from datetime import date, datetime

from kaskad.config.forms import instant, shown
from kaskad.config.tables import (
    KINDS,
    CaptchaTable,
    ChannelTable,
    FileTable,
    Kind,
    RecipientTable,
    TokenTable,
    WidgetTable,
)
from kaskad.core import codes
from kaskad.core.model import CaptchaProvider, ChannelType
from kaskad.core.recipients import parse_recipient

_SINGULAR = {"providers": "provider", "channels": "channel", "widgets": "widget"}


def check(file: FileTable, default_region: str, now: datetime) -> Iterator[str]:
    """Problems as ``place: what``; the file's name is for the caller to add."""
    for kind in KINDS:
        yield from _duplicates(kind, file)
    for index, channel in enumerate(file.channels):
        yield from _at("channels", index, channel.id, _channel(channel, file))
    for index, widget in enumerate(file.widgets):
        problems = _widget(widget, file, default_region, now)
        yield from _at("widgets", index, widget.id, problems)
    for index, token in enumerate(file.tokens):
        yield from _at("tokens", index, token.name, _token(token, index, file), key="name")


def place(kind: Kind, index: int, name: str, key: str = "id") -> str:
    """Where a table stands: ``channels[1] (id "voice")``."""
    return f"{kind}[{index}] ({key} {shown(name)})"


def _at(
    kind: Kind, index: int, name: str, problems: Iterator[str], key: str = "id"
) -> Iterator[str]:
    return (f"{place(kind, index, name, key)}: {problem}" for problem in problems)


def _duplicates(kind: Kind, file: FileTable) -> Iterator[str]:
    key = "name" if kind == "tokens" else "id"
    names = [str(getattr(table, key)) for table in getattr(file, kind)]
    for index, first in _repeated(names):
        yield f"{place(kind, index, names[index], key)}: {key}: {kind}[{first}] has the same"


def _repeated(items: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """The index of each repetition, with that of the first occurrence."""
    return ((i, items.index(item)) for i, item in enumerate(items) if items.index(item) < i)


def _dangling(key: str, name: str, kind: Kind, file: FileTable) -> Iterator[str]:
    known = [table.id for table in getattr(file, kind)]
    if name not in known:
        listed = ", ".join(known) or "none"
        yield f"{key}: no {_SINGULAR[kind]} is called {shown(name)}; known: {listed}"


# --- channels --------------------------------------------------------------------


def _channel(channel: ChannelTable, file: FileTable) -> Iterator[str]:
    yield from _dangling("provider", channel.provider, "providers", file)
    yield from _code(channel)
    hours = channel.rules.hours
    if hours is not None and hours.from_ == hours.to:
        yield "rules.hours: from and to are the same, so no time of day is left"
    locales = [template.locale.lower() for template in channel.templates]
    for index, first in _repeated(locales):
        yield f"templates[{index}].locale: templates[{first}] has the same"
    for index, template in enumerate(channel.templates):
        problem = _template(template.text, ChannelType(channel.type))
        if problem is not None:
            yield f"templates[{index}].text: {problem}"


def _template(text: str, kind: ChannelType) -> str | None:
    from kaskad.app import templates  # noqa: PLC0415  # its engine is slow to import

    problem = templates.check(text)
    if problem is None and kind.needs_text and not templates.shows_code(text):
        return "does not show the code; expected {{ code }} in it"
    return problem


def _code(channel: ChannelTable) -> Iterator[str]:
    code = channel.code
    size = codes.set_size(code.length, beautify=code.beautify)
    if size < codes.WEAK and not code.weak:
        enough = next(
            length
            for length in range(code.length, codes.LONGEST + 1)
            if codes.set_size(length, beautify=True) >= codes.WEAK
        )
        yield (
            f"code: there are only {size} readable codes of {code.length} digits;"
            f" expected a length of {enough} or more, or weak = true to accept that"
        )


# --- widgets ---------------------------------------------------------------------


def _widget(
    widget: WidgetTable, file: FileTable, default_region: str, now: datetime
) -> Iterator[str]:
    for index, channel in enumerate(widget.channels):
        yield from _dangling(f"channels[{index}]", channel, "channels", file)
    for index, first in _repeated(widget.channels):
        yield f"channels[{index}]: channels[{first}] is the same"
    region = widget.region or default_region
    for index, recipient in enumerate(widget.test_recipients):
        for problem in _recipient(recipient, region, now):
            yield f"test_recipients[{index}].{problem}"
    if widget.captcha is not None:
        yield from (f"captcha.{problem}" for problem in _captcha(widget.captcha))
    numbers = [parse_recipient(recipient.number, region) for recipient in widget.test_recipients]
    for index, first in _repeated(numbers):
        if numbers[index] is not None:
            yield f"test_recipients[{index}].number: test_recipients[{first}] has the same"


def _captcha(captcha: CaptchaTable) -> Iterator[str]:
    known = _CAPTCHA_KEYS[captcha.provider]
    for key in sorted(captcha.model_fields_set - known - _CAPTCHA_ALWAYS):
        listed = ", ".join(sorted(known | _CAPTCHA_ALWAYS))
        yield f"{key}: not a key of {captcha.provider}; known: {listed}"
    if captcha.provider == CaptchaProvider.ALTCHA:
        if 0 < len(captcha.secret_key.encode()) < _SHORTEST_ALTCHA_KEY:
            yield (
                f"secret_key: expected at least {_SHORTEST_ALTCHA_KEY} bytes;"
                " leave it out and one is derived from server.secret_key"
            )
        return
    for key in ("site_key", "secret_key"):
        if not getattr(captcha, key):
            yield f"{key}: missing; expected the one that {captcha.provider} gave you"
    for key in sorted(captcha.model_fields_set & {"min_score", "action"}):
        if captcha.provider == CaptchaProvider.GOOGLE and captcha.version == _WITHOUT_SCORE:
            yield f"{key}: reCAPTCHA has it since version 3; add version = 3"


_SHORTEST_ALTCHA_KEY = 16
_WITHOUT_SCORE = 2
_CAPTCHA_ALWAYS = {"provider", "first_free_requests_per_ip", "fail_open"}
_OF_A_VENDOR = {"site_key", "secret_key", "hostnames", "verify_url"}
_CAPTCHA_KEYS: dict[str, set[str]] = {
    CaptchaProvider.GOOGLE: {*_OF_A_VENDOR, "version", "min_score", "action"},
    CaptchaProvider.YANDEX: _OF_A_VENDOR,
    CaptchaProvider.CLOUDFLARE: {*_OF_A_VENDOR, "action"},
    CaptchaProvider.ALTCHA: {"secret_key", "max_number", "lifetime"},
}


def _recipient(recipient: RecipientTable, region: str, now: datetime) -> Iterator[str]:
    if parse_recipient(recipient.number, region) is None:
        yield (
            f"number: {shown(recipient.number)} is not a phone number of {region}"
            ' or an international one; expected one like "+79990000001"'
        )
    latest = a_year_after(now)
    if recipient.until > instant(latest):
        yield f"until: more than a year ahead; expected {latest} or earlier"


def a_year_after(now: datetime) -> date:
    """The last day that a test recipient may have."""
    try:
        return now.date().replace(year=now.year + 1)
    except ValueError:  # 29 February
        return date(now.year + 1, 2, 28)


# --- tokens ----------------------------------------------------------------------


def _token(token: TokenTable, index: int, file: FileTable) -> Iterator[str]:
    if token.widgets == ():
        yield "widgets: expected at least one id; leave the key out to allow every widget"
    for position, widget in enumerate(token.widgets or ()):
        yield from _dangling(f"widgets[{position}]", widget, "widgets", file)
    first = [other.token for other in file.tokens].index(token.token)
    if first < index:
        yield f"token: tokens[{first}] has the same"
