"""How requests reach the service: over httpx2, awaiting or blocking, with a pool for each purpose.

Held calls have connections of their own, so that a thousand of them never make a send wait. The
transports of httpx2 are used without its clients: those write whole addresses, numbers of people
included, to the log, and keep cookies. A client that the application brings is used as it is.
"""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from time import monotonic  # noqa: TID251  # of a deadline that only a real network can miss
from typing import Final, Protocol

import httpx2

from kaskad_sdk._forks import renewed_by_forks
from kaskad_sdk._outside import AsyncOutside, Outside, proxy_of
from kaskad_sdk._slots import KEPT_ALIVE_S, Alarms, Slots
from kaskad_sdk._steps import NoAnswer, Request, Response

LARGEST_ANSWER: Final = 1024 * 1024
LONGEST_CONNECT_S: Final = 5.0
CALLS: Final = httpx2.Limits(
    max_connections=100, max_keepalive_connections=100, keepalive_expiry=KEPT_ALIVE_S
)
POLLS: Final = httpx2.Limits(
    max_connections=None, max_keepalive_connections=100, keepalive_expiry=KEPT_ALIVE_S
)
_UNSENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


class Abortable(Protocol):
    """What waits for something."""

    def abort(self) -> None:
        """End it, from another thread."""


class Cancel:
    """Lets another thread end what a blocking call waits for."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._lock = threading.Lock()
        self._slot: Abortable | None = None

    def __call__(self) -> None:
        """End it now."""
        with self._lock:
            self.asked.set()
            slot = self._slot
        if slot is not None:
            slot.abort()

    def attach(self, slot: Abortable | None) -> None:
        """What is to be aborted from now on."""
        with self._lock:
            self._slot = slot


class UnderWay:
    """What blocking calls wait for, to be ended together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancels: set[Cancel] = set()
        self._closed = False
        renewed_by_forks(self)

    def renew(self) -> None:
        """In the child of a fork: the calls under way are the parent's."""
        self._lock = threading.Lock()
        self._cancels = set()

    def begin(self, cancel: Cancel) -> None:
        """A call begins; it ends at once when all have been ended."""
        with self._lock:
            self._cancels.add(cancel)
            closed = self._closed
        if closed:
            cancel()

    def end(self, cancel: Cancel) -> None:
        """It is over."""
        with self._lock:
            self._cancels.discard(cancel)

    def close(self) -> None:
        """End all of them, and those that are yet to begin."""
        with self._lock:
            self._closed = True
            cancels = list(self._cancels)
        for cancel in cancels:
            cancel()


class AsyncTransport(Protocol):
    """Makes requests, awaiting."""

    async def exchange(self, request: Request) -> Response:
        """The answer; raises :class:`NoAnswer`."""

    async def close(self) -> None:
        """Let go of every connection."""


class Transport(Protocol):
    """Makes requests, blocking."""

    def exchange(self, request: Request, cancel: Cancel) -> Response:
        """The answer; raises :class:`NoAnswer`, also when it is cancelled meanwhile."""

    def close(self) -> None:
        """Let go of every connection."""


def _lost(problem: Exception) -> NoAnswer:
    """Never tells the address: it has the person's number in it."""
    reason = type(problem).__name__
    if isinstance(problem, httpx2.ConnectError) and (why := _why_unconnected(problem)):
        reason = f"{reason}: {why}"
    return NoAnswer(reason, sent=not isinstance(problem, _UNSENT))


def _why_unconnected(problem: BaseException) -> str | None:
    """The system's word for it: nobody listens, no such name, a certificate of nobody trusted."""
    cause: BaseException | None = problem
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return f"certificate verify failed: {cause.verify_message}"
            case ssl.SSLError():
                return f"no TLS: {cause.reason}"
            case socket.gaierror():
                return cause.strerror
            case OSError(errno=int(number)):
                return os.strerror(number)
        cause = cause.__cause__ or cause.__context__
    return None


