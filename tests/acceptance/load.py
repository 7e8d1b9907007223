"""Many people verified at once over HTTP, and what each of them may rely on afterwards."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import httpx2

from kaskad.core.codes import Keyring, digits
from kaskad.core.model import Code
from tests.acceptance.harness import WIDGET, Kaskad

TRIES = 5
LIMITS = f"limits = {{ per_recipient_per_minute = 1, code_attempts_per_session = {TRIES} }}"
"""A second session for a number would be refused: whoever asks again must get the first."""

NUMBERS = 100_000
WRONG = "none of them"


@dataclass
class Person:
    """What one back end has asked for one person, and what it was answered."""

    number: str
    request_id: str = ""
    guesses: int = 0
    misses: int = 0
    typed: bool = False
    proven: bool = False
    collecting: int = 0
    verdicts: int = 0

    @property
    def query(self) -> str:
        return f"?recipient=%2B{self.number[1:]}"

    @property
    def interrupted(self) -> bool:
        """Whether some call was never answered."""
        asked = (not self.request_id, self.guesses > self.misses, self.typed and not self.proven)
        return any(asked) or self.collecting > 1


class Load:
    """Back ends that go on until they are told to stop or nobody answers them any more."""

    def __init__(self, kaskad: Kaskad, seed: int = 0) -> None:
        """Loads with different seeds ask for different numbers."""
        self.kaskad = kaskad
        self.people: list[Person] = []
        self.statuses: Counter[int] = Counter()
        self.broken: list[str] = []
        self.stopping = False
        self._chance = random.Random(seed)
        self._numbers: Iterator[int] = count(seed * NUMBERS)
        self._keyring = Keyring([bytes.fromhex(kaskad.env["KASKAD_SECRET_KEY"])])

    def code(self, request_id: str) -> str:
        """The session's first code, which the service derives and never tells us."""
        code = Code(number=1, key_id=self._keyring.current, length=6)
        found = digits(code, request_id, self._keyring)
        assert found is not None
        return found

    async def run(self, backends: int) -> None:
        """Let so many work side by side."""
        async with self.kaskad.client() as client:
            await asyncio.gather(*(self._work(client) for _ in range(backends)))

    async def _work(self, client: httpx2.AsyncClient) -> None:
        while not self.stopping:
            person = Person(f"+7900{next(self._numbers):07}")
            self.people.append(person)
            try:
                await self._verify(client, person)
            except httpx2.TransportError as problem:
                self.broken.append(type(problem).__name__)
                return

    async def _verify(self, client: httpx2.AsyncClient, person: Person) -> None:
        if await self.send(client, person) != 201:
            return
        await self._poll(client, person)
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            await self.guess(client, person)
        if await self.type(client, person) == 201:
            await self.collect(client, person)

    async def _call(
        self, client: httpx2.AsyncClient, method: str, path: str, body: object = None, key: str = ""
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": key} if key else {}
        answer = await client.request(method, path, json=body, headers=headers)
        self.statuses[answer.status_code] += 1
        return answer

    # --- what a back end does --------------------------------------------------------

    async def send(self, client: httpx2.AsyncClient, person: Person) -> int:
        body = {"widgetId": WIDGET, "recipient": person.number}
        answer = await self._call(client, "POST", "/", body, key=f"send-{person.number}")
        if answer.status_code == 201:
            assert person.request_id in {"", answer.json()["requestId"]}
            person.request_id = answer.json()["requestId"]
        return answer.status_code

    async def _poll(self, client: httpx2.AsyncClient, person: Person) -> None:
        """Until the message was sent."""
        since = 0
        for _ in range(20):
            path = f"/longPolling/{person.request_id}/channel?since={since}"
            answer = await self._call(client, "GET", path)
            if answer.status_code == 200 and answer.json()["status"] != "wait":
                return
            since = int(answer.headers.get("etag", '"0"').strip('"'))

    async def guess(self, client: httpx2.AsyncClient, person: Person) -> None:
        person.guesses += 1
        path = f"/{person.request_id}/checkCode"
        answer = await self._call(client, "POST", path, {"code": WRONG})
        if answer.status_code == 503:
            person.guesses -= 1
        else:
            assert answer.json()["type"] == "InvalidCodeException", answer.text
            person.misses += 1

    async def type(self, client: httpx2.AsyncClient, person: Person) -> int:
        person.typed = True
        body = {"code": self.code(person.request_id)}
        answer = await self._call(client, "POST", f"/{person.request_id}/checkCode", body)
        person.proven = person.proven or answer.status_code == 201
        return answer.status_code

    async def collect(self, client: httpx2.AsyncClient, person: Person) -> None:
        person.collecting += 1
        path = f"/{person.request_id}/checkStatusAndComplete{person.query}"
        answer = await self._call(client, "POST", path)
        if answer.status_code == 201 and answer.json()["success"]:
            person.verdicts += 1

    # --- afterwards ------------------------------------------------------------------

    async def hold_to_promises(self, finished: int = 25) -> int:
        """Everybody who was interrupted, and some who were not, get what they were promised."""
        done = [p for p in self.people if not p.interrupted]
        chosen = [p for p in self.people if p.interrupted]
        chosen += self._chance.sample(done, min(finished, len(done)))
        async with self.kaskad.client() as client:
            for person in chosen:
                with self._about(person):
                    await self._promised(client, person)
        return len(chosen)

    @contextlib.contextmanager
    def _about(self, person: Person) -> Iterator[None]:
        try:
            yield
        except AssertionError as failure:
            failure.add_note(repr(person))
            raise

    async def _promised(self, client: httpx2.AsyncClient, person: Person) -> None:
        assert await self.send(client, person) == 201, "a second session, or none"
        if not person.collecting:
            await self._poll(client, person)
            answer = await self._call(client, "GET", f"/{person.request_id}/channel")
            assert answer.status_code == 200, answer.text
            left = answer.json()["remainingCodeAttempts"]
            assert TRIES - person.guesses <= left <= TRIES - person.misses
            assert not person.proven or answer.json()["status"] == "confirmed"
            assert await self.type(client, person) == 201
        lost = person.collecting > person.verdicts
        for _ in range(2):
            await self.collect(client, person)
        assert person.verdicts == 1 or (lost and person.verdicts == 0)
