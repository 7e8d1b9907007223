"""What a flow costs by part: the same flows through ever more of the service, in one process.

Each level adds one part to the one before it; what it costs more is that part's
own. CPU time of the whole process, the load's own work subtracted: it is the
first level.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from kaskad.app.ports import ApiToken, Provider, Snapshot, Store
from kaskad.app.tokens import hash_token
from kaskad.app.verification import SendWish
from kaskad.bootstrap import Options, Service, build, collect_rarely
from kaskad.core import session as machine
from kaskad.core.cascade import Context
from kaskad.core.codes import Keyring, digits
from kaskad.core.effects import Step
from kaskad.core.errors import InvalidCodeException
from kaskad.core.inputs import Accepted, CheckCode
from kaskad.core.model import Channel, ChannelType, Code, Session, Template, Widget
from kaskad.core.recipients import parse_recipient
from kaskad.http.exchange import Scope
from kaskad.stores.memory import MemoryStore
from kaskad.stores.sqlite import SqliteStore
from kaskad.system import SystemClock, SystemEntropy
from kaskad.testing import FixedCatalog

WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
TENANT, TOKEN, KEY = "default", "only-for-the-benchmark", bytes(range(32))
BASE = "/api/n/otp-handler"
AT_ONCE, FLOWS_EACH, ROUNDS = 64, 8, 12
PAUSE_S = 0.01

KEYRING = Keyring([KEY])
Flow = Callable[[str], Awaitable[None]]


class Part(NamedTuple):
    """One part and its own cost, in microseconds of CPU a flow."""

    name: str
    cost_us: float


def catalog() -> FixedCatalog:
    """One widget with one channel, delivered at once."""
    text = (Template(locale="ru", text="{{ code }} is your code"),)
    sms = Channel(id="sms", type=ChannelType.SMS, label="SMS", provider="handset", templates=text)
    widget = Widget(id=WIDGET, tenant=TENANT, name="Bench", channels=("sms",))
    account = Provider(id="handset", tenant=TENANT, driver="simulator", settings={"delay": 0})
    token = ApiToken(id="bench", tenant=TENANT, name="bench", hash=hash_token(TOKEN))
    return FixedCatalog(
        Snapshot(
            revision=1,
            widgets={widget.id: widget},
            channels={(TENANT, sms.id): sms},
            providers={(TENANT, account.id): account},
            tokens={token.hash: token},
        )
    )


def code_of(session_id: str) -> str:
    """The code of a session's first message."""
    found = digits(Code(number=1, key_id=KEYRING.current, length=6), session_id, KEYRING)
    assert found is not None
    return found


# --- the levels -------------------------------------------------------------------


async def load_alone(number: str) -> None:
    """What the load does itself."""
    await asyncio.sleep(PAUSE_S)
    code_of(f"6f1c8d4e-0000-4000-8000-{number[1:]:0>12}")


class Core:
    """The machine's three steps, and nothing else."""

    def __init__(self) -> None:
        self.clock, self.entropy = SystemClock(), SystemEntropy()
        snapshot = catalog().snapshot
        self.widget = snapshot.widgets[WIDGET]
        self.context = Context(cascade=snapshot.cascade(WIDGET), keyring=KEYRING)

    def wish(self, number: str) -> machine.Start:
        recipient = parse_recipient(number, "RU")
        assert recipient is not None
        return machine.Start(
            id=self.entropy.uuid(),
            widget=self.widget,
            recipient=recipient,
            locale="ru",
            lifetime_s=900,
        )

    async def flow(self, number: str) -> None:
        step = machine.start(self.wish(number), self.clock.now(), self.context)
        assert isinstance(step, Step)
        step = self._next(step.session, Accepted(launch=1))
        await load_alone(number)
        assert self._next(step.session, CheckCode(code=code_of(step.session.id))).answer is True

    def _next(self, session: Session, event: Accepted | CheckCode) -> Step:
        return machine.advance(session, event, self.clock.now(), self.context)


