"""The whole service on a fake clock, with a widget for each way that a session can go."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import count
from typing import Any, Self
from uuid import UUID

from msgspec.structs import replace

import kaskad.captchas.sdk  # noqa: F401  # else a thread would load it, for which no clock waits
from kaskad.app.inbox import Delivered
from kaskad.app.ports import (
    Captchas,
    Change,
    Provider,
    ReadMarks,
    Remembered,
    Snapshot,
    Verdict,
)
from kaskad.bootstrap import Options, build
from kaskad.core.limits import Window
from kaskad.core.model import Captcha, CaptchaProvider, Channel, Session, Widget
from kaskad.stores.memory import MemoryStore
from kaskad.testing import START, FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests import builders
from packages.kaskad.tests.builders import KEY, TENANT, TOKEN, api_token
from packages.kaskad.tests.http.client import Answer, Client, Exchange

FOREIGN_TENANT = "elsewhere"
FOREIGN_TOKEN = "test-token-of-another-tenant"
NARROW_TOKEN = "test-token-of-one-other-widget"
REVOKED_TOKEN = "test-token-that-was-revoked"
EXPIRED_TOKEN = "test-token-that-has-expired"
MOST_ROUNDS = 100_000
UNKNOWN_ID = "11111111-2222-4333-8444-555555555555"


def _id(number: int) -> str:
    return str(UUID(int=number, version=4))


SMS, HANG, REJECT, PUSH, ONCE, TWO, NOBODY, BLOCKED, INACTIVE, OTHER, FOREIGN, BRITISH = map(
    _id, range(1, 13)
)
WORKING = _id(13)


def _channel(name: str, kind: str = "sms", **changes: object) -> Channel:
    return builders.channel(kind, id=name, provider=f"{name}-provider", **changes)


_CHANNELS = (
    _channel("sms"),
    _channel("hang", send_timeout_s=60),
    _channel("reject", "voice"),
    _channel("push", "sim_push"),
    _channel("once", number_of_restart=0),
    _channel("lost"),
    _channel("voice", "voice"),
    _channel("off", enabled=False),
)
_OUTCOMES: dict[str, dict[str, object]] = {
    "hang": {"outcome": "hang"},
    "reject": {"outcome": "reject", "delay": 0.2},
    "lost": {"outcome": "undelivered", "delay": 0.2},
}


def _widget(widget_id: str, *channels: str, **changes: object) -> Widget:
    return replace(builders.widget(id=widget_id, **changes), channels=channels)


WIDGETS = (
    _widget(SMS, "sms", name="Форма"),
    _widget(HANG, "hang"),
    _widget(REJECT, "reject"),
    _widget(PUSH, "push"),
    _widget(ONCE, "once"),
    _widget(TWO, "lost", "voice"),
    _widget(NOBODY, "off"),
    _widget(BLOCKED, "sms", blocked=True),
    _widget(INACTIVE, "sms", active=False),
    _widget(OTHER, "sms"),
    _widget(FOREIGN, "sms", tenant=FOREIGN_TENANT),
    _widget(BRITISH, "sms", region="GB"),
    _widget(WORKING, "sms", captcha=Captcha(provider=CaptchaProvider.ALTCHA, max_number=50)),
)
TOKENS = (
    api_token(TOKEN, id="own"),
    api_token(FOREIGN_TOKEN, id="foreign", tenant=FOREIGN_TENANT),
    api_token(NARROW_TOKEN, id="narrow", widgets=(OTHER,)),
    api_token(REVOKED_TOKEN, id="revoked", revoked_at=START - timedelta(seconds=1)),
    api_token(EXPIRED_TOKEN, id="expired", expires_at=START),
)


def configuration(
    *extra: Channel,
    widgets: Sequence[Widget] = (),
    outcomes: dict[str, dict[str, object]] | None = None,
) -> Snapshot:
    """Everything above; channels, widgets and outcomes by name replace those above."""
    channels = {c.id: c for c in (*_CHANNELS, *extra)}
    settings = _OUTCOMES | (outcomes or {})
    providers = {
        (tenant, c.provider): Provider(
            id=c.provider,
            tenant=tenant,
            driver="simulator",
            settings=settings.get(c.id, {"delay": 0.2}),
        )
        for c in channels.values()
        for tenant in (TENANT, FOREIGN_TENANT)
    }
    return Snapshot(
        revision=1,
        widgets={w.id: w for w in (*WIDGETS, *widgets)},
        channels={
            (tenant, c.id): c for c in channels.values() for tenant in (TENANT, FOREIGN_TENANT)
        },
        providers=providers,
        tokens={t.hash: t for t in TOKENS},
    )


async def _idle() -> None:
    """Return once no task can go on: all wait for time, or for a client."""
    loop = asyncio.get_running_loop()
    for _ in range(MOST_ROUNDS):
        await asyncio.sleep(0)
        if not loop._ready:  # type: ignore[attr-defined]
            return
    raise AssertionError("something goes round in circles")


class Clock(FakeClock):
    """Also leaps, as that of a machine that slept does."""

    def __init__(self) -> None:
        super().__init__()
        self.settled = _idle

    async def leap(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        await self.advance()


class Store(MemoryStore):
    """Lets others go first unless it is ``hasty``, and fails while there is ``trouble``."""

    trouble: Exception | None = None
    hasty: bool = False

    @property
    def sessions(self) -> dict[str, Session]:
        return self._live.sessions

    async def _reach(self) -> None:
        if not self.hasty:
            await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble

    async def load(self, session_id: str) -> Session | None:
        await self._reach()
        return await super().load(session_id)

    async def commit(self, change: Change) -> Verdict:
        await self._reach()
        return await super().commit(change)

    async def take(self, subject: str, windows: Sequence[Window], now: Any) -> int | None:
        await self._reach()
        return await super().take(subject, windows, now)

    async def remembered(self, key: bytes, now: Any) -> Remembered | None:
        await self._reach()
        return await super().remembered(key, now)

    async def marks(self, session_id: str) -> ReadMarks:
        await self._reach()
        return await super().marks(session_id)

    async def check(self) -> None:
        await self._reach()

    def sizes(self) -> dict[str, int]:
        if self.trouble is not None:
            raise self.trouble
        return super().sizes()


class House:
    """The service, its client, and everything that a test may want to look at."""

    def __init__(
        self, snapshot: Snapshot | None = None, captchas: Captchas | None = None, **options: Any
    ) -> None:
        self.clock = Clock()
        self.store = Store(self.clock.now)
        self.catalog = FixedCatalog(snapshot or configuration())
        self.service = build(
            Options(**{"secret_keys": [KEY], **options}),
            store=self.store,
            catalog=self.catalog,
            clock=self.clock,
            entropy=FakeEntropy(),
            captchas=captchas,
        )
        self.api = Client(self.service.application)
        self.hub = self.service.hub
        self._numbers = count(1000)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.service.running())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.store.trouble = None
        await self.clock.leap(120)  # what hangs is given up,
        await self.clock.leap(120)  # and so is what is tried instead
        await self._stack.aclose()

    def configure(self, snapshot: Snapshot) -> None:
        self.catalog.snapshot = snapshot

    # --- sessions -------------------------------------------------------------------

    def number(self) -> str:
        """A number that nothing was sent to yet."""
        return f"+7900123{next(self._numbers)}"

    async def begin(self, widget: str = SMS, number: str | None = None, **how: Any) -> str:
        """A session as of its answer; the message is not sent yet."""
        body = {"widgetId": widget, "recipient": number or self.number(), **how.pop("body", {})}
        answer = await self.api.post("/", body, **how)
        assert answer.status == 201, answer.body
        return str(answer.json["requestId"])

    async def sent(self, widget: str = SMS, number: str | None = None) -> str:
        """A session whose message came."""
        request_id = await self.begin(widget, number)
        await self.clock.advance(1)
        return request_id

    def recipient(self, request_id: str) -> str:
        """The session's number, as it may stand in a query."""
        return self.store.sessions[request_id].recipient.number.replace("+", "%2B")

    def messages(self, request_id: str) -> list[Delivered]:
        return [m for m in self.service.inbox.messages() if m.session == request_id]

    def code(self, request_id: str) -> str:
        """What the newest message says."""
        found = self.messages(request_id)[-1].code
        assert found is not None
        return found

    def wrong(self, request_id: str) -> str:
        return "".join(str((int(c) + 1) % 10) for c in self.code(request_id))

    async def check(self, request_id: str, code: str, **how: Any) -> Answer:
        return await self.api.post(f"/{request_id}/checkCode", {"code": code}, **how)

    async def confirmed(self, widget: str = SMS) -> str:
        request_id = await self.sent(widget)
        answer = await self.check(request_id, self.code(request_id))
        assert answer.outcome is True
        return request_id

    async def hold(self, path: str, **how: Any) -> Exchange:
        """A call, as far as it gets without time passing."""
        exchange = self.api.begin("GET", path, **how)
        await self.clock.advance()
        return exchange


