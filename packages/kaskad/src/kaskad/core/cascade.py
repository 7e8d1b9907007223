"""Which channel a session may use, and which comes next."""

from collections.abc import Iterator
from datetime import datetime

from kaskad.core.codes import Keyring
from kaskad.core.model import (
    Channel,
    NextMove,
    NumberType,
    Recipient,
    Session,
    Template,
    Value,
    Widget,
)

RESTART, CHANNEL = "restart", "channel"


class Cascade(Value, frozen=True, kw_only=True):
    """A widget and its channels by priority, as configured at this moment.

    ``channels`` is empty when the widget is gone, blocked or inactive: such a
    widget starts nothing.
    """

    widget: Widget | None
    channels: tuple[Channel, ...]


class Context(Value, frozen=True, kw_only=True):
    """What a step of the machine may look at besides the session itself."""

    cascade: Cascade
    keyring: Keyring


def unsuitable(channel: Channel, to: Recipient, locale: str, now: datetime) -> str | None:
    """Why the channel cannot reach this recipient now; ``None`` when it can."""
    rules = channel.rules
    checks = (
        ("disabled", not channel.enabled),
        ("country", bool(rules.countries) and to.country not in rules.countries),
        ("number type", bool(rules.number_types) and not _is_of(rules.number_types, to)),
        ("locale", bool(rules.locales) and not _speaks(rules.locales, locale)),
        ("hours", rules.hours is not None and not rules.hours.admit(now)),
        ("no template", channel.type.needs_text and not channel.templates),
    )
    return next((why for why, holds in checks if holds), None)


def _is_of(wanted: tuple[NumberType, ...], to: Recipient) -> bool:
    """Some plans do not tell mobile from fixed: such a number passes for either."""
    if to.number_type is NumberType.FIXED_LINE_OR_MOBILE:
        return bool({NumberType.MOBILE, NumberType.FIXED_LINE, to.number_type} & set(wanted))
    return to.number_type in wanted


def _speaks(locales: tuple[str, ...], locale: str) -> bool:
    wanted = locale.lower()
    return any(wanted == known.lower() or _language(wanted) == known.lower() for known in locales)


def _language(locale: str) -> str:
    return locale.lower().replace("_", "-").partition("-")[0]


def choose_template(templates: tuple[Template, ...], locale: str, default: str) -> Template | None:
    """The template for a locale: exact, its language, the widget's default, the first."""
    for matches in (
        lambda t: t.locale.lower() == locale.lower(),
        lambda t: _language(t.locale) == _language(locale),
        lambda t: t.locale.lower() == default.lower(),
        lambda t: _language(t.locale) == _language(default),
    ):
        found = next((t for t in templates if matches(t)), None)
        if found is not None:
            return found
    return templates[0] if templates else None


def first_channel(
    cascade: Cascade, to: Recipient, locale: str, now: datetime
) -> tuple[Channel | None, str]:
    """The first suitable channel, and a note on those passed over."""
    return _first(iter(cascade.channels), to, locale, now)


def next_channel(session: Session, cascade: Cascade, now: datetime) -> tuple[Channel | None, str]:
    """The next suitable channel below the current one that this session has not used.

    When the current channel has left the cascade meanwhile, the walk starts at the top.
    """
    return _first(_below(session, cascade), session.recipient, session.locale, now)


def _below(session: Session, cascade: Cascade) -> Iterator[Channel]:
    channels = cascade.channels
    position = next((i for i, c in enumerate(channels) if c.id == session.launch.channel), -1)
    used = {launch.channel for launch in session.launches}
    return (c for c in channels[position + 1 :] if c.id not in used and c.id not in session.barred)


def _first(
    channels: Iterator[Channel], to: Recipient, locale: str, now: datetime
) -> tuple[Channel | None, str]:
    passed: list[str] = []
    for channel in channels:
        why = unsuitable(channel, to, locale, now)
        if why is None:
            return channel, ", ".join(passed)
        passed.append(f"{channel.id}: {why}")
    return None, ", ".join(passed)


def restartable(session: Session, cascade: Cascade, now: datetime) -> Channel | None:
    """The current channel, if it may be started once more."""
    current = session.launch.channel
    channel = next((c for c in cascade.channels if c.id == current), None)
    if channel is None or current in session.barred:
        return None
    restarts = sum(launch.channel == current for launch in session.launches) - 1
    if restarts >= channel.settings.number_of_restart:
        return None
    why = unsuitable(channel, session.recipient, session.locale, now)
    return channel if why is None else None


def next_move(session: Session, cascade: Cascade, now: datetime) -> NextMove | None:
    """What a resend would do at this moment."""
    channel = restartable(session, cascade, now)
    if channel is not None:
        return NextMove(action=RESTART, type=channel.type, label=channel.label)
    channel, _ = next_channel(session, cascade, now)
    if channel is not None:
        return NextMove(action=CHANNEL, type=channel.type, label=channel.label)
    return None
