"""The public API on bare ASGI."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

import msgspec
import structlog

from kaskad.app.callers import Callers
from kaskad.app.pages import Page
from kaskad.app.polling import ClientLeft
from kaskad.app.ports import Clock, Entropy, StoreUnavailableError, Telemetry
from kaskad.app.repeating import Idempotency
from kaskad.app.verification import Caller, ChannelAnswer, SendWish, Verifications
from kaskad.core import errors
from kaskad.core.view import View
from kaskad.http.exchange import (
    Call,
    Receive,
    Reply,
    Scope,
    Send,
    decode_json,
    error_reply,
    json_reply,
)
from kaskad.http.handler import wire
from kaskad.http.handler.events import EventStream
from kaskad.http.handler.router import match
from kaskad.http.handler.routes import Route

log = structlog.get_logger()

LONGEST_KEY = 255
LONGEST_SINCE = 18
_SUCCESS: Final = {
    True: msgspec.json.encode(wire.SuccessResponse(success=True)),
    False: msgspec.json.encode(wire.SuccessResponse(success=False)),
}

PAGE: Final = "kaskad.page"
"""Where the page's endpoints put a request's :class:`~kaskad.app.pages.Page` in the scope."""

Handle = Callable[[Call, Caller, str], Awaitable[Reply]]


class Handler:
    """The calls of :data:`kaskad.http.handler.routes.ROUTES`."""

    def __init__(
        self,
        *,
        verifications: Verifications,
        callers: Callers,
        clock: Clock,
        entropy: Entropy,
        telemetry: Telemetry,
        request_timeout_s: float,
    ) -> None:
        self._verifications = verifications
        self._callers = callers
        self._clock = clock
        self._entropy = entropy
        self._telemetry = telemetry
        self._body_within_s = request_timeout_s
        self._stream = EventStream(verifications, clock)
        self._handles: dict[str, Handle] = {
            "getWidget": self._get_widget,
            "getChallenge": self._get_challenge,
            "send": self._send,
            "getChannel": self._get_channel,
            "getStatus": self._get_status,
            "getStatusLongPolling": self._poll_status,
            "checkCode": self._check_code,
            "checkStatusAndComplete": self._check_and_complete,
            "complete": self._complete,
            "resend": self._resend,
            "cancel": self._cancel,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = self._clock.now()
        call = Call(scope, receive, self.new_request_id)
        found = match(scope["raw_path"])
        route = found[0].get(scope["method"]) if found else None
        name, status = route.name if route else "none", 0
        try:
            if found is None:
                raise errors.NotFoundException
            if route is None:
                reply = _not_allowed(list(found[0]), english=call.english)
                status = await _answered(send, reply, call)
            else:
                status = await self._serve(route, call, found[1], send)
        except ClientLeft:
            status = CLIENT_LEFT
        except Exception as problem:  # whatever it is has one shape outside
            error = self._known(problem, call)
            status = await _answered(send, error_reply(error, english=call.english), call)
        finally:
            seconds = (self._clock.now() - began).total_seconds()
            self._telemetry.answered(name, status, seconds)

    def new_request_id(self) -> str:
        """An id for a request whose caller gave it none."""
        return self._entropy.token(8).hex()

    def _known(self, problem: Exception, call: Call) -> errors.KaskadError:
        if isinstance(problem, errors.KaskadError):
            return problem
        if isinstance(problem, StoreUnavailableError):
            log.warning("store unavailable", request_id=call.request_id, trouble=str(problem))
            return errors.ServiceUnavailableException(retry_after_s=1)
        log.error("unforeseen", request_id=call.request_id, exc_info=problem)
        return errors.InternalServerErrorException()

    async def _serve(self, route: Route, call: Call, name: str, send: Send) -> int:
        caller = self._caller(call)
        if route.name == "events":
            return await self._stream.serve(call, caller, name, send, since=_since(call.query()))
        if route.name == "getChannelLongPolling":
            return await self._poll_channel(call, caller, name, send)
        reply = await self._handles[route.name](call, caller, name)
        return await _answered(send, reply, call)

    def _caller(self, call: Call) -> Caller:
        page: Page | None = call.scope.get(PAGE)
        if page is not None:
            return page
        scheme, _, token = (call.header(b"authorization") or "").partition(" ")
        caller = self._callers.identify(token.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            raise errors.UnauthorizedException
        return caller

    # --- the calls -------------------------------------------------------------------

    async def _get_widget(self, call: Call, caller: Caller, widget_id: str) -> Reply:
        user_ip = call.query().get("userIp")
        widget = await self._verifications.widget(caller, widget_id)
        required = await self._verifications.captcha_is_required(caller, widget, user_ip)
        return json_reply(200, wire.widget_body(widget, captcha_is_required=required))

    async def _get_challenge(self, _: Call, caller: Caller, widget_id: str) -> Reply:
        return json_reply(200, await self._verifications.challenge(caller, widget_id))

    async def _send(self, call: Call, caller: Caller, _: str) -> Reply:
        raw = await call.body(self._body_within_s)
        wish = _wished(raw, caller, call.header(b"content-type"))
        # Between two tries a phone changes its network, and a captcha is solved anew.
        key = _idempotency(call, "send", (wish.widget_id, wish.recipient, wish.locale))
        sent = await self._verifications.send(caller, wish, key)
        response = wire.SendResponse(requestId=sent.request_id, recipient=sent.recipient)
        return json_reply(201, response)

    async def _get_channel(self, call: Call, caller: Caller, request_id: str) -> Reply:
        found = await self._verifications.channel(caller, request_id)
        return self._channel_reply(found, call)

    async def _poll_channel(self, call: Call, caller: Caller, request_id: str, send: Send) -> int:
        since = _since(call.query())
        found = await self._verifications.poll_channel(caller, request_id, since, call.departed)
        status = await _answered(send, self._channel_reply(found, call), call)
        if call.gone:
            raise ClientLeft
        await self._verifications.delivered(found)
        return status

    def _channel_reply(self, found: ChannelAnswer, call: Call) -> Reply:
        etag = (b"etag", f'"{found.version}"'.encode())
        if isinstance(found.view, View):
            body = wire.channel_body(found.view, self._clock.now(), english=call.english)
            return json_reply(200, body, (etag,))
        refusal = error_reply(found.view(), english=call.english)
        return msgspec.structs.replace(refusal, headers=(*refusal.headers, etag))

    async def _get_status(self, call: Call, caller: Caller, request_id: str) -> Reply:
        recipient, since = _asked(call)
        return _success(200, await self._verifications.status(caller, request_id, recipient, since))

    async def _poll_status(self, call: Call, caller: Caller, request_id: str) -> Reply:
        recipient, since = _asked(call)
        proven = await self._verifications.poll_status(
            caller, request_id, recipient, since, call.departed
        )
        return _success(200, proven)

    async def _check_code(self, call: Call, caller: Caller, request_id: str) -> Reply:
        raw = await call.body(self._body_within_s)
        body: wire.CheckCodeRequest = decode_json(
            raw, wire.CheckCodeRequest, call.header(b"content-type")
        )
        return _success(201, await self._verifications.check_code(caller, request_id, body.code))

    async def _check_and_complete(self, call: Call, caller: Caller, request_id: str) -> Reply:
        query = call.query()
        done = await self._verifications.check_and_complete(
            caller, request_id, query.get("recipient"), query.get("widgetId")
        )
        return _success(201, done)

    async def _complete(self, call: Call, caller: Caller, request_id: str) -> Reply:
        recipient = call.query().get("recipient")
        return _success(201, await self._verifications.complete(caller, request_id, recipient))

    async def _resend(self, call: Call, caller: Caller, request_id: str) -> Reply:
        raw = await call.body(self._body_within_s)
        body = wire.ResendRequest()
        if raw.strip():
            body = decode_json(raw, wire.ResendRequest, call.header(b"content-type"))
        done = await self._verifications.resend(
            caller,
            request_id,
            another_way=body.next,
            idempotency=_idempotency(call, f"resend {request_id.lower()}", body),
        )
        return _success(201, done)

    async def _cancel(self, call: Call, caller: Caller, request_id: str) -> Reply:
        return _success(201, await self._verifications.cancel(caller, request_id))


def _wished(raw: bytes, caller: Caller, content_type: str | None) -> SendWish:
    """What the body of a send asks for. A page says little of itself; we know its address."""
    if isinstance(caller, Page):
        page: wire.PageSendRequest = decode_json(raw, wire.PageSendRequest, content_type)
        return SendWish(
            widget_id=page.widgetId,
            recipient=page.recipient,
            user_ip=caller.address,
            locale=page.locale,
            captcha_token=page.captchaToken,
        )
    body: wire.SendRequest = decode_json(raw, wire.SendRequest, content_type)
    return SendWish(
        widget_id=body.widgetId,
        recipient=body.recipient,
        user_ip=body.userIp,
        locale=body.locale,
        captcha_token=body.captchaToken,
    )


CLIENT_LEFT = 499


async def _answered(send: Send, reply: Reply, call: Call) -> int:
    await call.answer(send, reply)
    return reply.status


def _success(status: int, success: bool) -> Reply:  # noqa: FBT001
    return Reply(status=status, body=_SUCCESS[success])


def _not_allowed(methods: list[str], *, english: bool) -> Reply:
    refusal = error_reply(errors.MethodNotAllowedException(), english=english)
    allow = (b"allow", ", ".join(methods).encode())
    return msgspec.structs.replace(refusal, headers=(*refusal.headers, allow))


def _asked(call: Call) -> tuple[str | None, int | None]:
    query = call.query()
    return query.get("recipient"), _since(query)


def _since(query: dict[str, str]) -> int | None:
    text = query.get("since")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_SINCE):
        raise errors.ValidateError({"since": "a view version as in the ETag, without quotes"})
    return int(text)


def _idempotency(call: Call, name: str, asked: object) -> Idempotency | None:
    """The caller's key, bound to what is asked for under it."""
    key = call.header(b"idempotency-key")
    if key is None:
        return None
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        expected = f"1 to {LONGEST_KEY} visible ASCII characters"
        raise errors.ValidateError({"Idempotency-Key": expected})
    fingerprint = sha256(name.encode() + b"\0" + msgspec.json.encode(asked)).digest()
    return Idempotency(key=key, fingerprint=fingerprint)
