"""The simulated provider: six outcomes, and what a phone would show of each."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kaskad.app.inbox import Delivered, Inbox
from kaskad.app.ports import Message, Refusal, Taken
from kaskad.core.model import ChannelType, ReportKind
from kaskad.drivers import check_settings
from kaskad.drivers.registry import DriverSet
from kaskad.drivers.simulator import Outcome, Settings, Simulator, caller_id
from kaskad.testing import FakeClock, FakeEntropy, FixedCatalog
from packages.kaskad.tests import builders

Report = tuple[str, int, ReportKind, str]


class Phone:
    """An account, the phone at its other end, and the reports that it makes."""

    def __init__(self) -> None:
        self.clock, self.inbox = FakeClock(), Inbox()
        self.reports: list[Report] = []
        self.driver: Simulator | None = None

    def account(self, outcome: str, delay: float = 2.0) -> Simulator:
        self.driver = Simulator(
            Settings(outcome=Outcome(outcome), delay=delay),
            inbox=self.inbox,
            reports=lambda *report: self.reports.append(report),
            clock=self.clock,
            entropy=FakeEntropy(),
        )
        return self.driver

    def kinds(self) -> list[ReportKind]:
        return [kind for _, _, kind, _ in self.reports]


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    made = Phone()
    yield made
    if made.driver is not None:
        await made.driver.close()
    assert made.clock.timers == 0


def message(kind: str = "sms", code: str | None = "123456") -> Message:
    return Message(
        reference="s-1",
        session="s",
        launch=1,
        recipient="+79001234567",
        type=ChannelType(kind),
        label="SMS",
        text="123456 is your code",
        code=code,
        locale="ru",
        ttl_s=300,
    )


async def test_deliver_answers_after_the_delay_with_the_message_shown(phone: Phone) -> None:
    call = asyncio.create_task(phone.account("deliver").send(message()))
    await phone.clock.advance(1.9)
    assert not call.done()
    assert phone.inbox.messages() == []
    await phone.clock.advance(0.1)
    assert call.result() == Taken(provider_id="s-1")
    [shown] = phone.inbox.messages("+79001234567")
    assert (shown.text, shown.code, shown.session) == ("123456 is your code", "123456", "s")
    assert phone.inbox.messages("+79000000000") == []
    assert phone.reports == []


async def test_reject_refuses_after_the_delay_and_shows_nothing(phone: Phone) -> None:
    call = asyncio.create_task(phone.account("reject").send(message()))
    await phone.clock.advance(1.9)
    assert not call.done()
    await phone.clock.advance(0.1)
    assert call.result() == Refusal(reason="the simulator rejects")
    assert phone.inbox.messages() == []


async def test_undelivered_is_taken_at_once_and_reported_after_the_delay(phone: Phone) -> None:
    assert isinstance(await phone.account("undelivered").send(message()), Taken)
    await phone.clock.advance(1.9)
    assert phone.reports == []
    await phone.clock.advance(0.1)
    assert phone.kinds() == [ReportKind.UNDELIVERED]
    assert phone.inbox.messages() == []


async def test_hang_never_answers(phone: Phone) -> None:
    call = asyncio.create_task(phone.account("hang").send(message()))
    await phone.clock.advance(100_000)
    assert not call.done()
    assert phone.inbox.messages() == []
    call.cancel()


@pytest.mark.parametrize(
    ("outcome", "kind", "word"),
    [
        ("confirm", ReportKind.CONFIRMED, "confirm"),
        ("decline", ReportKind.DECLINED, "decline"),
    ],
)
async def test_the_push_answers_itself_after_the_delay(
    phone: Phone, outcome: str, kind: ReportKind, word: str
) -> None:
    assert isinstance(await phone.account(outcome).send(message("sim_push", None)), Taken)
    [shown] = phone.inbox.messages()
    assert shown.answer is None
    await phone.clock.advance(2)
    assert phone.kinds() == [kind]
    assert phone.inbox.messages()[0].answer == word
    assert not phone.inbox.answer(shown.id, ReportKind.CONFIRMED)


async def test_the_person_answers_a_delivered_push_once(phone: Phone) -> None:
    await phone.account("deliver", 0).send(message("sim_push", None))
    [shown] = phone.inbox.messages()
    assert phone.inbox.answer(shown.id, ReportKind.CONFIRMED)
    assert not phone.inbox.answer(shown.id, ReportKind.DECLINED)
    assert phone.kinds() == [ReportKind.CONFIRMED]
    assert phone.inbox.messages()[0].answer == "confirm"


async def test_a_message_with_a_code_has_nothing_to_answer(phone: Phone) -> None:
    await phone.account("deliver", 0).send(message())
    assert not phone.inbox.answer(phone.inbox.messages()[0].id, ReportKind.CONFIRMED)
    assert not phone.inbox.answer("unknown", ReportKind.CONFIRMED)


async def test_a_closed_account_reports_nothing_more(phone: Phone) -> None:
    account = phone.account("undelivered")
    await account.send(message())
    await account.close()
    await phone.clock.advance(10)
    assert phone.reports == []


@pytest.mark.parametrize("length", range(4, 11))
def test_the_last_digits_of_a_flash_call_are_its_code(length: int) -> None:
    code = "9876543210"[:length]
    number = caller_id(ChannelType.FLASHCALL, code)
    assert number is not None
    assert number.startswith("+7")
    assert number.endswith(code)
    assert len(number) == len("+79001234567")


def test_who_calls() -> None:
    assert caller_id(ChannelType.VOICE, "123456") is not None
    assert caller_id(ChannelType.SMS, "123456") is None


def test_the_inbox_keeps_the_newest_thousand(phone: Phone) -> None:
    heard: list[str] = []
    stop = phone.inbox.subscribe(lambda shown: heard.append(shown.id))
    for number in range(1100):
        phone.inbox.put(
            Delivered(
                id=str(number),
                type=ChannelType.SMS,
                label="",
                recipient="+79001234567",
                text="",
                code=None,
                caller_id=None,
                session="",
                launch=1,
                at=phone.clock.now(),
            ),
            lambda *_: None,
        )
    stop()
    phone.inbox.mark("1099", "confirm")
    phone.inbox.mark("gone", "confirm")
    assert [m.id for m in phone.inbox.messages()] == [str(n) for n in range(100, 1100)]
    assert len(heard) == 1100


# --- settings and the registry -------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "settings", "says"),
    [
        ("simulator", {}, []),
        ("simulator", {"outcome": "deliver", "delay": 0.5}, []),
        ("simulator", {"delay": 3}, []),
        ("simulator", {"outcome": "explode"}, ["outcome: expected one of deliver, reject"]),
        ("simulator", {"delay": "long"}, ["delay: expected a number of seconds"]),
        ("simulator", {"delay": -1}, ["delay: expected seconds from 0"]),
        ("simulator", {"delay": 99999}, ["delay: expected seconds from 0"]),
        (
            "simulator",
            {"outcome": 1, "delay": []},
            ["outcome: expected one of", "delay: expected a number"],
        ),
        ("simulator", {"outcom": "deliver"}, ["outcom: unknown key; known: outcome, delay"]),
        ("pigeon", {}, ['driver: expected one of simulator, got "pigeon"']),
    ],
)
def test_settings(driver: str, settings: dict[str, object], says: list[str]) -> None:
    found = check_settings(driver, settings)
    assert len(found) == len(says)
    assert all(line.startswith(words) for line, words in zip(found, says, strict=True))


async def test_an_account_that_changes_gets_a_new_driver() -> None:
    catalog = FixedCatalog(builders.snapshot(builders.channel()))
    drivers = DriverSet(
        catalog=catalog,
        inbox=Inbox(),
        reports=lambda *_: None,
        clock=FakeClock(),
        entropy=FakeEntropy(),
    )
    first = drivers.get(builders.TENANT, "sms-provider")
    assert first is not None
    assert drivers.get(builders.TENANT, "sms-provider") is first
    changed = {"sms-provider": {"delay": 9}}
    catalog.snapshot = builders.snapshot(builders.channel(), providers=changed)
    second = drivers.get(builders.TENANT, "sms-provider")
    assert second is not None
    assert second is not first
    catalog.snapshot = builders.snapshot(builders.channel("voice"))
    assert drivers.get(builders.TENANT, "sms-provider") is None
    assert drivers.get("another tenant", "voice-provider") is None
    assert drivers.get(builders.TENANT, "voice-provider") is not None
    await drivers.close()
