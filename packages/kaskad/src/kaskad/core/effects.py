"""What a step of the machine leads to: a new session, and things to do with it atomically."""

from datetime import datetime
from typing import NamedTuple

from kaskad.core.errors import KaskadError
from kaskad.core.limits import Window
from kaskad.core.model import Session, Value


class PushJob(Value, frozen=True, kw_only=True):
    """Hand the message of a launch to its provider; worthless after ``expires_at``."""

    session: str
    launch: int
    lane: str
    due_at: datetime
    expires_at: datetime


class DropJob(Value, frozen=True, kw_only=True):
    """Forget the job of a launch, if it is still there."""

    session: str
    launch: int


class Take(Value, frozen=True, kw_only=True):
    """Count one hit on ``subject``; with ``refuse`` only if every window has room.

    A ``weightless`` one asks for room without taking it. With ``captcha`` there
    is a way around a full window: a captcha.
    """

    subject: str
    windows: tuple[Window, ...]
    refuse: bool = True
    weightless: bool = False
    captcha: bool = False


Effect = PushJob | DropJob | Take

Answer = bool | KaskadError | None


class Step(NamedTuple):
    """What an input led to.

    ``session`` is the very object that went in when nothing changed. ``answer``
    is for whoever gave the input, ``note`` for the timeline.
    """

    session: Session
    effects: tuple[Effect, ...] = ()
    answer: Answer = None
    note: str = ""
