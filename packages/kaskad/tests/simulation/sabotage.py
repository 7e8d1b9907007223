"""Stores with a defect, to show that a town notices."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from kaskad.app.ports import Change, Claim, Committed, Verdict
from kaskad.core.effects import DropJob, Take
from kaskad.core.model import State
from kaskad.testing import settle
from packages.kaskad.tests.app.faulty import FaultyStore


class Overwriting(FaultyStore):
    """Whoever comes last wins, on whatever it was decided."""

    async def commit(self, change: Change) -> Verdict:
        await settle(3)
        known = await self.inner.load(change.session.id)
        return await self.inner.commit(replace(change, expected=known.version if known else 0))


class Clinging(FaultyStore):
    """Jobs are never dropped."""

    async def commit(self, change: Change) -> Verdict:
        kept = tuple(e for e in change.effects if not isinstance(e, DropJob))
        return await self.inner.commit(replace(change, effects=kept))


class Boasting(FaultyStore):
    """A confirmation is acknowledged, and not kept."""

    async def commit(self, change: Change) -> Verdict:
        if change.session.state is State.CONFIRMED:
            return Committed()
        return await self.inner.commit(change)


class Sleeping(FaultyStore):
    """No deadline ever comes."""

    async def due(self, now: datetime, limit: int) -> list[str]:
        return []

    async def next_due(self) -> datetime | None:
        return None


class Stuttering(FaultyStore):
    """Each job is given out twice."""

    async def claim(self, lane: str, *, limit: int, lease_s: float, now: datetime) -> list[Claim]:
        claims = await self.inner.claim(lane, limit=limit, lease_s=lease_s, now=now)
        return [*claims, *claims]


class Generous(FaultyStore):
    """Attempts are given back by every new launch."""

    async def commit(self, change: Change) -> Verdict:
        launched = any(isinstance(effect, Take) for effect in change.effects)
        session = change.session
        if launched and session.misses and session.state is State.WAIT:
            change = replace(change, session=replace(session, misses=0))
        return await self.inner.commit(change)


ALL: Sequence[type[FaultyStore]] = (
    Overwriting,
    Clinging,
    Boasting,
    Sleeping,
    Stuttering,
    Generous,
)
