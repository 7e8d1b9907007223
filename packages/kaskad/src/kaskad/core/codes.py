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

_SIZES = tuple(10**length for length in range(LONGEST + 1))
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2212"


class Mac:
    """HMAC-SHA-256 (RFC 2104) under one key.

    ``hmac.digest`` looks its hash up and hashes the key's two pads every time;
    here they are hashed once, and what follows is hashed on a copy.
    """

    __slots__ = ("_inner", "_outer")

    _BLOCK = 64

    def __init__(self, key: bytes) -> None:
        whole = sha256(key).digest() if len(key) > self._BLOCK else key
        padded = whole.ljust(self._BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def __call__(self, text: str) -> bytes:
        """The authentication code of a text, 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.digest()


class Keyring:
    """The server's keys by id; the first one makes new codes, all of them check."""

    __slots__ = ("_keys", "_lookup_key", "current")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {sha256(b"kaskad-key-id" + key).hexdigest()[:8]: Mac(key) for key in keys}
        self.current = next(iter(self._keys))
        self._lookup_key = sha256(b"kaskad-look-ups" + keys[0]).digest()

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"

    def key(self, key_id: str) -> Mac | None:
        """The key of that id, ready to use, or ``None`` when it has been taken out of rotation."""
        return self._keys.get(key_id)

    def mac(self, purpose: str, *parts: str) -> bytes:
        """A keyed hash under the current key, for look-ups that must not be reversible."""
        text = "\x1f".join((purpose, *parts)).encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._lookup_key, digest_size=16).digest()


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
    drawn = key(f"code\x1f{session_id}\x1f{code.number}\x1f{code.length}")
    value = int.from_bytes(drawn, "big")
    if code.beautify:
        readable = _readable(code.length)
        return readable[value % len(readable)]
    return str(value % _SIZES[code.length]).zfill(code.length)


def digest(typed: str, session_id: str, keyring: Keyring, key_id: str) -> bytes | None:
    """What is kept of a code that is not ours to derive."""
    key = keyring.key(key_id)
    return None if key is None else key(f"chosen\x1f{session_id}\x1f{typed}")


def clean(typed: str) -> str:
    """What a person meant: without spaces and dashes, digits of any script as ASCII."""
    if typed.isascii() and typed.isdigit():
        return typed
    kept = (c for c in typed if not c.isspace() and c not in _DASHES)
    return "".join(str(int(c)) if c.isdecimal() else c for c in kept)


def is_code(text: str) -> bool:
    """Whether a person could type this: 4 to 10 digits, once it is cleaned."""
    cleaned = clean(text)
    return SHORTEST <= len(cleaned) <= LONGEST and cleaned.isdecimal()


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
