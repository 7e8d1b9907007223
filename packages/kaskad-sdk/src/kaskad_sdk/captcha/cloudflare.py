"""Cloudflare Turnstile.

https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from kaskad_sdk._steps import Asking
from kaskad_sdk.captcha._asking import check_settings
from kaskad_sdk.captcha._siteverify import siteverify
from kaskad_sdk.captcha._verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloudflare:
    """Cloudflare Turnstile.

    ``action`` is what the page's widget was drawn with, ``hostnames`` the sites on which the
    captcha may have been solved; both unchecked when they are left out. A token is valid once, for
    five minutes.
    """

    provider: ClassVar[str] = "cloudflare"

    site_key: str
    secret_key: str = field(repr=False)
    action: str | None = None
    hostnames: tuple[str, ...] = ()
    verify_url: str = "https://challenges.cloudflare.com/turnstile/v0/siteverify"

    def __post_init__(self) -> None:
        """Raises :class:`ValueError` or :class:`TypeError` for what could never work."""
        check_settings(site_key=self.site_key, secret_key=self.secret_key, hostnames=self.hostnames)

    def verify(self, token: str, *, address: str, now: datetime) -> Asking[Verdict]:
        """Judge a token by ``siteverify``."""
        return siteverify(
            self.provider,
            self.verify_url,
            self.secret_key,
            token,
            address=address,
            now=now,
            hostnames=self.hostnames,
            action=self.action,
        )
