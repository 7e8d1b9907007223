"""The configured accounts: made when needed, closed when replaced, and what settings may be."""

import asyncio

import pytest
import structlog

from kaskad.app.inbox import Inbox
from kaskad.app.ports import Message, Taken
from kaskad.core.model import ChannelType, ReportKind
from kaskad.drivers import DRIVERS, check_settings
from kaskad.drivers.registry import DriverSet
from kaskad.testing import FakeClock, FakeEntropy, FixedCatalog, settle
from packages.kaskad.tests.builders import TENANT, channel, snapshot

ACCOUNT = "sim_push-provider"
PUSH = Message(
    reference="s-1",
    session="s",
    launch=1,
    recipient="+79001234567",
    type=ChannelType.SIM_PUSH,
    label="Push",
    text="",
    code=None,
    locale="ru",
    ttl_s=300,
)


class House:
    """A set of accounts and what they report."""

    def __init__(self, **settings: object) -> None:
        self.clock, self.inbox = FakeClock(), Inbox()
        self.kinds: list[ReportKind] = []
        self.catalog = FixedCatalog(snapshot())
        self.configure(**settings)
        self.drivers = DriverSet(
            catalog=self.catalog,
            inbox=self.inbox,
            reports=lambda _session, _launch, kind, _reason: self.kinds.append(kind),
            clock=self.clock,
            entropy=FakeEntropy(),
        )

    def configure(self, **settings: object) -> None:
        self.catalog.snapshot = snapshot(channel("sim_push"), providers={ACCOUNT: settings})

    async def push(self) -> None:
        driver = self.drivers.get(TENANT, ACCOUNT)
        assert driver is not None
        assert isinstance(await driver.send(PUSH), Taken)


async def test_a_replaced_account_is_closed() -> None:
    house = House(outcome="confirm", delay=60)
    before = asyncio.all_tasks()
    await house.push()
    assert house.clock.timers == 1
    house.configure(outcome="confirm", delay=5)
    await house.push()
    await settle()
    assert house.clock.timers == 1  # the old account's outcome has been forgotten with it
    assert asyncio.all_tasks() == before
    await house.clock.advance(60)
    assert house.kinds == [ReportKind.CONFIRMED]
    await house.drivers.close()


async def test_the_same_settings_are_the_same_account() -> None:
    house = House(outcome="deliver", delay=0)
    first = house.drivers.get(TENANT, ACCOUNT)
    house.configure(outcome="deliver", delay=0)
    assert house.drivers.get(TENANT, ACCOUNT) is first


async def test_closing_forgets_what_has_not_come_yet() -> None:
    house = House(outcome="decline", delay=60)
    await house.push()
    await house.drivers.close()
    assert house.clock.timers == 0
    await house.drivers.close()
    await house.clock.advance(100)
    assert house.kinds == []


async def test_an_account_that_cannot_be_closed_keeps_nobody_from_closing() -> None:
    house = House(outcome="confirm", delay=60)
    await house.push()
    bad = house.drivers.get(TENANT, ACCOUNT)

    async def failing() -> None:
        raise OSError("reset")

    bad.close = failing  # type: ignore[method-assign,union-attr]
    house.configure(outcome="confirm", delay=61)
    await house.push()
    with structlog.testing.capture_logs() as logged:
        await house.drivers.close()
    assert [entry["event"] for entry in logged] == ["account not closed"]
    assert house.clock.timers == 1  # only what the bad one kept


@pytest.mark.parametrize("outcome", ["confirm", "decline"])
@pytest.mark.parametrize("answer", [ReportKind.CONFIRMED, ReportKind.DECLINED])
async def test_the_person_answers_before_the_script(outcome: str, answer: ReportKind) -> None:
    house = House(outcome=outcome, delay=10)
    await house.push()
    await house.clock.advance(3)
    [push] = house.inbox.messages()
    assert house.inbox.answer(push.id, answer)
    await house.clock.advance(60)
    assert house.kinds == [answer]
    [push] = house.inbox.messages()
    assert push.answer == ("confirm" if answer is ReportKind.CONFIRMED else "decline")


async def test_an_outcome_comes_though_its_message_is_shown_no_more() -> None:
    house = House(outcome="confirm", delay=10)
    for _ in range(1001):
        await house.push()
    await house.clock.advance(10)
    assert len(house.inbox.messages()) == 1000
    assert len(house.kinds) == 1001


@pytest.mark.parametrize(
    "settings",
    [
        {"delay": True},
        {"delay": None},
        {"delay": "0.2"},
        {"delay": float("nan")},
        {"delay": float("inf")},
        {"delay": 3600.001},
        {"delay": -0.001},
        {"outcome": None},
        {"outcome": "DELIVER"},
        {"outcome": ["deliver"]},
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(settings: dict[str, object]) -> None:
    [line] = check_settings("simulator", settings)
    [name] = settings
    assert line.startswith(f"{name}: expected ")
    assert "\n" not in line


def test_every_wrong_setting_has_a_line() -> None:
    wrong = check_settings("simulator", {"outcome": "explode", "delay": -1})
    assert [line.partition(":")[0] for line in wrong] == ["outcome", "delay"]
    unknown = check_settings("simulator", {"b": 1, "a": 2, "delay": 1})
    assert [line.partition(":")[0] for line in unknown] == ["a", "b"]


@pytest.mark.parametrize("delay", [0, 0.0, 0.2, 1, 3600, 3600.0])
def test_a_delay_is_seconds_with_a_fraction(delay: float) -> None:
    assert check_settings("simulator", {"delay": delay}) == []


def test_every_driver_is_made_from_its_settings_alone() -> None:
    for name in DRIVERS:
        assert check_settings(name, {}) == []
