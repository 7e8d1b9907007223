"""The vendors of captchas without a network: what they answer of a token that a page gave."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from kaskad_sdk._steps import Request
from kaskad_sdk.captcha import Captcha, Cloudflare, Google, Yandex

REFUSED: Final = "refused"
"""The one token that is bad; every other was solved just as the application wants it."""
ANYWHERE: Final = "localhost"
GOOD_SCORE: Final = 0.9


class SimulatedVendors:
    """All of them; an answer tells the site, action and score that the asking captcha wants."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, object]] = {}

    def learn(self, captcha: Captcha) -> None:
        """Whose tokens there may be from now on."""
        if isinstance(captcha, Google | Cloudflare | Yandex):
            self._known[captcha.verify_url, captcha.secret_key] = _wanted(captcha)

    def answer(self, request: Request, now: datetime) -> dict[str, object]:
        """What a vendor says, as JSON."""
        given = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        token = given.get("response") or given.get("token") or REFUSED
        if token == REFUSED:
            return {
                "success": False,
                "error-codes": ["invalid-input-response"],
                "status": "failed",
                "message": "Invalid or expired Token.",
            }
        solved = self._known.get((request.url, given.get("secret", "")), _ANY)
        stamp = now.astimezone(UTC).isoformat(timespec="seconds")
        return {"success": True, "challenge_ts": stamp, "status": "ok", "message": "", **solved}


def _wanted(captcha: Google | Cloudflare | Yandex) -> dict[str, object]:
    host = next(iter(captcha.hostnames), ANYWHERE)
    wanted: dict[str, object]
    match captcha:
        case Yandex():
            return {"host": host}
        case Google(min_score=least):
            wanted = {"hostname": host, "score": max(GOOD_SCORE, least or 0.0)}
        case Cloudflare():
            wanted = {"hostname": host}
    return wanted if captcha.action is None else {**wanted, "action": captcha.action}


_ANY: Final[Mapping[str, object]] = {"hostname": ANYWHERE, "host": ANYWHERE, "score": GOOD_SCORE}
