"""What is declared and has run out: no mistake, since the file was right once, but in vain.

It is told and not refused: a service that applies its file at every start must not
stay down because a test number's last day has passed.
"""

from collections.abc import Iterator
from datetime import datetime

from kaskad.config.checks import a_year_after, place
from kaskad.config.declared import Declared, DeclaredToken
from kaskad.core.model import TestRecipient, Widget


def lapsed(declared: Declared, now: datetime) -> list[str]:
    """A line for each test recipient and token that ended before ``now``, with its place."""
    lines = [*_recipients(declared, now), *_tokens(declared, now)]
    return [f"{declared.origin}: {line}" for line in lines]


def lapsed_recipients(widget: Widget, now: datetime) -> Iterator[tuple[int, str]]:
    """The test recipients of a widget that have run out, by their position; what that means."""
    for index, test in enumerate(widget.test_recipients):
        if test.until <= now:
            yield index, _about_recipient(test, now)


def _recipients(declared: Declared, now: datetime) -> Iterator[str]:
    for position, widget in enumerate(declared.widgets):
        here = place("widgets", position, widget.id)
        for index, line in lapsed_recipients(widget, now):
            yield f"{here}: test_recipients[{index}].until: {line}"


def _about_recipient(test: TestRecipient, now: datetime) -> str:
    return (
        f"over since {_shown(test.until)}: the number has no fixed code any more and is sent"
        f" messages like any other; expected a later day, {a_year_after(now)} at most"
    )


def _tokens(declared: Declared, now: datetime) -> Iterator[str]:
    for index, token in enumerate(declared.tokens):
        if token.expires_at is not None and token.expires_at <= now:
            here = place("tokens", index, token.name, key="name")
            yield f"{here}: expires: {_about_token(token)}"


def _about_token(token: DeclaredToken) -> str:
    assert token.expires_at is not None  # noqa: S101  # only those that end are asked about
    return f"over since {_shown(token.expires_at)}: calls with it are refused; expected a later day"


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
