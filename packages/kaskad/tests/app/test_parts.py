"""The small parts of the shell, each by itself."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.app import templates, tokens
from kaskad.app.addresses import address_subject
from kaskad.app.courier import tidy
from kaskad.app.polling import HELD_PER_SESSION, ClientLeft, Hub, Wake
from kaskad.app.timing import within
from kaskad.core.errors import LongPollingTimeoutException
from kaskad.system import SystemClock, SystemEntropy
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import FakeClock, settle
from packages.kaskad.tests.app.world import leaves_on

# --- templates -----------------------------------------------------------------------


def render(text: str, *, domain: str = "example.com") -> str:
    return templates.render(text, code="123456", widget="Shop", domain=domain, minutes=5)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("{{ code }} is your {{widget}} code", "123456 is your Shop code"),
        ("{{ minutes }} min at {{ domain }}", "5 min at example.com"),
        ("{{ code }}\n{{ web_otp }}", "123456\n@example.com #123456"),
        ("{{ code | spaced }}", "1 2 3 4 5 6"),
        ("{% if minutes > 3 %}{{ code }}{% else %}x{% endif %}", "123456"),
        ("{% unless domain == '' %}{{ domain }}{% endunless %}", "example.com"),
        ("{% case minutes %}{% when 5 %}five{% else %}other{% endcase %}", "five"),
        ("plain } text", "plain } text"),
    ],
)
def test_a_template_is_filled_in(text: str, rendered: str) -> None:
    assert templates.check(text) is None
    assert render(text) == rendered


def test_without_a_domain_there_is_no_line_for_browsers() -> None:
    assert render("{{ code }}\n{{ web_otp }}", domain="") == "123456"


@pytest.mark.parametrize(
    "text",
    [
        "{% for x in (1..1000000) %}x{% endfor %}",
        "{% include 'x' %}",
        "{% assign x = 1 %}",
        "{{ code | upcase }}",
        "{{ secret }}",
        "{{ code",
        "{% if %}",
        "{% if code %}" * 20 + "{% endif %}" * 20,
        "x" * 2001,
    ],
)
def test_what_is_unbounded_or_unknown_is_refused(text: str) -> None:
    assert templates.check(text)


# --- tokens --------------------------------------------------------------------------


@given(st.binary(min_size=20, max_size=20))
def test_a_token_of_ours_is_recognised(random: bytes) -> None:
    token = tokens.make(random)
    assert re.fullmatch(r"ksk_[0-9A-Za-z]{33}", token)
    assert tokens.looks_valid(token)


@given(
    st.binary(min_size=20, max_size=20),
    st.integers(len(tokens.PREFIX), 36),
    st.sampled_from("0123456789ABCxyz-_ \u0661"),
)
def test_a_mistyped_token_of_ours_is_refused(random: bytes, at: int, other: str) -> None:
    token = tokens.make(random)
    changed = token[:at] + other + token[at + 1 :]
    assert tokens.looks_valid(changed) is (changed == token)


@pytest.mark.parametrize("text", ["", "x" * 19, "x" * 513, "ksk_", "ksk_" + "0" * 40])
def test_what_is_no_token_is_refused(text: str) -> None:
    assert not tokens.looks_valid(text)


def test_a_declared_token_may_be_any_long_string() -> None:
    assert tokens.looks_valid("any string of 20 or more")
    assert len(tokens.hash_token("\ud800" * 20)) == 32


# --- addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("192.0.2", None),
        ("192.0.2.1, 10.0.0.1", None),
        ("", None),
        ("localhost", None),
    ],
)
def test_what_stands_for_an_address(text: str, subject: str | None) -> None:
    assert address_subject(text) == subject


# --- time and chance -------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [3600, -7200])
def test_a_step_of_the_wall_clock_does_not_move_ours(step_s: float) -> None:
    wall, uptime = 1_800_000_000.0, 500.0
    clock = SystemClock(wall=lambda: wall, uptime=lambda: uptime)
    before = clock.now()
    assert before == datetime.fromtimestamp(wall, UTC)
    wall += step_s
    assert clock.now() == before
    uptime += 600
    assert clock.now() - before == timedelta(seconds=600)
    again = SystemClock(wall=lambda: wall, uptime=lambda: uptime)
    assert again.now() == datetime.fromtimestamp(wall, UTC)


def test_the_clock_starts_with_the_time_of_day() -> None:
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert abs(first.timestamp() - time.time()) < 5
    assert timedelta(0) <= second - first < timedelta(seconds=5)
    assert first.utcoffset() == timedelta(0)


async def test_the_clock_calls_back() -> None:
    clock, called = SystemClock(), asyncio.Event()
    clock.call_at(clock.now() - timedelta(seconds=1), called.set)
    await asyncio.wait_for(called.wait(), 5)


def test_chance_is_never_given_twice() -> None:
    entropy = SystemEntropy()
    ids = {entropy.uuid() for _ in range(5000)}
    assert len(ids) == 5000
    form = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(form, text) for text in ids)
    assert len(entropy.token(9000)) == 9000
    assert 0 <= entropy.jitter() < 1


async def test_work_that_ends_in_time_is_returned() -> None:
    clock = FakeClock()

    async def work() -> int:
        return 7

    end = clock.now() + timedelta(seconds=1)
    assert await within(lambda stop: clock.call_at(end, stop), work()) == 7
    assert clock.timers == 0


async def test_work_that_does_not_is_stopped() -> None:
    clock = FakeClock()
    end = clock.now() + timedelta(seconds=1)
    waiting = asyncio.create_task(
        within(lambda stop: clock.call_at(end, stop), asyncio.Event().wait())
    )
    await clock.advance(1)
    with pytest.raises(TimeoutError):
        await waiting


async def test_a_cancellation_from_outside_stays_one() -> None:
    clock = FakeClock()
    end = clock.now() + timedelta(seconds=1)
    waiting = asyncio.create_task(
        within(lambda stop: clock.call_at(end, stop), asyncio.Event().wait())
    )
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert clock.timers == 0


# --- held calls ------------------------------------------------------------------------


class Held:
    """One held call whose answer, departure and clock the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hub = Hub(self.clock, Metrics())
        self.answer: str | None = None
        self.gone = asyncio.Event()
        self.departed = leaves_on(self.gone)

    async def look(self) -> str | None:
        return self.answer

    def hold(self) -> "asyncio.Task[str]":
        return asyncio.create_task(
            self.hub.hold("s", self.look, timeout_s=25, departed=self.departed)
        )

    async def left_nothing(self) -> None:
        await settle()
        assert self.hub.held == 0
        assert self.clock.timers == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_answer_that_is_there_is_not_waited_for() -> None:
    held = Held()
    held.answer = "now"
    assert await held.hold() == "now"
    await held.left_nothing()


