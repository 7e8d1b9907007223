"""People in front of a page: impatient, clumsy, and sometimes in two windows at once."""

from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, Protocol, TypeVar

from kaskad.app.timing import sleep
from kaskad.app.verification import SendWish, Verifications
from kaskad.core.errors import (
    KaskadError,
    NoAvailableChannelsException,
    RateLimitException,
    SessionNotFoundException,
    WidgetIsBlockedException,
)
from kaskad.core.model import ReportKind
from kaskad.testing import FakeClock
from packages.kaskad.tests.builders import api_token
from packages.kaskad.tests.simulation.carriers import Carriers
from packages.kaskad.tests.simulation.ledger import Ledger
from packages.kaskad.tests.simulation.story import Story, chance

T = TypeVar("T")

CALLER = api_token()
ACTS = {
    "type": 30,
    "type_wrong": 14,
    "type_twice": 4,
    "resend": 12,
    "another_way": 6,
    "look": 12,
    "poll": 14,
    "status": 8,
    "push": 8,
    "cancel": 1,
    "collect": 5,
}


class LostError(Exception):
    """The service ended before it answered."""


class Service(Protocol):
    """What people need of the town."""

    clock: FakeClock
    carriers: Carriers
    ledger: Ledger
    story: Story

    async def call(self, work: Callable[[Verifications], Coroutine[Any, Any, T]]) -> T:
        """Ask the service; raises :class:`LostError` when it ends meanwhile."""

    async def together(self, *doings: Coroutine[Any, Any, T]) -> list[T]:
        """Do several things at once, as people, whom the end of the service does not end."""


class Person:
    """One visit: a send and what follows from it."""

    def __init__(self, town: Service, seed: int, number: int, widgets: list[str]) -> None:
        self._town = town
        self._dice = chance(seed, "person", number)
        self._widget = self._dice.choice(widgets)
        some = self._dice.randrange(10_000)
        foreign = self._dice.random() < 0.1
        self._phone = f"+7701{some:07}" if foreign else f"+7900{some:07}"
        self._session = ""

    async def live(self, arrives_within_s: float) -> None:
        """Come, try, and leave."""
        await sleep(self._town.clock, self._dice.uniform(0, arrives_within_s))
        if not await self._send():
            return
        windows = 2 if self._dice.random() < 0.3 else 1
        chances = [Random(self._dice.getrandbits(64)) for _ in range(windows)]
        await self._town.together(*(self._sit(dice) for dice in chances))
        if self._dice.random() < 0.9:
            await self._collect(self._dice)

    async def _send(self) -> bool:
        wish = SendWish(widget_id=self._widget, recipient=self._phone)
        try:
            sent = await self._town.call(lambda calls: calls.send(CALLER, wish))
        except (NoAvailableChannelsException, RateLimitException, WidgetIsBlockedException):
            return False
        except LostError:
            return False
        self._session = sent.request_id
        return True

    async def _sit(self, dice: Random) -> None:
        """Do something every few seconds until it works or is not worth it any more."""
        seen, until = 0, dice.expovariate(1 / 150)
        began = self._town.clock.now()
        while (self._town.clock.now() - began).total_seconds() < until:
            await sleep(self._town.clock, dice.expovariate(1 / 9))
            act = dice.choices(list(ACTS), list(ACTS.values()))[0]
            try:
                answer: object = await self._do(act, dice, seen)
            except SessionNotFoundException:
                self._tell(f"{act}: gone")
                return
            except (KaskadError, LostError) as refusal:
                answer = type(refusal).__name__
            if isinstance(answer, int) and not isinstance(answer, bool):
                seen = answer
            self._tell(f"{act}: {answer}")

    def _tell(self, what: str) -> None:
        self._town.story.tell(self._town.ledger.name(self._session), what)

    def _do(self, act: str, dice: Random, seen: int) -> Awaitable[object]:
        call, session = self._town.call, self._session
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "type": lambda: self._type(self._read(dice)),
            "type_wrong": lambda: self._type(f"{dice.randrange(10**6):06}"),
            "type_twice": lambda: self._type_twice(self._read(dice)),
            "resend": lambda: self._resend(another_way=False),
            "another_way": lambda: self._resend(another_way=True),
            "look": lambda: self._look(seen),
            "poll": lambda: self._poll(seen if dice.random() < 0.7 else None, seen),
            "status": lambda: call(lambda calls: calls.status(CALLER, session, self._phone, None)),
            "push": lambda: self._push(dice),
            "cancel": lambda: call(lambda calls: calls.cancel(CALLER, session)),
            "collect": lambda: self._collect(dice),
        }
        return ways[act]()

    # --- with the phone in the hand

    def _read(self, dice: Random) -> str:
        """Mostly the newest code on the phone, whatever session it belongs to."""
        codes = [m.code for m in self._town.carriers.phones.get(self._phone, []) if m.code]
        if not codes:
            return "000000"
        return codes[-1] if dice.random() < 0.8 else dice.choice(codes)

    async def _type(self, code: str) -> bool:
        return await self._town.call(lambda calls: calls.check_code(CALLER, self._session, code))

    async def _type_twice(self, code: str) -> list[str]:
        """A browser fills the field in and sends it, and so does the person."""
        return await self._town.together(self._try(code), self._try(code))

    async def _try(self, code: str) -> str:
        try:
            return str(await self._type(code))
        except (KaskadError, LostError) as refusal:
            return type(refusal).__name__

    async def _push(self, dice: Random) -> bool:
        pushes = [m for m in self._town.carriers.phones.get(self._phone, []) if m.code is None]
        if not pushes:
            return False
        push = dice.choice(pushes)
        kind = ReportKind.DECLINED if dice.random() < 0.2 else ReportKind.CONFIRMED
        return self._town.carriers.report(push.session, push.launch, kind)

    # --- on the page

    async def _resend(self, *, another_way: bool) -> bool:
        return await self._town.call(
            lambda calls: calls.resend(CALLER, self._session, another_way=another_way)
        )

    async def _look(self, seen: int) -> int:
        answer = await self._town.call(lambda calls: calls.channel(CALLER, self._session))
        return self._town.ledger.saw(answer, seen)

    async def _poll(self, since: int | None, seen: int) -> int:
        answer = await self._town.call(
            lambda calls: calls.poll_channel(CALLER, self._session, since, _stays)
        )
        return self._town.ledger.saw(answer, seen)

    # --- and the back end behind it

    async def _collect(self, dice: Random) -> bool:
        """Several workers of the back end ask for the verdict at the same time."""
        callers = dice.choice([1, 1, 2, 4])
        answers = await self._town.together(
            *(self._ask_verdict(dice.random() < 0.5) for _ in range(callers))
        )
        return True in answers

    async def _ask_verdict(self, strictly: bool) -> bool | None:
        session, phone = self._session, self._phone
        answer: bool | None
        try:
            if strictly:
                answer = await self._town.call(
                    lambda calls: calls.check_and_complete(CALLER, session, phone, None)
                )
            else:
                answer = await self._town.call(lambda calls: calls.complete(CALLER, session, None))
        except KaskadError:
            answer = False
        except LostError:
            answer = None
        self._town.ledger.collected(session, answer)
        return answer


class _Nothing:
    def cancel(self) -> None:
        """Nobody looks out."""


def _stays(_: Callable[[], None]) -> _Nothing:
    """A client that never leaves."""
    return _Nothing()
