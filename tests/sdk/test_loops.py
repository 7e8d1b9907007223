"""One client in several event loops: one for each command, or one in each thread."""

import asyncio
import gc
import threading
import weakref

import pytest

from kaskad_sdk import AsyncOtpClient, NoConnectionException
from tests.acceptance.crowd import allowed
from tests.sdk.faulty import FaultyServer, Reply, refusing

SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
NUMBER = "+79001234567"


async def asked(client: AsyncOtpClient, times: int = 1) -> bool:
    found = await asyncio.gather(*(client.check_status(SESSION, NUMBER) for _ in range(times)))
    return all(status.success for status in found)


def test_each_run_may_use_the_same_client(server: FaultyServer) -> None:
    client = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0)
    for times in (1, 3, 1, 2):
        assert asyncio.run(asked(client, times))
    asyncio.run(client.close())
    with pytest.raises(NoConnectionException, match="closed"):
        asyncio.run(asked(client))


def test_loops_of_several_threads_may_use_it_at_once(server: FaultyServer) -> None:
    client = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0)
    together = threading.Barrier(4)
    found: list[object] = []

    async def often() -> None:
        for _ in range(10):
            together.wait(allowed(20))
            found.append(await asked(client, 3))

    def work() -> None:
        try:
            asyncio.run(often())
        except BaseException as error:
            found.append(error)
            together.abort()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(allowed(30))
    assert found == [True] * 40


def test_loops_that_have_ended_are_forgotten(server: FaultyServer) -> None:
    client = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def once() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await asked(client)

    for _ in range(5):
        asyncio.run(once())
    gc.collect()
    assert sum(loop() is not None for loop in loops) <= 1


def test_each_loop_tells_its_own_listeners(server: FaultyServer) -> None:
    together = threading.Barrier(2)
    heard: list[bool] = []

    def script(_: object) -> Reply:
        together.wait(allowed(20))  # both ask, whoever listened first
        return refusing(404, "SessionNotFoundException")

    async def listens() -> None:
        here, told = threading.get_ident(), asyncio.Event()

        def hears(_: object) -> None:
            heard.append(threading.get_ident() == here)
            told.set()

        client.on_error(SESSION, hears)
        await asyncio.wait_for(told.wait(), allowed(30))

    server.script = script
    client = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0)
    threads = [threading.Thread(target=asyncio.run, args=(listens(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(allowed(40))
    assert heard == [True, True]


def test_it_is_closed_in_one_loop_while_another_listens(server: FaultyServer) -> None:
    server.script = lambda _: Reply(hold_s=allowed(20))
    client = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0)
    closed = threading.Event()

    async def listens() -> None:
        client.on_error(SESSION, lambda _: None)
        await asyncio.to_thread(closed.wait, allowed(20))

    listening = threading.Thread(target=asyncio.run, args=(listens(),))
    listening.start()
    while not server.seen:
        closed.wait(0.01)
    asyncio.run(client.close())
    closed.set()
    listening.join(allowed(20))
    assert not listening.is_alive()


async def test_a_call_under_way_ends_when_its_loop_s_client_is_closed(server: FaultyServer) -> None:
    server.script = lambda _: Reply(hold_s=allowed(20))
    client = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0, timeout=3600)
    waiting = asyncio.create_task(asked(client))
    while not server.seen:  # noqa: ASYNC110  # a server on threads
        await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(NoConnectionException):
        await asyncio.wait_for(waiting, allowed(10))
