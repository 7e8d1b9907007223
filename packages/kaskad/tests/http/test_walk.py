"""A random walk over all calls, in whatever states it leads to: no answer outside its call's set.

The client holds every answer to the contract; what is said here besides is that
nothing breaks, whatever comes in whatever order.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kaskad.core.model import ReportKind
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http import house as scene
from packages.kaskad.tests.http.client import Client, Exchange
from packages.kaskad.tests.http.expected import METHODS, PAGE_BASE
from packages.kaskad.tests.http.house import FOREIGN_TOKEN, NARROW_TOKEN, UNKNOWN_ID, House

OPEN = (scene.SMS, scene.HANG, scene.REJECT, scene.PUSH, scene.ONCE, scene.TWO)
CLOSED = (scene.NOBODY, scene.BLOCKED, scene.INACTIVE, scene.FOREIGN, UNKNOWN_ID, "1", "")

ORIGIN = "https://shop.example"
PUBLISHED = [replace(w, allowed_origins=(ORIGIN,)) for w in scene.WIDGETS if w.id != scene.ONCE]

T = TypeVar("T")


def mostly(good: st.SearchStrategy[T], bad: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    return st.integers(1, 12).flatmap(lambda n: good if n < 12 else bad)


junk: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=80)
)
PAGE = "a page's call: it has no token"
tokens = mostly(
    st.sampled_from([TOKEN, TOKEN, PAGE]), st.sampled_from([NARROW_TOKEN, FOREIGN_TOKEN, None, "x"])
)
numbers = st.sampled_from([f"+790012340{n}0" for n in range(6)])
right: st.SearchStrategy[object] = st.fixed_dictionaries(
    {"widgetId": st.sampled_from(OPEN), "recipient": numbers},
    optional={
        "userIp": st.sampled_from(["203.0.113.1", "2001:db8::1"]),
        "locale": st.sampled_from(["ru", "en"]),
    },
)
wrong: st.SearchStrategy[object] = st.fixed_dictionaries(
    {"widgetId": st.sampled_from(CLOSED) | junk, "recipient": numbers | junk},
    optional={"userIp": junk, "locale": junk, "captchaToken": junk, "email": junk},
)
sends = st.one_of(right, mostly(right, wrong), mostly(wrong, junk | st.binary(max_size=40)))
recipients = mostly(st.just("own"), st.sampled_from(["%2B79007654321", "x", None]))
codes: st.SearchStrategy[object] = st.sampled_from(["right", "wrong", "wrong"])
bodies: st.SearchStrategy[object] = st.sampled_from([None, {"next": True}, {}])
resends = mostly(bodies, junk | st.binary(max_size=10))
sinces = st.sampled_from([None, "0", "1", "2", "3", "4", "99", "x"])
keys = mostly(st.none(), st.sampled_from(["a", "b", "x" * 300]))
known: st.SearchStrategy[int | str] = st.integers(0, 3)
names = mostly(known, st.sampled_from([UNKNOWN_ID, "1", "%ff", "a%2Fb"]))

Step = tuple[Any, ...]
calls: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("send"), tokens, sends, keys),
    st.tuples(st.just("widget"), tokens, st.sampled_from([*OPEN, *CLOSED])),
    *[
        st.tuples(st.just(name), tokens, names, extra)
        for name, extra in (
            ("getChannel", st.none()),
            ("getChannelLongPolling", sinces),
            ("getStatus", st.tuples(recipients, sinces)),
            ("getStatusLongPolling", st.tuples(recipients, sinces)),
            ("checkCode", mostly(codes, junk)),
            ("checkStatusAndComplete", st.tuples(recipients, st.none())),
            ("complete", st.tuples(recipients, st.none())),
            ("resend", st.tuples(resends, keys)),
            ("cancel", st.none()),
            ("events", sinces),
        )
    ],
)
others: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("advance"), st.sampled_from([0.1, 1, 10, 31, 61])),
    st.tuples(st.just("leap"), st.sampled_from([31, 61, 301, 901, 4600])),
    st.tuples(st.just("answer"), st.sampled_from([ReportKind.CONFIRMED, ReportKind.DECLINED])),
    st.tuples(st.just("leave"), st.integers(0, 9)),
)
begun = st.tuples(st.just("begin"), st.sampled_from(sorted(scene.STATES)))
walks = st.tuples(
    st.lists(begun, min_size=1, max_size=3),
    st.lists(st.one_of(calls, calls, calls, others), min_size=10, max_size=40),
).map(lambda parts: [*parts[0], *parts[1]])


class Walk:
    """Carries steps out, and knows which requests are under way."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.page = Client(house.api.app, PAGE_BASE)
        self.page.defaults["origin"] = ORIGIN
        self.sessions: list[str] = []
        self.held: list[Exchange] = []
        self.outcomes: set[tuple[str, str]] = set()

    async def go(self, step: Step) -> None:
        name, *how = step
        clock = self.house.clock
        other: dict[str, Callable[[Any], Any]] = {
            "advance": clock.advance,
            "leap": clock.leap,
            "answer": self.answer,
            "leave": self.leave,
            "begin": self.begin,
        }
        if name in other:
            await other[name](*how)
        else:
            await self.call(name, *how)
        self.collect()

    async def begin(self, state: str) -> None:
        self.sessions.append(await scene.STATES[state](self.house))

    async def answer(self, kind: ReportKind) -> None:
        for message in self.house.service.inbox.messages():
            self.house.service.inbox.answer(message.id, kind)
        await self.house.clock.advance()

    async def leave(self, number: int) -> None:
        if self.held:
            self.held[number % len(self.held)].leave()
            await self.house.clock.advance()

    async def call(self, name: str, token: str | None, *how: Any) -> None:
        headers: dict[str, str] = {}
        body: object = None
        if name == "send":
            path, (body, key) = "/", how
            headers = {} if key is None else {"idempotency-key": key}
        elif name == "widget":
            path = f"/widget/{how[0]}"
        else:
            path, body, headers = self.about(name, *how)
        method = METHODS["getWidget" if name == "widget" else name][0]
        way = self.page if token == PAGE else self.house.api
        given = None if token == PAGE else token
        exchange = way.begin(method, path, body=body, token=given, headers=headers)
        await self.house.clock.advance()
        self.held.append(exchange)
        if name == "send" and exchange.done and exchange.answer().status == 201:
            self.sessions.append(exchange.answer().json["requestId"])

    def about(self, name: str, named: int | str, extra: Any) -> tuple[str, object, dict[str, str]]:
        if isinstance(named, int):
            named = self.sessions[named % len(self.sessions)] if self.sessions else "none"
        path = METHODS[name][1].replace("{requestId}", named)
        query, body, headers = [], None, {}
        if name == "checkCode":
            body = {"code": self.code(named, extra)}
        elif name == "resend":
            body, key = extra
            headers = {} if key is None else {"idempotency-key": key}
        elif isinstance(extra, tuple):
            recipient, since = extra
            known = self.house.store.sessions.get(named)
            if recipient == "own":
                recipient = self.house.recipient(named) if known else "%2B79001234000"
            query += [] if recipient is None else [f"recipient={recipient}"]
            query += [] if since is None else [f"since={since}"]
        elif extra is not None:
            query = [f"since={extra}"]
        return path + ("?" + "&".join(query) if query else ""), body, headers

    def code(self, named: str, extra: Any) -> Any:
        if extra not in ("right", "wrong"):
            return extra
        messages = self.house.messages(named)
        if not messages or messages[-1].code is None:
            return "000000"
        return self.house.code(named) if extra == "right" else self.house.wrong(named)

    def collect(self) -> None:
        """Hold what has been answered to the contract; the client checks it."""
        for exchange in [e for e in self.held if e.done]:
            self.held.remove(exchange)
            if exchange.started is None:
                assert exchange._left.is_set(), "no answer, and the client is still there"
                continue
            answer = exchange.answer()
            assert answer.status < 500, answer.body
            kind = "" if answer.status < 400 else str(answer.type)
            self.outcomes.add((exchange.scope["path"].rpartition("/")[2], kind))


async def walk(steps: list[Step]) -> set[tuple[str, str]]:
    async with House(scene.configuration(widgets=PUBLISHED)) as house:
        taken = Walk(house)
        for step in steps:
            await taken.go(step)
        for exchange in taken.held:
            exchange.leave()
        await house.clock.advance()
        taken.collect()
        assert not taken.held
        assert house.hub.held == 0
        return taken.outcomes


@pytest.mark.untraced
@settings(max_examples=300)
@given(walks)
def test_no_walk_leads_to_an_answer_outside_the_set_of_its_call(steps: list[Step]) -> None:
    with structlog.testing.capture_logs() as logged:
        outcomes = asyncio.run(walk(steps))
    assert outcomes
    assert not [entry for entry in logged if entry["log_level"] == "error"]
