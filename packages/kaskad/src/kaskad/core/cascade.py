"""Which channel a session may use, and which comes next."""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

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
    rules, why = channel.rules, None
    if not channel.enabled:
        why = "disabled"
    elif rules.countries and to.country not in rules.countries:
        why = "country"
    elif rules.number_types and not _is_of(rules.number_types, to):
        why = "number type"
    elif rules.locales and not _speaks(rules.locales, locale):
        why = "locale"
    elif rules.hours is not None and not rules.hours.admit(now):
        why = "hours"
    elif not channel.templates and channel.type.needs_text:
        why = "no template"
    return why


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


@lru_cache(maxsize=1024)
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


def further_channels(session: Session, cascade: Cascade, now: datetime) -> Iterator[Channel]:
    """The channels that the session comes through if every launch from now on fails."""
    for channel in _below(session, cascade):
        if unsuitable(channel, session.recipient, session.locale, now) is None:
            yield channel


def lane_of(tenant: str, provider: str) -> str:
    """The name of an account, under which its jobs are queued."""
    return f"{tenant}/{provider}"


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
    if current in session.barred:
        return None
    for channel in cascade.channels:
        if channel.id == current:
            break
    else:
        return None
    restarts = [launch.channel for launch in session.launches].count(current) - 1
    if restarts >= channel.settings.number_of_restart:
        return None
    why = unsuitable(channel, session.recipient, session.locale, now)
    return channel if why is None else None


def next_move(session: Session, cascade: Cascade, now: datetime) -> NextMove | None:
    """What a resend would do at this moment."""
    channel = restartable(session, cascade, now)
    if channel is not None:
        return NextMove(action=RESTART, type=channel.type, label=channel.label)
    return another_way(session, cascade, now)


def another_way(session: Session, cascade: Cascade, now: datetime) -> NextMove | None:
    """What a resend that skips the restarts would do at this moment."""
    channel, _ = next_channel(session, cascade, now)
    if channel is None:
        return None
    return NextMove(action=CHANNEL, type=channel.type, label=channel.label)