def _whole(request: Request, within_s: float) -> httpx2.Request:
    """Connecting may not take all of the time, so that it is known whether anything was sent."""
    connect = min(LONGEST_CONNECT_S, within_s * 0.8)
    timeout = {"connect": connect, "pool": within_s * 0.8, "read": within_s, "write": within_s}
    try:
        return httpx2.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.body,
            extensions={"timeout": timeout},
        )
    except (httpx2.InvalidURL, UnicodeError, ValueError) as problem:
        raise NoAnswer(type(problem).__name__, sent=False) from problem


def _still_open(client: httpx2.AsyncClient | httpx2.Client) -> None:
    """Who closed it was the application, which hears of it as of any other lost connection."""
    if client.is_closed:
        raise NoAnswer("the HTTP client is closed", sent=False)


def _response(answer: httpx2.Response, body: bytes) -> Response:
    return Response(status=answer.status_code, headers=dict(answer.headers), body=body)


def _grown(body: bytearray, part: bytes) -> None:
    body += part
    if len(body) > LARGEST_ANSWER:
        raise NoAnswer("the answer is too large", sent=True)


def tls_for(url: str, proxy: str | None) -> ssl.SSLContext:
    """Whom the way to the service trusts: nobody where there is no TLS on it.

    To read the machine's certificates takes a while.
    """
    if proxy is None and url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.create_ssl_context()


# --- awaiting --------------------------------------------------------------------------------


class AsyncPools:
    """The connections of one event loop: for calls, for held calls, for who is not the service."""

    def __init__(self, context: ssl.SSLContext, proxy: str | None) -> None:
        self.calls = httpx2.AsyncHTTPTransport(verify=context, proxy=proxy, limits=CALLS)
        self.polls = httpx2.AsyncHTTPTransport(verify=context, proxy=proxy, limits=POLLS)

    async def close(self) -> None:
        """Let go of them."""
        await self.calls.aclose()
        await self.polls.aclose()


class LoopPlace:
    """What an event loop has of a client: connections belong to the loop that opened them."""

    def __init__(self, pools: AsyncPools | None) -> None:
        self.pools = pools
        self.outside = AsyncOutside()
        self.under_way: set[asyncio.Timeout] = set()
        self._end = self._closed_at_the_end()

    async def begin(self) -> None:
        """From now on the loop closes this when it ends, as ``asyncio.run`` ends its own."""
        await anext(self._end)

    async def _closed_at_the_end(self) -> AsyncIterator[None]:
        """Loops close the generators that have begun in them."""
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """End what is under way, and let go of the connections."""
        now = asyncio.get_running_loop().time()
        for limit in self.under_way:
            if not limit.expired():
                limit.reschedule(now)
        while self.under_way:  # noqa: ASYNC110  # they end in this loop's next turns
            await asyncio.sleep(0)
        await self.outside.close()
        if self.pools is not None:
            await self.pools.close()


class AsyncNetwork:
    """:class:`AsyncTransport` over pools of connections, or over the application's client."""

    def __init__(
        self, base: str, *, timeout_s: float, client: httpx2.AsyncClient | None = None
    ) -> None:
        self._base = base
        self._timeout_s = timeout_s
        self._client = client
        self._lock = threading.Lock()
        self._places: dict[asyncio.AbstractEventLoop, LoopPlace] = {}
        self._parents = self._places
        self._proxy = proxy_of(base)
        self._context = tls_for(base, self._proxy) if client is None else None
        renewed_by_forks(self)

    def renew(self) -> None:
        """In the child of a fork: no loop of the parent's goes on there."""
        self._lock = threading.Lock()
        self._parents = self._places  # kept: to be collected would wake the parent's loops
        self._places = {}

    async def _here(self) -> LoopPlace:
        """The running loop's. Those of loops that have ended are forgotten."""
        loop = asyncio.get_running_loop()
        with self._lock:
            found = self._places.get(loop)
            if found is not None:
                return found
            for ended in [other for other in self._places if other.is_closed()]:
                del self._places[ended]
            context = self._context
            found = LoopPlace(AsyncPools(context, self._proxy) if context else None)
            self._places[loop] = found
        await found.begin()
        return found

    async def exchange(self, request: Request) -> Response:
        """Make a request; given up after its time, however the answer trickles."""
        within_s = request.within_s or self._timeout_s + request.hold_s
        whole = _whole(request, within_s)
        place = await self._here()
        try:
            async with asyncio.timeout(within_s) as limit:
                place.under_way.add(limit)
                try:
                    return await self._exchange(place, request, whole)
                finally:
                    place.under_way.discard(limit)
        except TimeoutError as late:
            raise NoAnswer("no answer in time", sent=True) from late
        except httpx2.HTTPError as problem:
            raise _lost(problem) from problem

    async def _exchange(
        self, place: LoopPlace, request: Request, whole: httpx2.Request
    ) -> Response:
        if self._client is not None:
            _still_open(self._client)
            answer = await self._client.send(whole, stream=True)
        elif not request.url.startswith(self._base):
            pool = await place.outside.pool(request.url)
            answer = await pool.handle_async_request(whole)
        else:
            assert place.pools is not None  # noqa: S101  # for the type alone
            pool = place.pools.polls if request.hold_s > 0 else place.pools.calls
            answer = await pool.handle_async_request(whole)
        body = bytearray()
        try:
            async for part in answer.aiter_bytes():
                _grown(body, part)
        finally:
            await answer.aclose()
        return _response(answer, bytes(body))

    async def close(self) -> None:
        """End what this loop has under way, and let go of its connections."""
        with self._lock:
            place = self._places.get(asyncio.get_running_loop())
        if place is not None:
            await place.close()


