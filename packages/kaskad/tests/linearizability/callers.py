"""Callers of one session, all at the same time, and what each of them saw."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random

from kaskad.app.inbox import Inbox
from kaskad.app.verification import SendWish, Verifications
from kaskad.core.errors import KaskadError
from kaskad.core.inputs import Accepted
from kaskad.core.model import WidgetLimits
from kaskad.core.view import View
from kaskad.drivers.registry import DriverSet
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests.builders import (
    WIDGET_ID,
    api_token,
    channel,
    code_of,
    snapshot,
)
from packages.kaskad.tests.linearizability.checker import Operation
from packages.kaskad.tests.linearizability.sequential import (
    ATTEMPTS,
    CALLS,
    CANCEL,
    CHECK_AND_COMPLETE,
    COMPLETE,
    REMAINING,
    RESEND,
    RIGHT,
    WRONG,
)
from packages.kaskad.tests.linearizability.stores import Restless
from packages.kaskad.tests.running.node import Node

CALLER = api_token()
LIKELY = (6, 30, 12, 12, 8, 16, 1)
LEAVES = 0.06


class Callers:
    """One service, and for each history a session of its own."""

    def __init__(self, store: Restless, clock: FakeClock, dice: Random) -> None:
        made = channel("sms", number_of_tries=20, number_of_restart=5, lifetime_s=300)
        limits = WidgetLimits(code_attempts_per_session=ATTEMPTS)
        catalog, entropy = FixedCatalog(snapshot(made, limits=limits)), FakeEntropy()
        self._clock, self._dice = clock, dice
        self._node = Node(
            store,
            clock=clock,
            catalog=catalog,
            drivers=DriverSet(
                catalog=catalog,
                inbox=Inbox(),
                reports=lambda *_: None,
                clock=clock,
                entropy=entropy,
            ),
            entropy=entropy,
            telemetry=Metrics(),
        )
        self._numbers = count(1)
        self._instants = count(1)
        self._phone = self._session = self._code = ""

    @property
    def _calls(self) -> Verifications:
        return self._node.calls

    async def history(self, callers: int, calls: int) -> list[Operation]:
        """What so many callers saw who made so many calls each."""
        await self._begin()
        seen: list[Operation] = []
        hurried = self._dice.choice([0.0, 1.0, 4.0])
        await asyncio.gather(
            *(self._call_often(number, calls, hurried, seen) for number in range(callers))
        )
        return sorted(seen, key=lambda operation: operation.invoked)

    async def _begin(self) -> None:
        """A session whose message is out and whose cooldown is over: no time passes from here."""
        self._phone = f"+7900{next(self._numbers):07}"
        wish = SendWish(widget_id=WIDGET_ID, recipient=self._phone)
        self._session = (await self._calls.send(CALLER, wish)).request_id
        step = await self._node.engine.apply(self._session, Accepted(launch=1))
        assert step is not None
        self._code = code_of(step.session)
        await self._clock.advance(30)

    async def _call_often(
        self, caller: int, calls: int, hurried: float, seen: list[Operation]
    ) -> None:
        for _ in range(calls):
            for _ in range(self._dice.randrange(6)):
                await asyncio.sleep(0)
            call = self._dice.choices(CALLS, LIKELY)[0]
            operation = Operation(caller, call, next(self._instants))
            task = asyncio.create_task(self._ask(call))
            if self._dice.random() < LEAVES * hurried:
                await self._leave(task)
            try:
                answer = await task
            except asyncio.CancelledError:
                seen.append(operation)
            else:
                seen.append(operation._replace(returned=next(self._instants), answer=answer))

    async def _leave(self, task: asyncio.Task[object]) -> None:
        """A caller whose connection breaks: nobody knows how far the call has come."""
        for _ in range(self._dice.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()

    async def _ask(self, call: str) -> object:
        session = self._session
        calls, typed = self._calls, self._code if call == RIGHT else f"not {self._code}"
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            RIGHT: lambda: calls.check_code(CALLER, session, typed),
            WRONG: lambda: calls.check_code(CALLER, session, typed),
            COMPLETE: lambda: calls.complete(CALLER, session, None),
            CHECK_AND_COMPLETE: lambda: calls.check_and_complete(
                CALLER, session, self._phone, None
            ),
            RESEND: lambda: calls.resend(CALLER, session, another_way=False),
            CANCEL: lambda: calls.cancel(CALLER, session),
            REMAINING: self._remaining,
        }
        try:
            return await ways[call]()
        except KaskadError as refusal:
            return refusal.type

    async def _remaining(self) -> object:
        answer = await self._calls.channel(CALLER, self._session)
        if isinstance(answer.view, View):
            return answer.view.remaining_code_attempts
        return answer.view.type
