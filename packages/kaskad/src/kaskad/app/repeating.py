"""Calls that may be made again: the same key and the same wish happen once."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import TypeVar

import msgspec

from kaskad.app.engine import Engine, Memo, Repeated
from kaskad.app.pages import Page
from kaskad.app.ports import ApiToken, Remembered
from kaskad.core import errors
from kaskad.core.effects import Step
from kaskad.core.model import Value

KEPT = timedelta(days=1)

T = TypeVar("T")


class Idempotency(Value, frozen=True, kw_only=True):
    """A caller's key for a call, and what tells the call from another one."""

    key: str
    fingerprint: bytes


async def once(
    engine: Engine,
    caller: ApiToken | Page,
    idempotency: Idempotency,
    call: Callable[[Memo | None], Awaitable[T]],
    answer_of: Callable[[Step], T],
    kind: type[T],
) -> T:
    """Do the call, or answer what it answered before under the same key."""
    store, clock = engine.store, engine.clock
    owner = caller.owner_of(idempotency.key)
    key = sha256(f"{caller.tenant}\n{owner}\n{idempotency.key}".encode()).digest()

    def memo(step: Step) -> Remembered | None:
        if step.answer is not True:
            return None
        return Remembered(
            key=key,
            fingerprint=idempotency.fingerprint,
            answer=msgspec.msgpack.encode(answer_of(step)),
            expires_at=clock.now() + KEPT,
        )

    while True:
        found = await store.remembered(key, clock.now())
        if found is not None and found.fingerprint != idempotency.fingerprint:
            expected = "a new key: this one was used for another request"
            raise errors.ValidateError({"Idempotency-Key": expected})
        if found is not None:
            return msgspec.msgpack.decode(found.answer, type=kind)
        try:
            return await call(memo)
        except Repeated:
            continue
        except errors.KaskadError:
            # The same call, made at the same time, may be what this one is refused for.
            if await store.remembered(key, clock.now()) is None:
                raise
