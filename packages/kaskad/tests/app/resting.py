"""Two widgets on one account, one of which has another way: the stage on which it rests."""

from kaskad.app.breaker import FAILURES_TO_REST
from kaskad.app.courier import RESTING
from kaskad.app.ports import Unknown
from kaskad.core.model import Session
from packages.kaskad.tests.app.world import World
from packages.kaskad.tests.builders import WIDGET_ID, channel, snapshot, widget
from packages.kaskad.tests.logs import Logged

SMS, VOICE = "sms-provider", "voice-provider"
LANE = f"default/{SMS}"
LONELY = "223634df-ddfe-4dda-b31d-f3b4e75fc5dc"
RESET = Unknown(reason="reset")

WIDGETS = (widget(channel("sms"), channel("voice")), widget(channel("sms"), id=LONELY))
TWO = snapshot(channel("sms"), channel("voice"), widgets=WIDGETS)
"""A widget with two channels on two accounts, and one that has only the first of them."""


def number(n: int) -> str:
    return f"+7900{n:07}"


async def begin(world: World, n: int = 0, *, widget_id: str = WIDGET_ID) -> Session:
    """A person comes; everything happens that takes no time."""
    session = await world.send(number(n), widget_id=widget_id)
    await world.clock.advance()
    return await world.now(session)


async def fail(world: World, times: int = FAILURES_TO_REST) -> None:
    """Messages of people who have no other way, and to whom the provider has no good answer."""
    for n in range(times):
        await begin(world, 9_000_000 + n, widget_id=LONELY)


def rests(world: World, lane: str = LANE) -> bool:
    return world.figure("provider_resting", provider=lane) == 1


def passed_on(session: Session) -> bool:
    """Whether it went on to the next channel at once, because its provider rests."""
    return ("errored", RESTING) in [(e.input, e.reason) for e in session.timeline]


def told(logged: Logged, event: str) -> list[dict[str, object]]:
    return [dict(entry) for entry in logged if entry["event"] == event]
