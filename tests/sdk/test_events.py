"""Listeners: one poll for all of a verification, whoever comes, fails and goes."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kaskad_sdk import (
    AsyncOtpClient,
    ChannelChangedEvent,
    ErrorEvent,
    NoConnectionException,
    OtpClient,
    SuccessConfirmationEvent,
)
from kaskad_sdk.testing import FakeAsyncOtpClient, FakeOtpClient
from tests.acceptance.crowd import allowed
from tests.sdk.faulty import FaultyServer, Reply, Seen, refusing

SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
NUMBER = "+79001234567"


def view(status: str, version: int) -> Reply:
    body = f'{{"type": "sms", "status": "{status}", "label": "", "codeType": "code"}}'
    return Reply(body=body.encode(), headers={"ETag": f'"{version}"'})


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Sent, and held for long from then on."""

    def script(seen: Seen) -> Reply:
        return Reply(hold_s=90) if "longPolling" in seen.target else view("sent", 2)

    with FaultyServer(script) as server:
        yield server


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


async def test_all_listeners_share_one_poll(server: FaultyServer) -> None:
    heard: list[Any] = []
    async with AsyncOtpClient(api_url=server.url, api_token="t") as client:
        places = [client.on_channel_changed(SESSION, heard.append) for _ in range(5)]
        places.append(client.on_error(SESSION, heard.append))
        await until(lambda: len(heard) == 5 and server.count("longPolling") == 1)
        late = client.on_channel_changed(SESSION, heard.append)
        await until(lambda: len(heard) == 6)
        assert {e.channel.version for e in heard} == {2}
        for place in [*places, late]:
            place.unsubscribe()
        await until(lambda: not client._watches._tasks)
        assert (server.count("longPolling"), len(server.seen)) == (1, 2)


def test_all_listeners_of_a_blocking_client_share_a_thread(server: FaultyServer) -> None:
    heard: list[Any] = []
    with OtpClient(api_url=server.url, api_token="t") as client:
        places = [client.on_channel_changed(SESSION, heard.append) for _ in range(5)]
        asyncio.run(until(lambda: len(heard) == 5 and server.count("longPolling") == 1))
        names = [t.name for t in threading.enumerate() if SESSION in t.name]
        assert names == [f"kaskad-watch-{SESSION}"]
        places.append(client.on_channel_changed(SESSION, heard.append))
        asyncio.run(until(lambda: len(heard) == 6))
        began = time.monotonic()
        for place in places:
            place.unsubscribe()
        asyncio.run(until(lambda: not any(SESSION in t.name for t in threading.enumerate())))
        assert time.monotonic() - began < allowed(3.0)


def test_closing_from_a_listener_does_not_lock_up(server: FaultyServer) -> None:
    done = threading.Event()
    client = OtpClient(api_url=server.url, api_token="t")

    def listener(_: ChannelChangedEvent) -> None:
        client.close()
        done.set()

    client.on_channel_changed(SESSION, listener)
    assert done.wait(30)


def test_a_client_that_closes_ends_its_threads(server: FaultyServer) -> None:
    heard: list[Any] = []
    client = OtpClient(api_url=server.url, api_token="t")
    client.on_error(SESSION, heard.append)
    asyncio.run(until(lambda: server.count("longPolling") == 1))
    client.close()
    assert not any(SESSION in t.name for t in threading.enumerate())
    assert heard == []


async def test_a_listener_may_await_and_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []

    async def listener(event: SuccessConfirmationEvent) -> None:
        await asyncio.sleep(0)
        heard.append(event)

    def failing(_: SuccessConfirmationEvent) -> None:
        raise RuntimeError("mine")

    async with FakeAsyncOtpClient() as client:
        sent = await client.send(WIDGET, NUMBER)
        client.on_success_confirmation(sent.request_id, failing)
        client.on_success_confirmation(sent.request_id, listener)
        await client.verify_code(sent.request_id, client.last_code(NUMBER))
        await until(lambda: bool(heard))
    assert heard == [SuccessConfirmationEvent(request_id=sent.request_id, recipient=NUMBER)]
    assert "mine" in caplog.text


