"""Codes are derived, not stored: the digits follow from a key, a session and a number.

``HMAC-SHA-256(key, session id, code number, length)`` is taken as a 256-bit
integer modulo the size of the set that codes are drawn from. With at most
10^10 codes the bias of the modulo is below 2^-222.
"""

import hmac
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, sha256

from kaskad.core.model import Code

SHORTEST, LONGEST = 4, 10
FULL_STRENGTH = 10**6
WEAK = 10**4
CAPPED_TRIES = 3

_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"


class Keyring:
    """The server's keys by id; the first one makes new codes, all of them check."""

    __slots__ = ("_keys", "_lookup_key", "current")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {sha256(b"kaskad-key-id" + key).hexdigest()[:8]: key for key in keys}
        self.current = next(iter(self._keys))
        self._lookup_key = sha256(b"kaskad-look-ups" + self._keys[self.current]).digest()

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    def key(self, key_id: str) -> bytes | None:
        """The key of that id, or ``None`` when it has been taken out of rotation."""
        return self._keys.get(key_id)

    def mac(self, purpose: str, *parts: str) -> bytes:
        """A keyed hash under the current key, for look-ups that must not be reversible."""
        text = "\x1f".join((purpose, *parts)).encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._lookup_key, digest_size=16).digest()


def _mac(key: bytes, *parts: str) -> bytes:
    return hmac.digest(key, "\x1f".join(parts).encode("utf-8", "surrogatepass"), "sha256")


def set_size(length: int, *, beautify: bool) -> int:
    """How many different codes there are."""
    return len(_readable(length)) if beautify else 10**length


def allowed_tries(tries: int, length: int, *, beautify: bool) -> int:
    """The tries that a set of codes deserves: small sets get at most three."""
    small = set_size(length, beautify=beautify) < FULL_STRENGTH
    return min(tries, CAPPED_TRIES) if small else tries


@lru_cache(maxsize=7)
def _readable(length: int) -> tuple[str, ...]:
    """Codes that a person reads at one glance: a half and its repetition or its mirror."""
    half = (length + 1) // 2
    found = set()
    for value in range(10**half):
        head = f"{value:0{half}}"
        found.add((head + head)[:length])
        found.add(head + head[: length - half][::-1])
    return tuple(sorted(found))


def digits(code: Code, session_id: str, keyring: Keyring) -> str | None:
    """The digits of a derived code; ``None`` when its key is gone or it is not derived."""
    key = keyring.key(code.key_id)
    if key is None or code.digest is not None:
        return None
    drawn = _mac(key, "code", session_id, str(code.number), str(code.length))
    value = int.from_bytes(drawn, "big")
    if code.beautify:
        readable = _readable(code.length)
        return readable[value % len(readable)]
    return f"{value % 10**code.length:0{code.length}}"


def digest(typed: str, session_id: str, keyring: Keyring, key_id: str) -> bytes | None:
    """What is kept of a code that is not ours to derive."""
    key = keyring.key(key_id)
    return None if key is None else _mac(key, "chosen", session_id, typed)


def clean(typed: str) -> str:
    """What a person meant: without spaces and dashes, digits of any script as ASCII."""
    kept = (c for c in typed if not c.isspace() and c not in _DASHES)
    return "".join(str(int(c)) if c.isdecimal() else c for c in kept)


def matches(typed: str, code: Code, session_id: str, keyring: Keyring) -> bool:
    """Whether ``typed`` is this code; takes the same time wherever they differ."""
    cleaned = clean(typed)
    if code.digest is not None:
        given = digest(cleaned, session_id, keyring, code.key_id)
        return given is not None and hmac.compare_digest(given, code.digest)
    expected = digits(code, session_id, keyring)
    if expected is None:
        return False
    return hmac.compare_digest(cleaned.encode("utf-8", "surrogatepass"), expected.encode())
