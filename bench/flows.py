"""Whole verifications against a running service, and bare requests against the yardstick."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from bench.client import Connection, get, post
from bench.servers import WIDGET, Target
from kaskad.core.codes import Keyring, digits
from kaskad.core.model import Code

BASE = "/api/n/otp-handler"
CREATED = 201
LONGEST_WAIT_S = 60  # for the messages of a filled service
THINKING_S = 0.05  # from a paced flow's send to its check
LAG = 8  # sends between a session's send and its check: time for the message to be handed over


@dataclass
class Result:
    """What a run did, and how long each request took."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    done: int = 0
    early: int = 0
    memory_bytes: int = 0
    times: dict[str, list[float]] = field(default_factory=lambda: {"send": [], "check": []})

    @property
    def rate(self) -> float:
        """How many were done a second."""
        return self.done / self.seconds

    @property
    def cpu_us(self) -> float:
        """Server CPU, in microseconds, for each that was done."""
        return 1e6 * self.cpu_seconds / self.done

    def percentile(self, kind: str, share: float) -> float:
        """Milliseconds within which that share of requests was answered."""
        ordered = sorted(self.times[kind])
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def together(results: Iterable[Result]) -> Result:
    """Several runs as one."""
    whole = Result()
    for result in results:
        whole.seconds += result.seconds
        whole.cpu_seconds += result.cpu_seconds
        whole.done += result.done
        whole.early += result.early
        whole.memory_bytes = result.memory_bytes
        for kind, times in result.times.items():
            whole.times[kind] += times
    return whole


def numbers(start: int) -> Callable[[], str]:
    """Valid numbers that were never used before."""
    counter = count(start)
    return lambda: f"+79{next(counter):09}"


class Flows:
    """Whole verifications of numbers that were never used before."""

    def __init__(self, target: Target, *, start: int = 0) -> None:
        self.target = target
        self.keyring = Keyring([target.key])
        self.number = numbers(start)

    def code(self, request_id: str) -> str:
        """The code of a session's first message, as the server derives it."""
        found = digits(
            Code(number=1, key_id=self.keyring.current, length=6), request_id, self.keyring
        )
        assert found is not None
        return found

    # --- as fast as it goes

    async def run(self, connections: int, seconds: float) -> Result:
        """Closed loop: every connection sends, and checks what it sent a little earlier."""
        result = Result()
        ends = time.perf_counter() + seconds
        async with measured(self.target, result):
            await asyncio.gather(*(self._connection(result, ends) for _ in range(connections)))
        return result

    async def _connection(self, result: Result, ends: float) -> None:
        connection = await Connection.open("127.0.0.1", self.target.port)
        waiting: deque[str] = deque()
        while time.perf_counter() < ends or waiting:
            if time.perf_counter() < ends:
                waiting.append(await self.send(connection, result))
            if len(waiting) > LAG or time.perf_counter() >= ends:
                await self.check(connection, result, waiting.popleft())
        connection.close()

    # --- at a given pace

    async def paced(self, connections: int, seconds: float, a_second: float) -> Result:
        """Open loop: flows begin on time, whatever became of those before.

        A request's time counts from the moment at which it should have left, its
        wait for a free connection included.
        """
        result, free = Result(), asyncio.Queue[Connection]()
        for _ in range(connections):
            free.put_nowait(await Connection.open("127.0.0.1", self.target.port))
        async with measured(self.target, result), asyncio.TaskGroup() as flows:
            began = time.perf_counter()
            for number in range(int(seconds * a_second)):
                due = began + number / a_second
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                flows.create_task(self._flow(free, result, due))
        while not free.empty():
            free.get_nowait().close()
        return result

    async def _flow(self, free: asyncio.Queue[Connection], result: Result, due: float) -> None:
        connection = await free.get()
        request_id = await self.send(connection, result, due)
        free.put_nowait(connection)
        await asyncio.sleep(THINKING_S)
        due = time.perf_counter()
        connection = await free.get()
        await self.check(connection, result, request_id, due)
        free.put_nowait(connection)

    async def fill(self, connections: int, sessions: int) -> None:
        """Begin sessions, wait until their messages are handed over, and leave them."""
        result, left = Result(), iter(range(sessions))

        async def one() -> None:
            connection = await Connection.open("127.0.0.1", self.target.port)
            for _ in left:
                await self.send(connection, result)
            connection.close()

        await asyncio.gather(*(one() for _ in range(connections)))
        connection = await Connection.open("127.0.0.1", self.target.port)
        for _ in range(LONGEST_WAIT_S * 5):
            _, figures = await connection.ask(get("/metrics"))
            if b"\nkaskad_store_jobs 0.0\n" in figures:
                break
            await asyncio.sleep(0.2)
        connection.close()

    # --- requests

    async def send(self, connection: Connection, result: Result, due: float | None = None) -> str:
        """Begin a session; its id."""
        body = json.dumps({"widgetId": WIDGET, "recipient": self.number()}).encode()
        began = due or time.perf_counter()
        status, answer = await connection.ask(post(BASE, self.target.token, body))
        result.times["send"].append(time.perf_counter() - began)
        assert status == CREATED, answer
        request_id: str = json.loads(answer)["requestId"]
        return request_id

    async def check(
        self, connection: Connection, result: Result, request_id: str, due: float | None = None
    ) -> None:
        """Check the right code, again while its message is not handed over yet."""
        body = json.dumps({"code": self.code(request_id)}).encode()
        request = post(f"{BASE}/{request_id}/checkCode", self.target.token, body)
        while True:
            began = due or time.perf_counter()
            status, answer = await connection.ask(request)
            result.times["check"].append(time.perf_counter() - began)
            if status == CREATED:
                result.done += 1
                return
            assert json.loads(answer)["type"] == "InvalidCodeException", answer
            result.early += 1  # not handed over yet: free, ask again
            due = None
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def measured(target: Target, result: Result) -> AsyncIterator[None]:
    """Note how long the block takes, and what it costs the server."""
    cpu, began = target.cpu_seconds(), time.perf_counter()
    yield
    result.seconds = time.perf_counter() - began
    result.cpu_seconds = target.cpu_seconds() - cpu
    result.memory_bytes = target.memory_bytes()


async def bare_requests(target: Target, connections: int, seconds: float) -> Result:
    """Closed loop of small POSTs against the yardstick."""
    result = Result()
    request = post("/", target.token, b'{"widgetId": "x", "recipient": "+79001234567"}')
    ends = time.perf_counter() + seconds

    async def one() -> None:
        connection = await Connection.open("127.0.0.1", target.port)
        while time.perf_counter() < ends:
            await connection.ask(request)
            result.done += 1
        connection.close()

    async with measured(target, result):
        await asyncio.gather(*(one() for _ in range(connections)))
    return result
