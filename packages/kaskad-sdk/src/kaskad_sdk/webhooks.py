"""Signing and verifying of webhooks, after Standard Webhooks 1.0.

The service sends no webhooks yet: today this is for messages between programs of your own, say from
the back end that collects a verdict to the one that acts on it. What the service will send one day
will be signed in this way.

A message has an id, the time of its sending, and a body; the signature covers all three. Verify
the body as it came, byte for byte, before you parse it, and act on each id once: a message that
was not acknowledged comes again under the same id.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from kaskad_sdk import _system

PREFIX: Final = "whsec_"
VERSION: Final = "v1"
TOLERANCE_S: Final = 300.0
SHORTEST_SECRET: Final = 24
LONGEST_SECRET: Final = 64

__all__ = ["Webhook", "WebhookMessage", "WebhookVerificationError", "new_secret"]


class WebhookVerificationError(Exception):
    """The message is not from whom it claims to be, or too old: answer 400 and do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """A message whose signature is right."""

    id: str
    """The same for every attempt to deliver it."""
    timestamp: datetime
    """When this attempt was made; aware, in UTC."""
    body: bytes

    def json(self) -> object:
        """The body as JSON; ``ValueError`` when it is none."""
        return json.loads(self.body)


class Webhook:
    """Signs and verifies with one or more secrets.

    ``secrets`` are the sender's, ``whsec_`` and 24 to 64 bytes in base64. While they rotate there
    are two: a message is signed with all of them, and verified when one fits. ``tolerance_s`` is
    how many seconds a message's time may be away from ours, in either direction.
    """

    def __init__(self, *secrets: str, tolerance_s: float = TOLERANCE_S) -> None:
        if not secrets:
            raise ValueError("a webhook needs a secret")
        if not tolerance_s > 0:
            raise ValueError("tolerance_s is more than 0")
        self._keys = [_key(secret) for secret in secrets]
        self._tolerance_s = tolerance_s

    def __repr__(self) -> str:
        return f"Webhook({len(self._keys)} secrets)"

    def sign(self, message_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
        """The headers that go with a message. The id must not contain a full stop."""
        if not message_id or "." in message_id or not message_id.isascii():
            raise ValueError("a message's id is ASCII text without a full stop")
        if timestamp.tzinfo is None:
            raise ValueError("a message's time is aware")
        at = str(int(timestamp.timestamp()))
        signed = [f"{VERSION},{_signature(key, message_id, at, body)}" for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": at,
            "webhook-signature": " ".join(signed),
        }

    def verify(
        self, body: bytes, headers: Mapping[str, str], *, now: datetime | None = None
    ) -> WebhookMessage:
        """The message, if it is genuine and its time is near ``now``, which is the machine's.

        The names of ``headers`` may be in any case. Raises :class:`WebhookVerificationError`;
        :class:`TypeError` for a body that is text: what was signed are the bytes as they came.
        """
        if not isinstance(body, bytes | bytearray | memoryview):
            raise TypeError(f"a webhook's body is bytes, not {type(body).__name__}")
        given = {name.lower(): text for name, text in headers.items()}
        message_id = given.get("webhook-id", "")
        at, signatures = given.get("webhook-timestamp", ""), given.get("webhook-signature", "")
        if not message_id or not at or not signatures:
            raise WebhookVerificationError("a header is missing")
        timestamp = self._near(at, now or _system.now())
        if not self._fits(signatures.split(" "), message_id, at, body):
            raise WebhookVerificationError("no signature fits")
        return WebhookMessage(id=message_id, timestamp=timestamp, body=body)

    def _near(self, at: str, now: datetime) -> datetime:
        if not re.fullmatch(r"[0-9]{1,11}", at):
            raise WebhookVerificationError("the time is not one")
        timestamp = datetime.fromtimestamp(int(at), UTC)
        if abs((now - timestamp).total_seconds()) > self._tolerance_s:
            raise WebhookVerificationError("the time is too far away")
        return timestamp

    def _fits(self, signatures: Sequence[str], message_id: str, at: str, body: bytes) -> bool:
        given = [text.partition(",") for text in signatures]
        told = [x.encode("utf-8", "replace") for version, _, x in given if version == VERSION]
        ours = [_signature(key, message_id, at, body).encode() for key in self._keys]
        return any(hmac.compare_digest(own, other) for own in ours for other in told)


def new_secret() -> str:
    """A secret that nobody else has, of 32 bytes."""
    return PREFIX + base64.b64encode(_system.new_bytes(32)).decode()


def _key(secret: object) -> bytes:
    if not isinstance(secret, str):
        raise TypeError(f"a webhook secret is a str, not {type(secret).__name__}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise ValueError("a webhook secret is whsec_ and 24 to 64 bytes in base64")
    return key


def _signature(key: bytes, message_id: str, at: str, body: bytes) -> str:
    content = b".".join([message_id.encode("utf-8", "replace"), at.encode(), body])
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()
