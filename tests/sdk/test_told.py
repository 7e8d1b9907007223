"""What an error says: why to whoever runs the application, and in the client's language."""

import asyncio
import errno
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from kaskad_sdk import (
    AsyncOtpClient,
    CaptchaNotConfirmedException,
    ErrorEvent,
    LongPollingTimeoutException,
    NoConnectionException,
    OtpException,
    SessionNotFoundException,
    ValidateError,
    WidgetNotFoundException,
)
from kaskad_sdk._transport import _lost
from kaskad_sdk.captcha import Altcha, Guard
from tests.acceptance.crowd import allowed
from tests.peers.ports import free_port
from tests.sdk.faulty import FaultyServer, refusing
from tests.sdk.twins import KINDS, Client, Twin

SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
NUMBER = "+79001234567"

each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(params=KINDS)
async def english(request: pytest.FixtureRequest) -> AsyncIterator[Twin]:
    kind: type[Client] = request.param
    guard = Guard(Altcha(hmac_key="a key of the tests, long enough"))
    twin = Twin(kind(environment="test", language="en", captcha=guard))
    yield twin
    await twin.close()


@pytest.mark.parametrize(
    ("error", "call", "given"),
    [
        (WidgetNotFoundException, "get_widget_data", ("no/id",)),
        (SessionNotFoundException, "get_channel", ("no/id",)),
        (ValidateError, "get_channel", (None,)),
        (LongPollingTimeoutException, "wait_for_channel_selected", (SESSION,)),
        (CaptchaNotConfirmedException, "send", (WIDGET, NUMBER, "203.0.113.7")),
    ],
)
async def test_errors_of_our_own_are_in_the_client_s_language(
    english: Twin, error: type[OtpException], call: str, given: tuple[str, ...]
) -> None:
    with pytest.raises(error) as raised:
        await english(call, *given, **({"timeout": 0} if call.startswith("wait") else {}))
    assert raised.value.message == error.en
    assert error.en in str(raised.value)


@each_kind
async def test_a_refusal_without_a_text_is_too(kind: type[Client]) -> None:
    with FaultyServer(lambda _: refusing(404)) as server:
        twin = Twin(kind(api_url=server.url, api_token="t", language="en"))
        with pytest.raises(OtpException) as raised:
            await twin("get_channel", SESSION)
        assert raised.value.message == "There is no such path"
        await twin.close()


async def test_what_listeners_are_told_is_too() -> None:
    heard: asyncio.Queue[ErrorEvent] = asyncio.Queue()
    async with AsyncOtpClient(environment="test", language="en") as client:
        client.on_error("no/id", heard.put)
        told = await asyncio.wait_for(heard.get(), allowed(10))
    assert told.error.message == SessionNotFoundException.en


@contextmanager
def without_tls() -> Iterator[int]:
    """The port of a server that answers a handshake with words."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        yield listening.getsockname()[1]
        answering.join(allowed(10))


async def unconnected(kind: type[Client], url: str) -> NoConnectionException:
    twin = Twin(kind(api_url=url, api_token="t", max_retries=0, language="en"))
    with pytest.raises(NoConnectionException) as raised:
        await twin("check_status_and_complete", SESSION, NUMBER)
    await twin.close()
    assert url in str(raised.value)
    assert NUMBER[1:] not in str(raised.value)
    assert raised.value.reason in str(raised.value)
    assert raised.value.message == NoConnectionException.en
    return raised.value


@each_kind
async def test_no_connection_says_why(kind: type[Client]) -> None:
    lost = await unconnected(kind, f"http://127.0.0.1:{free_port()}")
    assert lost.reason == "ConnectError: Connection refused"
    with without_tls() as port:
        lost = await unconnected(kind, f"https://127.0.0.1:{port}")
    assert "no TLS" in lost.reason


def of_nobody_trusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL] of https://x/?recipient=+79001234567")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (of_nobody_trusted(), "certificate verify failed: self-signed certificate"),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), "no such name"),
        (OSError(errno.EHOSTUNREACH, f"no way to {NUMBER}"), "No route to host"),
        (OSError(f"no way to {NUMBER}"), None),
    ],
)
def test_the_system_says_why_there_is_no_connection(cause: OSError, why: str | None) -> None:
    problem = httpx2.ConnectError(f"to {NUMBER}")
    problem.__context__ = cause
    assert str(_lost(problem)) == ("ConnectError" if why is None else f"ConnectError: {why}")
