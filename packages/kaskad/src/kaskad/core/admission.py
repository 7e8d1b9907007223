"""How a send comes past the captcha of its widget, and what that costs in limits."""

from datetime import timedelta
from functools import lru_cache

from kaskad.core.effects import Take
from kaskad.core.limits import DAY, Window
from kaskad.core.model import Value


class Free(Value, frozen=True, kw_only=True):
    """Without a captcha, as one of the first ``limit`` sends of an address in a day."""

    limit: int


class Solved(Value, frozen=True, kw_only=True):
    """With one. Its ``token`` passes once, and is worthless by itself after ``span``."""

    token: str = ""
    span: timedelta = DAY


class Waved(Value, frozen=True, kw_only=True):
    """The captcha could not be checked, and the widget lets people pass then."""


Admission = Free | Solved | Waved


@lru_cache(maxsize=64)
def free_windows(limit: int) -> tuple[Window, ...]:
    """The window that sends without a captcha have to fit into."""
    return (Window(limit=limit, span=DAY),)


def free_subject(address: str) -> str:
    """Who is counted for sends without a captcha."""
    return f"free:{address}"


def takes(admission: Admission | None, address: str | None) -> tuple[Take, ...]:
    """What an admission takes; a send that is refused for something else takes nothing."""
    match admission:
        case Free(limit=limit) if address is not None:
            windows = free_windows(limit)
            return (Take(subject=free_subject(address), windows=windows, captcha=True),)
        case Solved(token=token, span=span) if token:
            once = (Window(limit=1, span=span),)
            return (Take(subject=f"captcha:{token}", windows=once, captcha=True),)
        case _:
            return ()
