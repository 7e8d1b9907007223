"""Encryption of single values at rest, each bound to the place where it is kept.

AES-256-GCM with a random nonce. The place (table, column, row, tenant) is the
associated data: a ciphertext that somebody moves elsewhere does not decrypt.
Keys are derived from the server's secret keys; the first one seals, all of
them open.
"""

import hmac
import json
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kaskad.app.ports import Entropy
from kaskad.core.model import Value

_VERSION = b"\x01"
_KEY_ID, _NONCE, _KEY = 8, 12, 32
_HEADER = len(_VERSION) + _KEY_ID + _NONCE


class SealError(Exception):
    """A value does not open: its key is not configured, or it was tampered with."""


class Place(Value, frozen=True, kw_only=True):
    """Where a sealed value is kept."""

    table: str
    column: str
    row: str
    tenant: str

    def associated(self) -> bytes:
        """The place, unambiguously, as bytes."""
        return json.dumps([self.table, self.column, self.row, self.tenant]).encode()


class Sealer:
    """Seals, opens and indexes values with keys derived from the server's."""

    __slots__ = ("_ciphers", "_current", "_entropy", "_index")

    def __init__(self, keys: Sequence[bytes], entropy: Entropy) -> None:
        self._entropy = entropy
        self._ciphers = {
            _derive(key, "key id", _KEY_ID): AESGCM(_derive(key, "seal", _KEY)) for key in keys
        }
        self._current = next(iter(self._ciphers))
        self._index = _derive(keys[0], "index", _KEY)

    def __repr__(self) -> str:
        return f"Sealer(current={self._current.hex()}, keys={len(self._ciphers)})"

    def seal(self, plain: bytes, place: Place) -> bytes:
        """The value for this place: version, key id, nonce, ciphertext with its tag."""
        nonce = self._entropy.token(_NONCE)
        cipher = self._ciphers[self._current]
        header = _VERSION + self._current
        return header + nonce + cipher.encrypt(nonce, plain, header + place.associated())

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The value that was sealed for this place; :class:`SealError` otherwise."""
        header, nonce = sealed[: _HEADER - _NONCE], sealed[_HEADER - _NONCE : _HEADER]
        cipher = self._ciphers.get(header[len(_VERSION) :])
        if cipher is None or header[: len(_VERSION)] != _VERSION:
            message = "it was sealed with a key that is not configured"
            raise SealError(message)
        try:
            return cipher.decrypt(nonce, sealed[_HEADER:], header + place.associated())
        except (InvalidTag, ValueError):
            message = "it has been changed or moved"
            raise SealError(message) from None

    def index(self, purpose: str, *parts: str) -> bytes:
        """A keyed hash to find a value by, without telling what it is."""
        return hmac.digest(self._index, json.dumps([purpose, *parts]).encode(), "sha256")


def _derive(key: bytes, purpose: str, length: int) -> bytes:
    info = f"kaskad catalogue {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)
