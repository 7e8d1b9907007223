"""Yandex SmartCaptcha: https://yandex.cloud/en/docs/smartcaptcha/operations/validate-captcha"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from kaskad_sdk._steps import Asking
from kaskad_sdk.addresses import plain_address
from kaskad_sdk.captcha._asking import ask_vendor, check_settings, host_problem
from kaskad_sdk.captcha._verdicts import (
    Passed,
    Refused,
    Unavailable,
    Verdict,
    is_decent,
    spend_of,
)

_MISSET: Final = "Authentication failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Yandex:
    """Yandex SmartCaptcha.

    ``hostnames`` are the sites on which the captcha may have been solved; empty: any. A token is
    valid once, for five minutes. An ``ok`` that names no host means that Yandex did not check (the
    account is blocked, or something failed there), and counts as unavailable.
    """

    provider: ClassVar[str] = "yandex"

    site_key: str
    secret_key: str = field(repr=False)
    hostnames: tuple[str, ...] = ()
    verify_url: str = "https://smartcaptcha.yandexcloud.net/validate"

    def __post_init__(self) -> None:
        """Raises :class:`ValueError` or :class:`TypeError` for what could never work."""
        check_settings(site_key=self.site_key, secret_key=self.secret_key, hostnames=self.hostnames)

    def verify(self, token: str, *, address: str, now: datetime) -> Asking[Verdict]:
        """Judge a token by ``validate``: ``{status, message, host}``."""
        if not is_decent(token):
            return Refused(reason="not a token")
        form = {"secret": self.secret_key, "token": token}
        known = plain_address(address)
        if known is not None:
            form["ip"] = known
        answer = yield from ask_vendor(self.verify_url, form)
        match answer:
            case Refused() | Unavailable():
                return answer
            case {"status": "ok", "host": str(host)} if host:
                problem = host_problem(host, self.hostnames)
                return problem or Passed(spend=spend_of(self.provider, token, now))
            case {"status": "ok"}:
                return Unavailable(reason="ok for no host: nothing was checked")
            case {"status": "failed"}:
                told = str(answer.get("message") or "not solved")[:64]
                return Refused(reason=told, misset=told.startswith(_MISSET))
            case _:
                return Unavailable(reason="an answer without a known status")
