"""The nouns of the service, as immutable values.

Records are ``msgspec`` structs instead of dataclasses: a copy with one changed
field costs a tenth, they are encoded without a schema of their own, and with
``gc=False`` a million live sessions do not slow the garbage collector down.
Instants are aware UTC datetimes; a name that ends in ``_s`` counts seconds.
"""

from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Base of every immutable record. What is at its default is not written.

    So the default of a stored field never changes its meaning; one that may is
    better written as an array, which has all its fields: those that come later
    are added at its end.
    """


@lru_cache(maxsize=4096)
def lasting(seconds: int) -> timedelta:
    """A span of so many seconds. Settings name few different ones."""
    return timedelta(seconds=seconds)


class ChannelType(StrEnum):
    """The ways to reach a person."""

    SMS = "sms"
    VOICE = "voice"
    FLASHCALL = "flashcall"
    TELEGRAMCODE = "telegramcode"
    WHATSAPP = "whatsapp"
    VIBER = "viber"
    VK = "vk"
    SIM_PUSH = "sim_push"

    @property
    def needs_text(self) -> bool:
        """Whether a channel of this type is useless without a template."""
        return self in _TEXT_TYPES

    @property
    def code_type(self) -> "CodeType":
        """What a launch of this type starts as; a provider may turn it."""
        return CodeType.CODELESS if self is ChannelType.SIM_PUSH else CodeType.CODE


_TEXT_TYPES = frozenset(
    {
        ChannelType.SMS,
        ChannelType.VOICE,
        ChannelType.WHATSAPP,
        ChannelType.VIBER,
        ChannelType.VK,
    }
)


class CodeType(StrEnum):
    """Whether the person types a code here or confirms elsewhere."""

    CODE = "code"
    CODELESS = "codeless"


class NumberType(StrEnum):
    """Kinds of phone numbers that a channel's rules can name."""

    MOBILE = "mobile"
    FIXED_LINE = "fixed_line"
    FIXED_LINE_OR_MOBILE = "fixed_line_or_mobile"
    TOLL_FREE = "toll_free"
    PREMIUM_RATE = "premium_rate"
    SHARED_COST = "shared_cost"
    VOIP = "voip"
    PERSONAL_NUMBER = "personal_number"
    PAGER = "pager"
    UAN = "uan"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"


# --- configuration -----------------------------------------------------------


class LaunchSettings(Value, frozen=True, kw_only=True, array_like=True):
    """What a launch keeps from its channel for as long as it lives."""

    code_length: int = 6
    beautify: bool = False
    lifetime_s: int = 300
    number_of_tries: int = 3
    number_of_restart: int = 1
    restart_cooldown_s: int = 30
    send_timeout_s: int = 10


class Hours(Value, frozen=True, kw_only=True):
    """A daily window ``[start, end)`` in a time zone; it may span midnight."""

    start: time
    end: time
    zone: tzinfo

    def admit(self, now: datetime) -> bool:
        """Whether ``now`` falls into the window."""
        local = now.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


class Rules(Value, frozen=True, kw_only=True):
    """Whom a channel is for; an empty tuple or ``None`` admits everybody."""

    countries: tuple[str, ...] = ()
    number_types: tuple[NumberType, ...] = ()
    locales: tuple[str, ...] = ()
    hours: Hours | None = None


class Template(Value, frozen=True, kw_only=True):
    """The text of a message in one locale."""

    locale: str
    text: str


class Channel(Value, frozen=True, kw_only=True):
    """A configured way to reach a person."""

    id: str
    type: ChannelType
    label: str
    provider: str
    enabled: bool = True
    settings: LaunchSettings = LaunchSettings()
    rules: Rules = Rules()
    templates: tuple[Template, ...] = ()


class WidgetLimits(Value, frozen=True, kw_only=True):
    """How much one recipient, address or session may ask for."""

    per_recipient_per_minute: int = 3
    per_recipient_per_hour: int = 10
    per_ip_per_minute: int = 10
    failed_checks_per_recipient_per_day: int = 20
    code_attempts_per_session: int = 5


