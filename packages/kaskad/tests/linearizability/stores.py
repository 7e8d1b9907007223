"""Stores between whose steps anything may happen, and some that lose what they must keep."""

import asyncio
from random import Random

from msgspec.structs import replace

from kaskad.app.ports import Change, Committed, Conflict, Store, Verdict
from kaskad.core.model import Session, State
from packages.kaskad.tests.app.faulty import FaultyStore


class Restless(FaultyStore):
    """Lets others go first, as a seed wants it, before and after each step."""

    def __init__(self, inner: Store, dice: Random) -> None:
        super().__init__(inner)
        self.dice = dice
        self.lost_races = 0

    async def _let_others(self) -> None:
        for _ in range(self.dice.randrange(4)):
            await asyncio.sleep(0)

    async def load(self, session_id: str) -> Session | None:
        await self._let_others()
        found = await super().load(session_id)
        await self._let_others()
        return found

    async def commit(self, change: Change) -> Verdict:
        await self._let_others()
        verdict = await super().commit(change)
        self.lost_races += isinstance(verdict, Conflict)
        await self._let_others()
        return verdict


class Careless(Restless):
    """Stores whatever comes, whatever it was decided on."""

    async def commit(self, change: Change) -> Verdict:
        await self._let_others()
        known = await self.inner.load(change.session.id)
        expected = known.version if known and change.expected else change.expected
        return await self.inner.commit(replace(change, expected=expected))


class Forgetful(Restless):
    """Remembers, now and then, what was."""

    def __init__(self, inner: Store, dice: Random) -> None:
        super().__init__(inner, dice)
        self._once: dict[str, Session] = {}

    async def load(self, session_id: str) -> Session | None:
        found = await super().load(session_id)
        if found is None or found.state is State.WAIT:  # what is past its deadline gives it away
            return found
        before = self._once.setdefault(session_id, found)
        return before if self.dice.random() < 0.4 else found


class Hasty(Restless):
    """Says that it is done before it is."""

    def __init__(self, inner: Store, dice: Random) -> None:
        super().__init__(inner, dice)
        self._tasks: set[asyncio.Task[Verdict]] = set()

    async def commit(self, change: Change) -> Verdict:
        if change.expected == 0:
            return await super().commit(change)
        task = asyncio.create_task(super().commit(change))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Committed()