async def test_a_change_is_looked_at_and_answered() -> None:
    held = Held()
    call = held.hold()
    await settle()
    held.hub.wake("s")
    held.hub.wake("another")
    await settle()
    assert not call.done()
    held.answer = "changed"
    held.hub.wake("s")
    assert await call == "changed"
    await held.left_nothing()


@pytest.mark.parametrize("why", ["timeout", "left", "drain"])
async def test_every_end_frees_the_place(why: str) -> None:
    held = Held()
    call = held.hold()
    await settle()
    assert held.hub.held == 1
    match why:
        case "timeout":
            await held.clock.advance(25)
        case "left":
            held.gone.set()
        case _:
            held.hub.drain()
    expected = ClientLeft if why == "left" else LongPollingTimeoutException
    with pytest.raises(expected):
        await call
    await held.left_nothing()


async def test_after_a_drain_nothing_is_held() -> None:
    held = Held()
    held.hub.drain()
    with pytest.raises(LongPollingTimeoutException):
        await held.hold()
    await held.left_nothing()


async def test_the_oldest_call_makes_room() -> None:
    held = Held()
    calls = []
    for _ in range(HELD_PER_SESSION + 1):
        calls.append(held.hold())
        await settle()
    assert [call.done() for call in calls] == [True] + [False] * HELD_PER_SESSION
    assert held.hub.held == HELD_PER_SESSION
    held.hub.drain()
    await asyncio.gather(*calls, return_exceptions=True)
    await held.left_nothing()


async def test_a_change_between_the_look_and_the_wait_is_not_lost() -> None:
    held = Held()
    looks = 0

    async def look() -> str | None:
        nonlocal looks
        looks += 1
        if looks == 1:
            held.hub.wake("s")  # while this look is still on its way back
            return None
        return "seen"

    answer = await held.hub.hold("s", look, timeout_s=25, departed=held.departed)
    assert answer == "seen"
    await held.left_nothing()


@given(st.lists(st.sampled_from(list(Wake)), min_size=1, max_size=5))
def test_a_reason_to_end_is_never_overwritten(wakes: list[Wake]) -> None:
    async def run() -> Wake:
        hub = Hub(FakeClock(), Metrics())
        waiter = hub.join("s")
        for wake in wakes:
            waiter.wake(wake)
        return await waiter.wait()

    final = next((wake for wake in wakes if wake is not Wake.CHANGED), Wake.CHANGED)
    assert asyncio.run(run()) is final


async def test_a_failing_look_frees_the_place() -> None:
    held = Held()

    async def look() -> str | None:
        raise ValueError

    with pytest.raises(ValueError):
        await held.hub.hold("s", look, timeout_s=25, departed=held.departed)
    await held.left_nothing()


# --- a provider's words ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("stop list", "stop list"),
        ("to +79001234567 failed", "to +***4567 failed"),
        ("code 123456 is odd", "code *** is odd"),
        ("bad \ud800", "bad ?"),
        ("x" * 70_000, "x" * 200),
    ],
)
def test_a_providers_words_are_kept_short_and_without_numbers(reason: str, kept: str) -> None:
    found = tidy(reason, "+79001234567")
    assert "9001234" not in found
    assert "123456" not in found
    assert len(found) <= 200
    if "+7" not in reason:
        assert found == kept
