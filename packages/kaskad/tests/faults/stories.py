"""What one person and one back end do, step by step; each story can be gone on with after a death.

A step that was answered is never made again. One that was under way at the
death is made again as a client would: the same call, with the same key.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kaskad.app.ports import Snapshot
from kaskad.app.reports import Reports
from kaskad.core.model import ReportKind, Session, State, WidgetLimits
from packages.kaskad.tests import builders
from packages.kaskad.tests.builders import NUMBER, WIDGET_ID, channel, code_of
from packages.kaskad.tests.core.scene import WRONG
from packages.kaskad.tests.faults.life import Life
from packages.kaskad.tests.http.client import Answer

SENDS_AN_HOUR = 5
REPORTED_WITHIN_S = 7.0
AWAY = "ServiceUnavailableException"


@dataclass
class Person:
    """Who is verified, and what the back end knows of it."""

    number: str = NUMBER
    request_id: str = ""
    said: dict[int, Any] = field(default_factory=dict)


Step = Callable[[Life, Person, str], Awaitable[object]]


async def send(life: Life, person: Person, label: str, key: str = "the-send") -> object:
    body = {"widgetId": WIDGET_ID, "recipient": person.number}
    answer = await life.call("POST", "/", body, label=label, key=key)
    if answer.status == 201:
        person.request_id = answer.json["requestId"]
        return True
    return answer.outcome


async def waits(life: Life, person: Person, _: str) -> object:
    """Long enough for a message to come."""
    await life.clock.advance(0.5)
    return AWAY if (await session_of(life, person)).state is State.WAIT else None


async def waits_for_timeout(life: Life, *_: object) -> object:
    await life.clock.advance(10)
    return None


async def waits_for_cooldown(life: Life, *_: object) -> object:
    await life.clock.advance(31)
    return None


async def looks(life: Life, person: Person, label: str) -> object:
    answer = await life.call("GET", f"/{person.request_id}/channel", label=label)
    return int((answer.header("etag") or "").strip('"'))


async def session_of(life: Life, person: Person) -> Session:
    session = await life.store.load(person.request_id)
    assert session is not None
    return session


async def _check(life: Life, person: Person, code: str, label: str) -> object:
    path = f"/{person.request_id}/checkCode"
    answer: Answer = await life.call("POST", path, {"code": code}, label=label)
    return answer.outcome


async def guesses(life: Life, person: Person, label: str) -> object:
    return await _check(life, person, WRONG, label)


async def types(life: Life, person: Person, label: str) -> object:
    return await _check(life, person, code_of(await session_of(life, person)), label)


async def resends(life: Life, person: Person, label: str) -> object:
    path = f"/{person.request_id}/resend"
    return (await life.call("POST", path, label=label, key="the-resend")).outcome


async def confirms(life: Life, person: Person, _: str) -> object:
    """The person answers the push; the provider reports it, again if nobody took the report."""
    reports = Reports(life.service.engine)
    reports.receive(person.request_id, 1, ReportKind.CONFIRMED, "")
    await life.clock.advance(REPORTED_WITHIN_S)
    return None if (await session_of(life, person)).confirmed_at else AWAY


async def is_lost(life: Life, person: Person, _: str) -> object:
    """The first message did not arrive, says the provider."""
    reports = Reports(life.service.engine)
    reports.receive(person.request_id, 1, ReportKind.UNDELIVERED, "")
    await life.clock.advance(REPORTED_WITHIN_S)
    return None if len((await session_of(life, person)).launches) > 1 else AWAY


async def cancels(life: Life, person: Person, label: str) -> object:
    return (await life.call("POST", f"/{person.request_id}/cancel", label=label)).outcome


async def collects(life: Life, person: Person, label: str) -> object:
    query = f"?recipient=%2B{person.number[1:]}"
    path = f"/{person.request_id}/checkStatusAndComplete{query}"
    return (await life.call("POST", path, label=label)).outcome


async def completes(life: Life, person: Person, label: str) -> object:
    return (await life.call("POST", f"/{person.request_id}/complete", label=label)).outcome


@dataclass(frozen=True)
class Story:
    """Steps, and the configuration they happen in."""

    snapshot: Snapshot
    steps: Sequence[Step]
    sends: int
    """How many launches somebody asked for."""
    collected: bool = True
    """Whether the back end gets a verdict."""


def _snapshot(*kinds: str, **outcomes: dict[str, object]) -> Snapshot:
    limits = WidgetLimits(
        per_recipient_per_minute=SENDS_AN_HOUR, per_recipient_per_hour=SENDS_AN_HOUR
    )
    accounts = {f"{kind}-provider": settings for kind, settings in outcomes.items()}
    made = tuple(channel(kind, number_of_tries=5) for kind in kinds)
    return builders.snapshot(*made, providers=accounts, limits=limits)


STORIES = {
    "code": Story(
        _snapshot("sms"),
        (
            *(send, looks, waits, looks, guesses),
            *(waits_for_cooldown, resends, waits, guesses),
            *(types, collects, completes),
        ),
        sends=2,
    ),
    "cascade": Story(
        _snapshot("sms", "voice"),
        (send, waits, guesses, is_lost, looks, waits, looks, types, completes, completes),
        sends=1,
    ),
    "refused": Story(
        _snapshot("sms", "voice", sms={"outcome": "reject", "delay": 0.2}),
        (send, waits, looks, guesses, waits_for_cooldown, resends, waits, types, collects),
        sends=2,
    ),
    "hung": Story(
        _snapshot("sms", "voice", sms={"outcome": "hang"}),
        (send, waits_for_timeout, waits, looks, guesses, types, collects, completes),
        sends=1,
    ),
    "given up": Story(
        _snapshot("sms"),
        (send, waits, guesses, cancels, completes),
        sends=1,
        collected=False,
    ),
    "push": Story(
        _snapshot("sim_push", sim_push={"outcome": "confirm", "delay": 3600}),
        (send, waits, looks, confirms, looks, completes, collects),
        sends=1,
    ),
}
