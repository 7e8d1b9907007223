"""Listeners of one verification that differ: in the number that they mean, in when they come."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from kaskad_sdk import (
    ChannelChangedEvent,
    ErrorEvent,
    InvalidCodeException,
    OtpClient,
    SuccessConfirmationEvent,
)
from kaskad_sdk.testing import FakeAsyncOtpClient, FakeOtpClient, Simulation
from tests.sdk.faulty import FaultyServer, Reply, Seen
from tests.sdk.twins import KINDS, Client, Twin

WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
NUMBER, OTHER = "+79001234501", "+79009999999"

each_client = pytest.mark.parametrize("kind", KINDS, ids=["async", "sync"])


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


def listen(twin: Twin, request_id: str, recipient: str | None) -> list[Any]:
    """What is heard of the end."""
    heard: list[Any] = []
    twin.client.on_success_confirmation(request_id, heard.append, recipient)
    twin.client.on_error(request_id, heard.append, recipient)
    return heard


@each_client
@pytest.mark.parametrize("numbers", [(NUMBER, OTHER), (OTHER, NUMBER)], ids=str)
async def test_each_listener_hears_of_the_number_that_it_means(
    kind: type[Client], numbers: tuple[str, str]
) -> None:
    """Who listens is not who sent, and a verification is of one number only."""
    simulation = Simulation(code=None)
    sender, twin = FakeOtpClient(simulation), Twin(kind(simulation=simulation))
    id_ = sender.send(WIDGET, NUMBER).request_id
    heard = {number: listen(twin, id_, number) for number in numbers}
    spelt = listen(twin, id_, "8 (900) 123-45-01")
    sender.verify_code(id_, sender.last_code(NUMBER))
    await until(lambda: all([*heard.values(), spelt]))
    await twin.close()
    assert heard[NUMBER] == [SuccessConfirmationEvent(request_id=id_, recipient=NUMBER)]
    assert [event.recipient for event in spelt] == ["8 (900) 123-45-01"]
    assert isinstance(spelt[0], SuccessConfirmationEvent)
    [refused] = heard[OTHER]
    assert isinstance(refused, ErrorEvent)
    assert (refused.recipient, refused.error.type) == (OTHER, "PhoneNumberMismatchException")


@each_client
async def test_who_names_no_number_means_that_of_the_own_send(kind: type[Client]) -> None:
    twin = Twin(kind(simulation=(simulation := Simulation(code=None))))
    id_ = (await twin("send", WIDGET, NUMBER)).request_id
    theirs, own = listen(twin, id_, OTHER), listen(twin, id_, None)
    await twin("verify_code", id_, simulation.last_code(NUMBER))
    await until(lambda: bool(theirs and own))
    await twin.close()
    assert own == [SuccessConfirmationEvent(request_id=id_, recipient=NUMBER)]
    assert [type(event) for event in theirs] == [ErrorEvent]


@each_client
async def test_a_status_that_says_no_is_no_confirmation(kind: type[Client]) -> None:
    view = b'{"type": "sms", "status": "confirmed", "label": "", "codeType": "code"}'

    def script(seen: Seen) -> Reply:
        return Reply(body=b'{"success": false}' if "/status" in seen.target else view)

    with FaultyServer(script) as server:
        twin = Twin(kind(api_url=server.url, api_token="t"))
        heard = listen(twin, SESSION, NUMBER)
        await until(lambda: bool(heard))
        await twin.close()
    assert [type(event) for event in heard] == [ErrorEvent]


# --- who comes late ---------------------------------------------------------------------------


async def test_a_late_listener_that_left_hears_nothing() -> None:
    client = FakeAsyncOtpClient()
    id_ = (await client.send(WIDGET, NUMBER)).request_id
    first: list[Any] = []
    client.on_channel_changed(id_, first.append)
    await until(lambda: bool(first))
    late: list[Any] = []
    client.on_channel_changed(id_, late.append).unsubscribe()
    await asyncio.sleep(0.05)
    await client.close()
    assert late == []


async def test_a_listener_is_not_at_work_twice_at_once() -> None:
    client = FakeAsyncOtpClient()
    id_ = (await client.send(WIDGET, NUMBER)).request_id
    first: list[Any] = []
    client.on_channel_changed(id_, first.append)
    await until(lambda: bool(first))
    steps: list[str] = []
    goes_on = asyncio.Event()

    async def late(event: ChannelChangedEvent) -> None:
        steps.append(f"begins with {event.channel.remaining_code_attempts}")
        await goes_on.wait()
        steps.append("ends")

    client.on_channel_changed(id_, late)
    await until(lambda: bool(steps))
    wrong = "0" * 6 if client.last_code(NUMBER) != "0" * 6 else "1" * 6
    with pytest.raises(InvalidCodeException):
        await client.verify_code(id_, wrong)
    await asyncio.sleep(0.05)
    assert steps == ["begins with 3"]
    goes_on.set()
    await until(lambda: len(steps) == 4)
    await client.close()
    assert steps == ["begins with 3", "ends", "begins with 2", "ends"]


async def test_a_listener_without_a_loop_is_refused_and_is_in_nobodys_way() -> None:
    """Such as one of a function that a framework runs on a thread."""
    client = FakeAsyncOtpClient()
    id_ = (await client.send(WIDGET, NUMBER)).request_id
    heard: list[Any] = []
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(client.on_channel_changed, id_, heard.append)
    client.on_channel_changed(id_, heard.append)
    await until(lambda: bool(heard))
    await client.close()
    assert len(heard) == 1


async def test_a_client_that_a_listener_closes_ends_without_a_word() -> None:
    client = FakeAsyncOtpClient()
    id_ = (await client.send(WIDGET, NUMBER)).request_id
    closed: list[ChannelChangedEvent] = []
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))

    async def close(event: ChannelChangedEvent) -> None:
        await client.close()
        closed.append(event)

    client.on_channel_changed(id_, close)
    await until(lambda: bool(closed))
    client.on_channel_changed(id_, close)
    await until(lambda: not any(id_ in task.get_name() for task in asyncio.all_tasks()))
    gc.collect()
    assert (complaints, len(closed)) == ([], 1)


@pytest.fixture
def held() -> Iterator[FaultyServer]:
    """Sent, and held for long from then on."""
    view = b'{"type": "sms", "status": "sent", "label": "", "codeType": "code"}'

    def script(seen: Seen) -> Reply:
        if "longPolling" in seen.target:
            return Reply(hold_s=90)
        return Reply(body=view, headers={"ETag": '"2"'})

    with FaultyServer(script) as server:
        yield server


def test_a_late_listener_is_told_on_the_thread_of_all_others(held: FaultyServer) -> None:
    threads: list[str] = []

    def listener(_: ChannelChangedEvent) -> None:
        threads.append(threading.current_thread().name)

    with OtpClient(api_url=held.url, api_token="t", max_retries=0) as client:
        client.on_channel_changed(SESSION, listener)
        asyncio.run(until(lambda: held.count("longPolling") == 1))
        for seen in (2, 3):
            client.on_channel_changed(SESSION, listener)
            asyncio.run(until(lambda seen=seen: len(threads) == seen))  # type: ignore[misc]  # now
        asyncio.run(until(lambda: held.count("longPolling") >= 2))
        assert threads == [f"kaskad-watch-{SESSION}"] * 3
        assert held.count("since=2") == held.count("longPolling"), "nothing is read anew"
    assert not any(SESSION in thread.name for thread in threading.enumerate())


def test_a_late_listener_of_a_thread_that_left_hears_nothing(held: FaultyServer) -> None:
    heard: list[Any] = []
    at_work, goes_on = threading.Event(), threading.Event()

    def slow(_: ChannelChangedEvent) -> None:
        at_work.set()
        goes_on.wait(30)

    with OtpClient(api_url=held.url, api_token="t") as client:
        client.on_channel_changed(SESSION, slow)
        assert at_work.wait(30)
        client.on_channel_changed(SESSION, heard.append).unsubscribe()
        stays = client.on_channel_changed(SESSION, heard.append)
        goes_on.set()
        asyncio.run(until(lambda: len(heard) == 1))
        stays.unsubscribe()
        asyncio.run(until(lambda: held.count("longPolling") >= 1))
    assert len(heard) == 1


def test_closing_while_a_late_listener_comes_does_not_lock_up(held: FaultyServer) -> None:
    client = OtpClient(api_url=held.url, api_token="t")
    client.on_channel_changed(SESSION, lambda _: None)
    asyncio.run(until(lambda: held.count("longPolling") == 1))
    client.on_channel_changed(SESSION, lambda _: None)
    client.close()
    assert not any(SESSION in thread.name for thread in threading.enumerate())


def test_who_comes_late_does_not_take_the_confirmation_from_the_others() -> None:
    """The wait that is ended for a late listener may be the one that ends with the success."""
    heard: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/status"):
            return httpx2.Response(200, json={"success": True})
        view = {"type": "sms", "status": "sent", "label": "", "codeType": "code"}
        if "longPolling" not in request.url.path:
            return httpx2.Response(200, json=view, headers={"ETag": '"2"'})
        client.on_channel_changed(SESSION, lambda _: None, NUMBER)
        return httpx2.Response(200, json={**view, "status": "confirmed"})

    transport = httpx2.MockTransport(answer)
    with (
        httpx2.Client(transport=transport) as brought,
        OtpClient(api_url="http://kaskad.invalid", api_token="t", http_client=brought) as client,
    ):
        client.on_channel_changed(SESSION, lambda _: None, NUMBER)
        client.on_success_confirmation(SESSION, heard.append, NUMBER)
        asyncio.run(until(lambda: not _polls()))
    assert [type(event) for event in heard] == [SuccessConfirmationEvent]


def _polls() -> bool:
    return any(SESSION in thread.name for thread in threading.enumerate())