def test_a_listener_of_a_blocking_client_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Any] = []

    def failing(_: SuccessConfirmationEvent) -> None:
        raise RuntimeError("mine")

    with FakeOtpClient() as client:
        sent = client.send(WIDGET, NUMBER)
        client.on_success_confirmation(sent.request_id, failing)
        client.on_success_confirmation(sent.request_id, heard.append)
        client.verify_code(sent.request_id, client.last_code(NUMBER))
        asyncio.run(until(lambda: bool(heard)))
    assert "mine" in caplog.text


async def test_a_service_out_of_reach_is_told_of(server: FaultyServer) -> None:
    heard: list[ErrorEvent] = []
    with FaultyServer() as gone:
        pass
    async with AsyncOtpClient(api_url=gone.url, api_token="t") as client:
        client.on_error(SESSION, heard.append)
        await until(lambda: bool(heard))
    assert isinstance(heard[0].error, NoConnectionException)


async def test_a_new_listener_begins_anew_after_the_end(server: FaultyServer) -> None:
    server.script = lambda _: refusing(404, "SessionNotFoundException")
    heard: list[ErrorEvent] = []
    async with AsyncOtpClient(api_url=server.url, api_token="t") as client:
        for seen in (1, 2):
            client.on_error(SESSION, heard.append)
            await until(lambda seen=seen: len(heard) == seen)  # type: ignore[misc]  # bound now
    assert [e.error.type for e in heard] == ["SessionNotFoundException"] * 2


async def test_a_listener_that_leaves_is_not_cut_off() -> None:
    client = FakeAsyncOtpClient()
    sent = await client.send(WIDGET, NUMBER)
    verdicts: list[bool] = []

    async def collect(event: SuccessConfirmationEvent) -> None:
        place.unsubscribe()
        await asyncio.sleep(0.01)
        verdict = await client.check_status_and_complete(event.request_id, NUMBER)
        verdicts.append(verdict.success)

    place = client.on_success_confirmation(sent.request_id, collect)
    await asyncio.sleep(0)
    await client.verify_code(sent.request_id, client.last_code(NUMBER))
    await until(lambda: verdicts == [True])
    await client.close()


async def test_a_poll_whose_last_listener_leaves_at_work_ends(server: FaultyServer) -> None:
    heard: list[Any] = []
    async with AsyncOtpClient(api_url=server.url, api_token="t") as client:

        async def once(event: ChannelChangedEvent) -> None:
            place.unsubscribe()
            other.unsubscribe()
            await asyncio.sleep(0.01)
            heard.append(event)

        place = client.on_channel_changed(SESSION, once)
        other = client.on_channel_changed(SESSION, heard.append)
        await until(lambda: len(heard) == 1)
        await asyncio.sleep(0.05)
    assert len(heard) == 1
    assert not server.count("longPolling")


async def test_a_late_listener_hears_that_another_message_may_be_asked_for() -> None:
    client = FakeAsyncOtpClient()
    sent = await client.send(WIDGET, NUMBER)
    heard: list[str] = []
    client.on_resend_channel(sent.request_id, lambda _: heard.append("first"))
    await asyncio.sleep(0.05)
    client.simulation.advance(301)
    await until(lambda: heard == ["first"])
    client.on_resend_channel(sent.request_id, lambda _: heard.append("late"))
    await until(lambda: heard == ["first", "late"])
    await client.close()


def test_a_late_listener_of_a_blocking_client_hears_it_too() -> None:
    with FakeOtpClient() as client:
        sent = client.send(WIDGET, NUMBER)
        heard: list[str] = []
        told = threading.Event()
        client.on_resend_channel(sent.request_id, lambda _: told.set())
        client.simulation.advance(301)
        assert told.wait(5)
        client.on_resend_channel(sent.request_id, lambda _: heard.append("late"))
        asyncio.run(until(lambda: heard == ["late"]))
