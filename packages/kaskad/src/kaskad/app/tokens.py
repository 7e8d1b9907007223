"""API tokens: their form, and the hash that is kept of them.

A token of ours is ``ksk_``, 160 random bits and their CRC-32, in base 62: a
mistyped one is known without a look-up, and scanners for leaked secrets can
recognise it. Declared tokens may be any string of 20 characters or more.
"""

from hashlib import sha256
from typing import Final
from zlib import crc32

PREFIX: Final = "ksk_"
RANDOM_BYTES: Final = 20
SHORTEST: Final = 20
LONGEST: Final = 512

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_DIGITS: Final = 27  # 62^27 > 2^160
_CHECK_DIGITS: Final = 6  # 62^6 > 2^32


def make(random: bytes) -> str:
    """A token of 20 random bytes."""
    body = _base62(int.from_bytes(random, "big"), _RANDOM_DIGITS)
    return PREFIX + body + _check(body)


def looks_valid(token: str) -> bool:
    """Whether it is worth looking the token up."""
    if not SHORTEST <= len(token) <= LONGEST:
        return False
    if not token.startswith(PREFIX):
        return True
    body, check = token[len(PREFIX) : -_CHECK_DIGITS], token[-_CHECK_DIGITS:]
    return len(body) == _RANDOM_DIGITS and check == _check(body)


def hash_token(token: str) -> bytes:
    """What is kept of a token: SHA-256, enough for 160 random bits."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _check(body: str) -> str:
    return _base62(crc32(body.encode("utf-8", "surrogatepass")), _CHECK_DIGITS)


def _base62(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
