"""Altcha: a proof of work that needs no account and tells nobody about the visitor.

The challenge and the payload are those of version 1 of https://altcha.org: the page looks for the
``number`` whose SHA-256 together with ``salt`` is ``challenge``.
"""

import binascii
import hmac
import json
import re
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import ClassVar, Final

from kaskad_sdk._steps import Asking
from kaskad_sdk.captcha._verdicts import Passed, Refused, Spend, Verdict, is_decent

ALGORITHM: Final = "SHA-256"
SHORTEST_KEY: Final = 16
SHORTEST_SALT: Final = 12

_SALT = re.compile(r"[0-9a-f]{24,128}\?expires=([0-9]{1,11})&").fullmatch
"""The ``&`` keeps the expiry and the number apart: without it a solved challenge could be passed
again with digits of its number moved into a later expiry (CVE-2025-68113)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Altcha:
    """A self-hosted proof of work.

    ``hmac_key`` signs the challenges: at least 16 bytes, the same on every process that makes or
    checks them. ``max_number`` is the most hashes that a page may have to try (half of it on the
    average). A challenge is valid for ``lifetime_s`` seconds and passes once.
    """

    provider: ClassVar[str] = "altcha"

    hmac_key: str | bytes = field(repr=False)
    max_number: int = 50_000
    lifetime_s: int = 300

    def __post_init__(self) -> None:
        """Refuse a key that can be guessed, or a work that is none.

        Raises :class:`ValueError`, or :class:`TypeError` for what is no key at all.
        """
        if not isinstance(self.hmac_key, str | bytes):
            raise TypeError(f"hmac_key is a str or bytes, not {type(self.hmac_key).__name__}")
        if len(self._key) < SHORTEST_KEY:
            raise ValueError(f"hmac_key is at least {SHORTEST_KEY} bytes long")
        if self.max_number < 1 or self.lifetime_s < 1:
            raise ValueError("max_number and lifetime_s are 1 or more")

    @property
    def site_key(self) -> str:
        """Empty: nobody else is involved."""
        return ""

    @property
    def _key(self) -> bytes:
        return self.hmac_key.encode() if isinstance(self.hmac_key, str) else self.hmac_key

    def challenge(self, now: datetime, salt: bytes) -> dict[str, object]:
        """A new challenge for a page, as JSON; ``salt`` is at least 12 random bytes."""
        if len(salt) < SHORTEST_SALT:
            raise ValueError(f"the salt is at least {SHORTEST_SALT} random bytes long")
        expires = int((now + timedelta(seconds=self.lifetime_s)).timestamp())
        salted = f"{salt.hex()}?expires={expires}&"
        challenge = _digest(salted, self._number(salt))
        return {
            "algorithm": ALGORITHM,
            "challenge": challenge,
            "maxnumber": self.max_number,
            "salt": salted,
            "signature": self._signature(challenge),
        }

    def verify(self, token: str, *, address: str, now: datetime) -> Asking[Verdict]:
        """Judge a payload; asks nobody, and does not depend on the address."""
        yield from ()
        payload = _payload(token)
        match payload:
            case {
                "algorithm": "SHA-256",
                "challenge": str(challenge),
                "number": int(number),
                "salt": str(salt),
                "signature": str(signature),
            }:
                return self._judge(challenge, number, salt, signature, now)
            case _:
                return Refused(reason="not a payload")

    def _judge(
        self, challenge: str, number: int, salt: str, signature: str, now: datetime
    ) -> Verdict:
        parts = _SALT(salt)
        if parts is None or not 0 <= number <= self.max_number:
            return Refused(reason="not a solution")
        if _digest(salt, number) != challenge:
            return Refused(reason="a wrong solution")
        given = signature.encode(errors="replace")
        if not hmac.compare_digest(self._signature(challenge).encode(), given):
            return Refused(reason="a challenge of somebody else")
        until = datetime.fromtimestamp(int(parts[1]), UTC)
        if now >= until:
            return Refused(reason="expired")
        return Passed(spend=Spend(key=f"{self.provider}:{challenge}", until=until))

    def _number(self, salt: bytes) -> int:
        drawn = hmac.digest(self._key, b"number" + salt, "sha256")
        return int.from_bytes(drawn) % (self.max_number + 1)

    def _signature(self, challenge: str) -> str:
        return hmac.new(self._key, challenge.encode(), "sha256").hexdigest()


def _digest(salt: str, number: int) -> str:
    return sha256(f"{salt}{number}".encode()).hexdigest()


def _payload(token: str) -> object:
    if not is_decent(token):
        return None
    try:
        return json.loads(b64decode(token, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