class Running:
    """Flows through a running service, at the engine, at the calls, or at HTTP."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.core = Core()
        [token] = service.catalog.snapshot.tokens.values()
        self.caller: ApiToken = token

    async def at_engine(self, number: str) -> None:
        session = await self.service.engine.start(self.core.wish(number))
        code = code_of(session.id)
        await asyncio.sleep(PAUSE_S)
        while True:
            step = await self.service.engine.apply(session.id, CheckCode(code=code))
            if step is not None and step.answer is True:
                return
            await asyncio.sleep(PAUSE_S / 2)

    async def at_calls(self, number: str) -> None:
        calls = self.service.verifications
        sent = await calls.send(self.caller, SendWish(widget_id=WIDGET, recipient=number))
        code = code_of(sent.request_id)
        await asyncio.sleep(PAUSE_S)
        while True:
            try:
                assert await calls.check_code(self.caller, sent.request_id, code)
            except InvalidCodeException:
                await asyncio.sleep(PAUSE_S / 2)
            else:
                return

    async def at_http(self, number: str) -> None:
        body = b'{"widgetId":"%b","recipient":"%b"}' % (WIDGET.encode(), number.encode())
        _, answer = await self._post(BASE, body)
        request_id = answer[14:50].decode()
        body = b'{"code":"%b"}' % code_of(request_id).encode()
        await asyncio.sleep(PAUSE_S)
        while True:
            status, _ = await self._post(f"{BASE}/{request_id}/checkCode", body)
            if status == 201:
                return
            await asyncio.sleep(PAUSE_S / 2)

    async def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        sent: list[Scope] = []

        async def receive() -> Scope:
            return {"type": "http.request", "body": body}

        async def send(message: Scope) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [
                (b"host", b"bench"),
                (b"authorization", b"Bearer " + TOKEN.encode()),
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ],
        }
        await self.service.application(scope, receive, send)
        return sent[0]["status"], sent[1]["body"]


# --- measuring --------------------------------------------------------------------


@asynccontextmanager
async def _service(folder: Path | None) -> AsyncIterator[Running]:
    clock = SystemClock()
    store: Store = MemoryStore(clock.now)
    if folder is not None:
        store = await SqliteStore.open(folder / "sessions.db", clock.now)
    options = Options(secret_keys=[KEY])
    service = build(options, store=store, catalog=catalog(), clock=clock, entropy=SystemEntropy())
    async with service.running():
        yield Running(service)
    await store.close()


_numbers = count(100_000_000)


async def cost_us(flow: Flow) -> float:
    """CPU a flow: the better quarter of some rounds, for the machine has other things to do."""
    costs = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await asyncio.gather(*(_several(flow) for _ in range(AT_ONCE)))
        costs.append(1e6 * (time.process_time() - began) / (AT_ONCE * FLOWS_EACH))
    return sorted(costs)[ROUNDS // 4]


async def _several(flow: Flow) -> None:
    for _ in range(FLOWS_EACH):
        await flow(f"+79{next(_numbers):09}")


async def profile() -> list[Part]:
    """The cost of each part that can be measured without a network."""
    collect_rarely()
    levels = [("(the load itself)", await cost_us(load_alone))]
    levels.append(("session machine", await cost_us(Core().flow)))
    async with _service(None) as running:
        levels.append(("engine, worker, simulator", await cost_us(running.at_engine)))
    with tempfile.TemporaryDirectory(prefix="kaskad-bench-", dir=".") as name:
        async with _service(Path(name)) as running:
            levels.append(("SQLite", await cost_us(running.at_engine)))
            levels.append(("calls", await cost_us(running.at_calls)))
            levels.append(("HTTP answers", await cost_us(running.at_http)))
    gc.unfreeze()
    costs = [0.0, *(cost for _, cost in levels)]
    return [Part(name, cost - before) for (name, cost), before in zip(levels, costs, strict=False)]
