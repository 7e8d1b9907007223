"""A client that was made before a fork: parent and child have nothing in common."""

import asyncio
import multiprocessing
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kaskad_sdk import AsyncOtpClient, CaptchaNotConfirmedException, OtpClient
from kaskad_sdk._forks import _kept
from kaskad_sdk._slots import KEPT_ALIVE_S, Alarms, Slot
from kaskad_sdk.captcha import Cloudflare
from tests.acceptance.crowd import allowed
from tests.sdk.faulty import FaultyServer, Reply, refusing

SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
NUMBER = "+79001234567"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"


@pytest.fixture
def client(server: FaultyServer) -> Iterator[OtpClient]:
    with OtpClient(api_url=server.url, api_token="t", max_retries=0) as client:
        yield client


def in_child(work: Callable[[], object]) -> None:
    child = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    child.start()
    child.join(allowed(20))
    hangs = child.is_alive()
    child.kill()
    assert not hangs
    assert child.exitcode == 0


def test_a_child_has_connections_of_its_own(server: FaultyServer, client: OtpClient) -> None:
    """On one that is shared each would read the other's answers, and take them for verdicts."""
    began = time.monotonic()
    client.check_status(SESSION, NUMBER)
    in_child(lambda: client.check_status(SESSION, NUMBER))
    assert server.connections == 2
    client.check_status(SESSION, NUMBER)
    # The parent's has outlived the child, unless that took longer than it is kept.
    assert server.connections == 2 or time.monotonic() - began >= KEPT_ALIVE_S


def test_a_child_that_ends_ends_nothing_of_its_parent(
    server: FaultyServer, client: OtpClient
) -> None:
    go_on = threading.Event()

    def held(_: object) -> Reply:
        go_on.wait(allowed(20))
        return Reply()

    server.script = held
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(client.check_status(SESSION, NUMBER)))
    waiting.start()
    while not server.seen:
        go_on.wait(0.01)
    in_child(client.close)
    go_on.set()
    waiting.join(allowed(20))
    assert len(answers) == 1


def test_a_child_is_told_itself(server: FaultyServer, client: OtpClient) -> None:
    """What its parent listens to has no thread there."""
    server.script = lambda _: Reply(hold_s=allowed(20))
    client.on_error(SESSION, lambda _: None)
    while not server.seen:
        threading.Event().wait(0.01)
    server.script = lambda _: refusing(404, "SessionNotFoundException")

    def listens() -> None:
        heard = threading.Event()
        client.on_error(SESSION, lambda _: heard.set())
        assert heard.wait(allowed(10))

    in_child(listens)


def test_a_lock_that_a_thread_of_the_parent_holds_is_free_in_the_child(
    server: FaultyServer, client: OtpClient
) -> None:
    client.check_status(SESSION, NUMBER)
    awaiting = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0)
    captcha = Cloudflare(site_key="site", secret_key="secret", verify_url=f"{server.url}/vendor")
    with OtpClient(api_url=server.url, api_token="t", captcha=captcha) as guarded:
        locked, done = threading.Event(), threading.Event()

        def hold() -> None:
            with ExitStack() as held:
                for kept in list(_kept):
                    for lock in vars(kept).values():
                        if hasattr(lock, "acquire"):
                            held.enter_context(lock)
                locked.set()
                done.wait(allowed(40))

        def works() -> None:
            client.check_status(SESSION, NUMBER)
            with pytest.raises(CaptchaNotConfirmedException):
                guarded.send(WIDGET, NUMBER, "203.0.113.7", "a token")
            client.on_error(SESSION, lambda _: None)
            asyncio.run(awaiting.check_status(SESSION, NUMBER))
            client.close()

        holding = threading.Thread(target=hold)
        holding.start()
        assert locked.wait(allowed(20))
        try:
            in_child(works)
        finally:
            done.set()
            holding.join()


def test_a_child_cuts_nothing_of_its_parent() -> None:
    """Whatever the parent waits for may be over, and its connection in use for something else."""
    alarms = Alarms()
    parents, own = (Slot(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None) for _ in range(2))
    alarms.set(parents, time.monotonic() + 1)

    def works() -> None:
        alarms.set(own, time.monotonic() + 1)
        while not own.aborted:
            time.sleep(0.01)
        assert not parents.aborted

    in_child(works)
    alarms.drop(parents)


def test_a_child_has_connections_of_its_own_in_a_loop_of_its_parent(server: FaultyServer) -> None:
    client = AsyncOtpClient(api_url=server.url, api_token="t", max_retries=0)
    with asyncio.Runner() as runner:

        def asks() -> None:
            assert runner.run(client.check_status(SESSION, NUMBER)).success

        asks()
        in_child(asks)
        assert server.connections == 2
        runner.run(client.close())