# --- every state that a session can be in -----------------------------------------


async def wait(house: House) -> str:
    return await house.begin(HANG)


async def sent(house: House) -> str:
    return await house.sent(SMS)


async def pushed(house: House) -> str:
    return await house.sent(PUSH)


async def changed(house: House) -> str:
    return await house.sent(TWO)


async def ended(house: House) -> str:
    request_id = await house.sent(SMS)
    await house.clock.leap(300)
    return request_id


async def changed_and_ended(house: House) -> str:
    request_id = await house.sent(TWO)
    await house.clock.leap(300)
    return request_id


async def ended_for_good(house: House) -> str:
    request_id = await house.sent(ONCE)
    await house.clock.leap(300)
    return request_id


async def exhausted(house: House) -> str:
    return await house.sent(REJECT)


async def spent(house: House) -> str:
    request_id = await house.sent(SMS)
    for _ in range(3):
        await house.check(request_id, house.wrong(request_id))
    return request_id


async def spent_and_ended(house: House) -> str:
    request_id = await spent(house)
    await house.clock.leap(300)
    return request_id


async def confirmed(house: House) -> str:
    return await house.confirmed()


async def confirmed_and_expired(house: House) -> str:
    request_id = await house.confirmed()
    await house.clock.leap(400)
    return request_id