class TestRecipient(Value, frozen=True, kw_only=True):
    """A number with a fixed code that never reaches a provider."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    number: str
    code: str
    until: datetime

    def __repr__(self) -> str:
        return f"TestRecipient(until={self.until!r})"


class CaptchaProvider(StrEnum):
    """Who tells people from programs."""

    GOOGLE = "google"
    YANDEX = "yandex"
    CLOUDFLARE = "cloudflare"
    ALTCHA = "altcha"


class Captcha(Value, frozen=True, kw_only=True):
    """A widget's captcha.

    ``version`` and ``min_score`` are Google's, ``action`` Google's and Cloudflare's,
    ``max_number`` and ``lifetime_s`` Altcha's. An empty ``secret_key`` is ours to derive, an empty
    ``verify_url`` the vendor's own.
    """

    provider: CaptchaProvider
    site_key: str = ""
    secret_key: str = ""
    version: int = 2
    min_score: float = 0.5
    action: str | None = None
    hostnames: tuple[str, ...] = ()
    max_number: int = 50_000
    lifetime_s: int = 300
    verify_url: str = ""
    first_free_requests_per_ip: int = 0
    fail_open: bool = False

    def __repr__(self) -> str:
        return f"Captcha(provider={self.provider!r}, site_key={self.site_key!r})"


class Widget(Value, frozen=True, kw_only=True):
    """A configuration profile; ``channels`` are channel ids by priority."""

    id: str
    tenant: str
    name: str
    active: bool = True
    blocked: bool = False
    region: str = "RU"
    locale: str = "ru"
    domain: str = ""
    channels: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    limits: WidgetLimits = WidgetLimits()
    test_recipients: tuple[TestRecipient, ...] = ()
    captcha: Captcha | None = None

    def test_recipient(self, number: str, now: datetime) -> TestRecipient | None:
        """The test recipient of that E.164 number, while it is valid."""
        for candidate in self.test_recipients:
            if candidate.number == number and now < candidate.until:
                return candidate
        return None


class Recipient(Value, frozen=True, kw_only=True):
    """A phone number and what its digits tell."""

    number: str
    country: str
    number_type: NumberType

    def __repr__(self) -> str:
        return f"Recipient(country={self.country!r}, number_type={self.number_type!r})"


# --- one run of a verification -----------------------------------------------


class State(StrEnum):
    """Where a session stands; exactly one holds."""

    WAIT = "wait"
    SENT = "sent"
    ENDED = "ended"
    CONFIRMED = "confirmed"
    SPENT = "spent"
    EXHAUSTED = "exhausted"
    CLOSED = "closed"


class LaunchState(StrEnum):
    """Where one launch stands; a failed one is never current in an open session."""

    WAIT = "wait"
    SENT = "sent"
    FAILED = "failed"
    ENDED = "ended"


class Reason(StrEnum):
    """Why a launch failed or ended."""

    REJECTED = "rejected"
    ERRORED = "errored"
    TIMED_OUT = "timed_out"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    DECLINED = "declined"


class Closing(StrEnum):
    """Why a session closed."""

    COMPLETED = "completed"
    LIFETIME = "lifetime"
    CANCELLED = "cancelled"
    RESTORED = "restored"


class ReportKind(StrEnum):
    """What a provider may say of a message after it took it."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    CONFIRMED = "confirmed"
    DECLINED = "declined"


class Code(Value, frozen=True, kw_only=True):
    """One code of a session: never its digits, only how to find them.

    ``digest`` is set when the digits are not ours to derive (a provider chose
    them, or a test recipient fixes them); it is a keyed hash.
    """

    number: int
    key_id: str
    length: int
    beautify: bool = False
    first_sent_at: datetime | None = None
    digest: bytes | None = None


class Launch(Value, frozen=True, kw_only=True):
    """One start of one channel.

    ``sent_at`` is set once a message may be with the person: when the provider
    took it, and also (as of the start) when the provider's answer never came.
    ``asked`` tells a launch that somebody asked for from an automatic move.
    """

    number: int
    channel: str
    type: ChannelType
    label: str
    provider: str
    settings: LaunchSettings
    text: str
    started_at: datetime
    code_type: CodeType
    first_code_type: CodeType
    state: LaunchState = LaunchState.WAIT
    code: int | None = None
    sent_at: datetime | None = None
    asked: bool = False
    reason: Reason | None = None
    unsure: bool = False
    delivered: bool = False
    parked: tuple[ReportKind, ...] = ()

    @property
    def send_by(self) -> datetime:
        """When the provider's answer is no longer waited for."""
        return self.started_at + lasting(self.settings.send_timeout_s)


class NextMove(Value, frozen=True, kw_only=True):
    """What a resend would do: ``restart`` this channel, or start a ``channel``."""

    action: str
    type: ChannelType
    label: str


class Entry(Value, frozen=True, kw_only=True, array_like=True):
    """One line of a session's timeline."""

    at: datetime
    input: str
    launch: int | None = None
    reason: str = ""


class Session(Value, frozen=True, kw_only=True):
    """One run of verification of one recipient.

    ``version`` rises with every change of the record, ``view_version`` only
    when what a page would be shown changes; ``channel_version`` is the view
    version that first showed the current launch with its current code type.
    ``due_at`` is the next instant at which the session changes by itself,
    ``None`` once closed: the machine sets it at the end of every step.
    """

    id: str
    tenant: str
    widget: str
    recipient: Recipient
    locale: str
    created_at: datetime
    expires_at: datetime
    code_attempts: int
    due_at: datetime | None = None
    test: bool = False
    version: int = 1
    view_version: int = 1
    channel_version: int = 1
    launches: tuple[Launch, ...] = ()
    current: int = 0
    codes: tuple[Code, ...] = ()
    misses: int = 0
    channel_misses: tuple[tuple[str, int], ...] = ()
    barred: tuple[str, ...] = ()
    next: NextMove | None = None
    another: NextMove | None = None
    confirmed_at: datetime | None = None
    confirmed_codes: tuple[int, ...] = ()
    over: State | None = None
    closing: Closing | None = None
    timeline: tuple[Entry, ...] = ()

    @property
    def launch(self) -> Launch:
        """The current launch."""
        return self.launches[self.current - 1]

    @property
    def gone_at(self) -> datetime:
        """When the session is forgotten."""
        return self.expires_at + GONE_AFTER

    @property
    def state(self) -> State:
        """The state that precedence picks: closed first, waiting last."""
        if self.closing is not None:
            return State.CLOSED
        if self.confirmed_at is not None:
            return State.CONFIRMED
        if self.over is not None:
            return self.over
        return _BY_LAUNCH[self.launch.state]


_BY_LAUNCH = {
    LaunchState.WAIT: State.WAIT,
    LaunchState.SENT: State.SENT,
    LaunchState.ENDED: State.ENDED,
}

GONE_AFTER = timedelta(hours=1)
