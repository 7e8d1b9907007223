"""Connections of a blocking client, one a request, which another thread can cut.

A blocking read has a time limit of its own, and a peer that sends a byte now and then never meets
it. So whoever waits sets an alarm, which cuts the connection when all of the time is up.
"""

import ssl
import threading
from contextlib import suppress
from time import monotonic  # noqa: TID251  # of a deadline that only a real network can miss
from typing import Final

import httpx2

from kaskad_sdk._forks import renewed_by_forks

KEPT_ALIVE_S: Final = 4.0
"""Less than the service keeps an idle connection: no call is lost on one that is just closing."""
MOST_IDLE: Final = 100
ONE: Final = httpx2.Limits(
    max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_ALIVE_S
)
_NEVER: Final = float("inf")
_LONGEST_WAIT_S: Final = 60.0
_SHUT_BOTH: Final = 2


class Slot:
    """One connection, which another thread can cut."""

    def __init__(self, context: ssl.SSLContext, proxy: str | None) -> None:
        self._transport = httpx2.HTTPTransport(verify=context, proxy=proxy, limits=ONE)
        self._stream: object = None
        self.aborted = False

    def handle(self, whole: httpx2.Request) -> httpx2.Response:
        """Make a request."""
        whole.extensions["trace"] = self._seen
        return self._transport.handle_request(whole)

    def _seen(self, name: str, info: dict[str, object]) -> None:
        """Through a proxy the same steps have other names before the dot."""
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._stream = info.get("return_value")
            if self.aborted:
                self._cut()

    def abort(self) -> None:
        """End whatever goes on; the slot is of no more use."""
        self.aborted = True
        self._cut()

    def _cut(self) -> None:
        """A reader in another thread wakes when its socket is shut down, not when it is closed."""
        look = getattr(self._stream, "get_extra_info", None)
        sock = look("socket") if look is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(_SHUT_BOTH)

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()


class Slots:
    """Connections by one way: as many as are in use at once, and some that wait for use."""

    def __init__(self, context: ssl.SSLContext, proxy: str | None) -> None:
        self._context = context
        self._proxy = proxy
        self._lock = threading.Lock()
        self._idle: list[Slot] = []
        self._closed = False
        renewed_by_forks(self)

    def renew(self) -> None:
        """In the child of a fork: the connections there are the parent's."""
        self._lock = threading.Lock()
        idle, self._idle = self._idle, []
        for slot in idle:
            slot.close()  # this process's hold on it; the parent's stays

    def taken(self) -> Slot:
        """One for a request."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Slot(self._context, self._proxy)

    def given_back(self, slot: Slot, *, usable: bool) -> None:
        """After the request; ``usable`` when its answer was read to the end."""
        with self._lock:
            keep = usable and not slot.aborted and not self._closed
            if keep and len(self._idle) < MOST_IDLE:
                self._idle.append(slot)
                return
        slot.close()

    def close(self) -> None:
        """Let go of those that nobody uses; the others follow when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for slot in idle:
            slot.close()


class Alarms:
    """Cuts connections whose time is up, on one thread that is there while any is in use."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._set: dict[Slot, float] = {}
        self._wakes_at = _NEVER
        self._thread: threading.Thread | None = None
        renewed_by_forks(self)

    def renew(self) -> None:
        """In the child of a fork: what is set there is the parent's to cut."""
        self._changed = threading.Condition()
        self._set = {}
        self._wakes_at = _NEVER
        self._thread = None

    def set(self, slot: Slot, ends: float) -> None:
        """Cut it at that time of the monotonic clock, unless it is dropped before."""
        with self._changed:
            self._set[slot] = ends
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._watch, name="kaskad-alarms", daemon=True
                )
                self._wakes_at = ends
                self._thread.start()
            elif ends < self._wakes_at:
                self._changed.notify()

    def drop(self, slot: Slot) -> None:
        """It is in use no more: afterwards it is not cut, and ``aborted`` says whether it was."""
        with self._changed:
            self._set.pop(slot, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = monotonic()
                for slot in [slot for slot, ends in self._set.items() if ends <= now]:
                    del self._set[slot]
                    slot.abort()
                idle_until = now + KEPT_ALIVE_S
                self._wakes_at = min(self._set.values(), default=idle_until)
                self._changed.wait(min(max(0.0, self._wakes_at - now), _LONGEST_WAIT_S))
                if not self._set and monotonic() >= idle_until:
                    self._thread = None
                    return
