"""Whole verifications against a running service, and bare requests against the yardstick."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from bench.client import Connection, post
from bench.servers import WIDGET, Target
from kaskad.core.codes import Keyring, digits
from kaskad.core.model import Code

BASE = "/api/n/otp-handler"
CREATED = 201
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


def numbers(start: int) -> Callable[[], str]:
    """Valid numbers that were never used before."""
    counter = count(start)
    return lambda: f"+79{next(counter):09}"


class Flows:
    """Closed loop: every connection sends, and checks what it sent a little earlier."""

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

    async def run(self, connections: int, seconds: float) -> Result:
        result = Result()
        ends = time.perf_counter() + seconds
        cpu, began = self.target.cpu_seconds(), time.perf_counter()
        await asyncio.gather(*(self._connection(result, ends) for _ in range(connections)))
        result.seconds = time.perf_counter() - began
        result.cpu_seconds = self.target.cpu_seconds() - cpu
        result.memory_bytes = self.target.memory_bytes()
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

    async def send(self, connection: Connection, result: Result) -> str:
        body = json.dumps({"widgetId": WIDGET, "recipient": self.number()}).encode()
        began = time.perf_counter()
        status, answer = await connection.ask(post(BASE, self.target.token, body))
        result.times["send"].append(time.perf_counter() - began)
        assert status == CREATED, answer
        request_id: str = json.loads(answer)["requestId"]
        return request_id

    async def check(self, connection: Connection, result: Result, request_id: str) -> None:
        body = json.dumps({"code": self.code(request_id)}).encode()
        request = post(f"{BASE}/{request_id}/checkCode", self.target.token, body)
        while True:
            began = time.perf_counter()
            status, answer = await connection.ask(request)
            result.times["check"].append(time.perf_counter() - began)
            if status == CREATED:
                result.done += 1
                return
            assert json.loads(answer)["type"] == "InvalidCodeException", answer
            result.early += 1  # not handed over yet: free, ask again
            await asyncio.sleep(0.005)


async def bare_requests(target: Target, connections: int, seconds: float) -> Result:
    """Closed loop of small POSTs against the yardstick."""
    result = Result()
    request = post("/", "none", b'{"widgetId": "x", "recipient": "+79001234567"}')
    ends = time.perf_counter() + seconds

    async def one() -> None:
        connection = await Connection.open("127.0.0.1", target.port)
        while time.perf_counter() < ends:
            await connection.ask(request)
            result.done += 1
        connection.close()

    cpu, began = target.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    result.seconds = time.perf_counter() - began
    result.cpu_seconds = target.cpu_seconds() - cpu
    return result
