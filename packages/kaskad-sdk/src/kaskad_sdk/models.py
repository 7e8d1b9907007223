"""What the calls return. Fields that this version does not know are ignored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ChannelType(StrEnum):
    """The ways to reach a person that this version knows; others come as plain strings."""

    SMS = "sms"
    VOICE = "voice"
    FLASHCALL = "flashcall"
    TELEGRAMCODE = "telegramcode"
    WHATSAPP = "whatsapp"
    VIBER = "viber"
    VK = "vk"
    SIM_PUSH = "sim_push"
    EMAIL = "email"
    TELEGRAM = "telegram"
    CALLBACK = "callback"


class ChannelStatus(StrEnum):
    """Where a message is."""

    WAIT = "wait"
    """With the provider, or on its way there."""
    SENT = "sent"
    """With the person."""
    CONFIRMED = "confirmed"
    """The number is proven."""


class CodeType(StrEnum):
    """What the person has to do."""

    CODE = "code"
    """Type a code."""
    CODELESS = "codeless"
    """Confirm elsewhere: in a push, a call, a messenger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WidgetData:
    """A widget, as a page needs to know it. Source: ``getWidget`` of the API."""

    name: str
    is_active: bool
    is_blocked: bool
    captcha_is_required: bool = False
    """Whether a send from this address has to bring a captcha's token."""
    captcha_provider: str | None = None
    """``google``, ``yandex``, ``cloudflare`` or ``altcha``; ``None`` when there is none."""
    captcha_site_key: str | None = None
    """What the page gives to the captcha's script."""
    captcha_version: int | None = None
    """Google's: 2 is drawn, 3 is not seen and gives a score."""
    captcha_action: str | None = None
    """What Google's version 3, or Cloudflare, is asked for, if the back end expects an action."""
    captcha_challenge_url: str | None = None
    """Where the page gets its task from, if the captcha is ``altcha``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendData:
    """A verification that has begun. Source: ``send`` of the API."""

    request_id: str
    """The verification's id, a UUID: every further call names it."""
    recipient: str | None = None
    """The number in E.164; ``None`` from services that do not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusData:
    """An answer of yes or no. It is true in an ``if`` only when it is yes."""

    success: bool

    def __bool__(self) -> bool:
        """Whether it is yes, so that no one takes the object itself for success."""
        return self.success


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeForm:
    """How the code of a channel looks."""

    length: int
    """Digits."""
    beautify: bool = False
    """Whether it is one that is easy to read, like 12-12."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """The settings of a message under way; ``None`` where the service does not tell."""

    code: CodeForm | None = None
    """``None`` when codeless."""
    lifetime_s: int | None = None
    """Seconds for which a message of this channel is good."""
    number_of_tries: int | None = None
    """Tries to type the code on this channel, restarts included."""
    number_of_restart: int | None = None
    """How often the channel may be restarted."""
    restart_cooldown_s: int | None = None
    """Seconds between a message and its resend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextMove:
    """What ``resend`` would do."""

    action: str
    """``restart`` of this channel, or another ``channel``."""
    type: ChannelType | str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPayload:
    """What a page needs to draw the channel; instants are aware, by the service's clock."""

    now: datetime | None = None
    """The service's time: count down from it."""
    expires_at: datetime | None = None
    """Until when this channel can confirm."""
    resend_at: datetime | None = None
    """From when a resend is accepted; ``None``: there is nothing to resend."""
    next: NextMove | None = None
    """What a resend would do; ``None``: nothing."""
    another: NextMove | None = None
    """What a resend with ``next`` would do; ``None``: there is no other way."""
    help: str | None = None
    """A hint for the person."""
    url: str | None = None
    """Where the person goes to confirm."""
    qr: str | None = None
    """The same as an SVG."""
    caller_id_mask: str | None = None
    """The number that will call, with ``_`` for the code's digits."""
    phone: str | None = None
    """The number that the person calls."""
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    """All of it, as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The channel over which a verification goes at the moment. Source: ``getChannel``."""

    type: ChannelType | str
    status: ChannelStatus | str
    label: str
    """The channel's name, for people."""
    code_type: CodeType | str
    remaining_code_attempts: int
    """Tries that are left to type the code; 0 when codeless."""
    payload: ChannelPayload = field(default_factory=ChannelPayload)
    settings: ChannelSettings = field(default_factory=ChannelSettings)
    version: int | None = None
    """Rises with each change of what a page would show; give it as ``since``."""