async def completed(house: House) -> str:
    request_id = await house.confirmed()
    answer = await house.api.post(f"/{request_id}/complete")
    assert answer.outcome is True
    return request_id


async def outlived(house: House) -> str:
    request_id = await house.sent(SMS)
    await house.clock.leap(900)
    return request_id


async def spent_and_outlived(house: House) -> str:
    request_id = await spent(house)
    await house.clock.leap(900)
    return request_id


async def exhausted_and_outlived(house: House) -> str:
    request_id = await exhausted(house)
    await house.clock.leap(900)
    return request_id


async def confirmed_and_outlived(house: House) -> str:
    request_id = await house.confirmed()
    await house.clock.leap(900)
    return request_id


async def cancelled(house: House) -> str:
    request_id = await house.sent(SMS)
    answer = await house.api.post(f"/{request_id}/cancel")
    assert answer.outcome is True
    return request_id


STATES = {
    scene.__name__: scene
    for scene in (
        wait,
        sent,
        pushed,
        changed,
        ended,
        changed_and_ended,
        ended_for_good,
        exhausted,
        spent,
        spent_and_ended,
        confirmed,
        confirmed_and_expired,
        completed,
        outlived,
        spent_and_outlived,
        exhausted_and_outlived,
        confirmed_and_outlived,
        cancelled,
    )
}