# --- blocking --------------------------------------------------------------------------------


class Network:
    """:class:`Transport` over connections of our own, or over the application's client.

    Each request has a connection to itself, so that nobody waits for anybody, and is cut when its
    time is up. What the application's client does with its connections is the application's: there
    we look at the time between the parts of an answer's body, and no sooner.
    """

    def __init__(self, base: str, *, timeout_s: float, client: httpx2.Client | None = None) -> None:
        self._base = base
        self._timeout_s = timeout_s
        self._client = client
        self._outside = Outside()
        self._alarms = Alarms()
        if client is None:
            proxy = proxy_of(base)
            self._service = Slots(tls_for(base, proxy), proxy)

    def exchange(self, request: Request, cancel: Cancel) -> Response:
        """Make a request; given up after its time, however the answer trickles."""
        within_s = request.within_s or self._timeout_s + request.hold_s
        ends = monotonic() + within_s
        whole = _whole(request, within_s)
        try:
            if self._client is not None:
                _still_open(self._client)
                return _read(self._client.send(whole, stream=True), ends)
            ours = request.url.startswith(self._base)
            slots = self._service if ours else self._outside.slots(request.url)
            return self._exchange(slots, whole, ends, cancel)
        except httpx2.HTTPError as problem:
            raise _lost(problem) from problem

    def _exchange(
        self, slots: Slots, whole: httpx2.Request, ends: float, cancel: Cancel
    ) -> Response:
        slot, done = slots.taken(), False
        self._alarms.set(slot, ends)
        cancel.attach(slot)
        try:
            if cancel.asked.is_set():
                raise NoAnswer("cancelled", sent=False)
            response = _read(slot.handle(whole), ends)
            done = True
        except httpx2.HTTPError as problem:
            if slot.aborted and not isinstance(problem, _UNSENT):
                raise _cut(cancel) from problem
            raise
        finally:
            cancel.attach(None)
            self._alarms.drop(slot)
            slots.given_back(slot, usable=done)
        if slot.aborted:  # what looks like the end of the answer may be where it was cut
            raise _cut(cancel)
        return response

    def close(self) -> None:
        """Let go of our connections; the application's client is the application's."""
        self._outside.close()
        if self._client is None:
            self._service.close()


def _cut(cancel: Cancel) -> NoAnswer:
    return NoAnswer("cancelled" if cancel.asked.is_set() else "no answer in time", sent=True)


def _read(answer: httpx2.Response, ends: float) -> Response:
    body = bytearray()
    try:
        for part in answer.iter_bytes():
            _grown(body, part)
            if monotonic() > ends:
                raise NoAnswer("no answer in time", sent=True)
    finally:
        answer.close()
    return _response(answer, bytes(body))
