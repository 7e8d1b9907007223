"""What a captcha may be found to be, and what every kind of captcha offers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar, Final, Protocol, TypeAlias

from kaskad_sdk._steps import Asking

LONGEST_TOKEN: Final = 8192
"""In characters; longer tokens are refused without a look."""

_REMEMBERED: Final = timedelta(minutes=15)
"""Longer than any vendor's token is valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """A token that may pass once: record ``key`` as used, atomically, before letting it pass.

    Whoever finds ``key`` recorded already refuses. After ``until`` the token is invalid by itself
    and the record may be forgotten.
    """

    key: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Used:
    """An address that was counted, or a token that was recorded, at that time."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The captcha was solved, provided that ``spend`` can be recorded for the first time."""

    spend: Spend | None = None
    used: tuple[Used, ...] = ()
    """What a guard has counted and recorded for it; see :meth:`Guard.give_back`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The captcha was not solved. ``reason`` is for logs, and tells no secrets."""

    reason: str
    misset: bool = False
    """The keys are wrong, so that nobody passes: for the operator to put right, not for a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Nobody knows: the vendor did not answer, or nothing that can be judged."""

    reason: str


Verdict: TypeAlias = Passed | Refused | Unavailable


class Captcha(Protocol):
    """A kind of captcha with its keys. Does no I/O itself."""

    provider: ClassVar[str]
    """The name in ``captchaProvider``."""

    @property
    def site_key(self) -> str:
        """The public key that the page draws the captcha with; empty when there is none."""

    def verify(self, token: str, *, address: str, now: datetime) -> Asking[Verdict]:
        """A flow that judges a page's token; ``address`` is the person's, or empty."""


def is_decent(token: str) -> bool:
    """Whether a token can be one at all: not empty, of a bounded length, visible ASCII."""
    return (
        0 < len(token) <= LONGEST_TOKEN
        and token.isascii()
        and token.isprintable()
        and " " not in token
    )


def spend_of(provider: str, token: str, now: datetime) -> Spend:
    """How a vendor's token is remembered as used: not by itself, since it is a secret."""
    return Spend(key=f"{provider}:{sha256(token.encode()).hexdigest()}", until=now + _REMEMBERED)
