"""The machine's clock and chance: the one place of the SDK that touches them."""

import random
import secrets
import time
import uuid
from datetime import UTC, datetime


def monotonic() -> float:
    """Seconds of a clock that nobody sets."""
    return time.monotonic()


def now() -> datetime:
    """The time of day, aware, in UTC."""
    return datetime.now(UTC)


def jitter() -> float:
    """A number in [0, 1), so that clients do not come back all at once."""
    return random.random()  # noqa: S311  # nobody gains from guessing it


def new_number(below: int) -> int:
    """A number that nobody can guess."""
    return secrets.randbelow(below)


def new_bytes(size: int) -> bytes:
    """Bytes that nobody can guess."""
    return secrets.token_bytes(size)


def new_id() -> str:
    """A UUID that nobody has had."""
    return str(uuid.uuid4())
