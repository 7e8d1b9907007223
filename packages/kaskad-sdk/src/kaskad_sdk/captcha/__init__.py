"""Captchas: Google reCAPTCHA, Yandex SmartCaptcha, Cloudflare Turnstile and Altcha.

Nothing here does I/O: checking a token is a flow that asks for requests to be made.
"""

from kaskad_sdk._steps import NoAnswer, Request, Response
from kaskad_sdk.captcha._verdicts import (
    Captcha,
    Passed,
    Refused,
    Spend,
    Unavailable,
    Used,
    Verdict,
)
from kaskad_sdk.captcha.altcha import Altcha
from kaskad_sdk.captcha.cloudflare import Cloudflare
from kaskad_sdk.captcha.counts import (
    AsyncFreeRequests,
    AsyncGivesBack,
    FreeRequests,
    FreeRequestsInMemory,
    GivesBack,
)
from kaskad_sdk.captcha.google import Google
from kaskad_sdk.captcha.guard import Guard
from kaskad_sdk.captcha.yandex import Yandex

__all__ = [
    "Altcha",
    "AsyncFreeRequests",
    "AsyncGivesBack",
    "Captcha",
    "Cloudflare",
    "FreeRequests",
    "FreeRequestsInMemory",
    "GivesBack",
    "Google",
    "Guard",
    "NoAnswer",
    "Passed",
    "Refused",
    "Request",
    "Response",
    "Spend",
    "Unavailable",
    "Used",
    "Verdict",
    "Yandex",
]
