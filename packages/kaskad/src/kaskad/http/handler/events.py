"""The current channel as Server-Sent Events.

``event: channel`` carries the body of a channel call, ``event: error`` that of
its refusal; ``id`` is the view version, so that a browser that reconnects goes
on where it was. The stream ends when nothing can change any more.
"""

from datetime import timedelta

import msgspec

from kaskad.app.polling import ClientLeft
from kaskad.app.ports import Clock, StoreUnavailableError
from kaskad.app.verification import Caller, ChannelAnswer, Verifications
from kaskad.core.errors import KaskadError, LongPollingTimeoutException
from kaskad.core.model import State
from kaskad.core.view import View
from kaskad.http.exchange import Call, Send, error_reply
from kaskad.http.handler import wire

KEEP_ALIVE_S = 15.0
EARLY_S = 0.1
LONGEST_S = 300
LONGEST_ID = 18
_NO_VIEW = 0
_FINAL = frozenset({State.CLOSED, State.SPENT, State.EXHAUSTED})


class EventStream:
    """Serves ``GET /{requestId}/events``."""

    def __init__(self, verifications: Verifications, clock: Clock) -> None:
        self._verifications = verifications
        self._clock = clock

    async def serve(
        self, call: Call, caller: Caller, request_id: str, send: Send, *, since: int | None
    ) -> int:
        """Stream until the session is over, the client leaves, or the service drains."""
        session = await self._verifications.follow(caller, request_id)
        last = call.header(b"last-event-id") or ""
        known = last.isascii() and last.isdigit() and len(last) <= LONGEST_ID
        version = int(last) if known else (since or _NO_VIEW)
        await self._open(call, send)
        ends = self._clock.now() + timedelta(seconds=LONGEST_S)
        try:
            while self._clock.now() < ends:
                version, final = await self._step(call, caller, session.id, version, send)
                if final:
                    break
        except (ClientLeft, KaskadError, StoreUnavailableError):
            pass  # it has begun: an end is all that can be said, and a browser comes again
        await send({"type": "http.response.body", "body": b""})
        return OK

    async def _open(self, call: Call, send: Send) -> None:
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-accel-buffering", b"no"),
            (b"x-request-id", call.request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": OK, "headers": headers})

    async def _step(
        self, call: Call, caller: Caller, session_id: str, version: int, send: Send
    ) -> tuple[int, bool]:
        """Send the next event, or a sign of life; the version sent, and whether it was the last."""
        sleepy_at = self._clock.now() + timedelta(seconds=KEEP_ALIVE_S - EARLY_S)
        try:
            found = await self._verifications.next_view(
                caller, session_id, version, call.departed, timeout_s=KEEP_ALIVE_S
            )
        except LongPollingTimeoutException:
            await _chunk(send, b": still here\n\n")
            # Woken early: the service drains, or a newer reader needs the place.
            return version, self._clock.now() < sleepy_at or self._verifications.draining
        await _chunk(send, self._event(found, call))
        return found.version, found.session.state in _FINAL

    def _event(self, found: ChannelAnswer, call: Call) -> bytes:
        if isinstance(found.view, View):
            body = wire.channel_body(found.view, self._clock.now(), english=call.english)
            name, data = b"channel", msgspec.json.encode(body)
        else:
            name, data = b"error", error_reply(found.view(), english=call.english).body
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (found.version, name, data)


OK = 200


async def _chunk(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
