"""The page's endpoints, for any framework: the service's calls without the service's token.

Serve :meth:`WidgetGateway.handle` (or, where nothing awaits, :meth:`SyncWidgetGateway.handle`)
below a prefix of your application, and a page can verify a number there. :mod:`kaskad_sdk.contrib`
has done it for some frameworks.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from kaskad_sdk import _system
from kaskad_sdk._flow import ask, outside
from kaskad_sdk._page import (
    LARGEST_BODY,
    Admit,
    Arrived,
    Describe,
    Forward,
    GatewayResponse,
    GiveBack,
    Pages,
    PageStep,
    broken,
    decent_request_id,
)
from kaskad_sdk._page_troubles import Troubles
from kaskad_sdk._steps import Request, Response
from kaskad_sdk.captcha import Altcha, Guard
from kaskad_sdk.client import AsyncOtpClient, OtpClient
from kaskad_sdk.errors import NoConnectionException

__all__ = ["GatewayResponse", "SyncWidgetGateway", "WidgetGateway"]

log = logging.getLogger("kaskad_sdk.gateway")


class WidgetGateway:
    """Answers pages by asking the service through an asynchronous client.

    The client's captcha, if it has one, guards sends and is described to pages. The calls that
    collect a verdict are the back end's; ``offer_completion`` offers them to pages as well.
    ``max_body`` is the most bytes of a body that are looked at: the service takes 16 KiB.
    """

    def __init__(
        self,
        client: AsyncOtpClient,
        *,
        offer_completion: bool = False,
        max_body: int = LARGEST_BODY,
    ) -> None:
        self._client = client
        self._guard = client.captcha
        self._pages = _pages(client, self._guard, offer_completion, max_body)
        self._troubles = Troubles(log, client._api.base)
        self.max_body: Final = max_body

    async def handle(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        client_ip: str,
    ) -> GatewayResponse:
        """Answer one request, whatever it is; never raises but when it is cancelled.

        ``path`` is what stands below the prefix, still percent-encoded (``""`` and ``"/"`` are the
        send), ``query`` what stands behind the question mark. The names of ``headers`` are in lower
        case. Of a ``body`` no more than ``max_body + 1`` bytes are needed. ``client_ip`` is the
        person's address as you know it: see :func:`kaskad_sdk.addresses.client_address`.
        """
        arrived = _arrived(method, path, query, headers, body, client_ip)
        try:
            return await self._answered(arrived)
        except Exception:
            log.exception("no answer for a page: %s", arrived.request_id)
            return broken(arrived)

    async def _answered(self, arrived: Arrived) -> GatewayResponse:
        flow = self._pages.answer(arrived)
        outcome: object = None
        while True:
            try:
                if isinstance(outcome, NoConnectionException):
                    step = flow.throw(outcome)
                else:
                    step = flow.send(outcome)
            except StopIteration as end:
                answer: GatewayResponse = end.value
                return answer
            try:
                outcome = await self._done(step)
            except NoConnectionException as lost:
                self._troubles.lost(lost)
                outcome = lost

    async def _done(self, step: PageStep) -> object:
        match step:
            case Forward(request):
                answer = await self._client.forward(request)
                self._troubles.answered(answer)
                return answer
            case Admit(token, address, request):
                guard = _needed(self._guard)
                now = _system.now()
                return await guard.admit_async(
                    token, address=address, now=now, request=request, ask=self._ask
                )
            case GiveBack(passed):
                await _needed(self._guard).give_back_async(passed)
                return None
            case Describe(address):
                return await _needed(self._guard).widget_fields_async(address, _system.now())

    async def _ask(self, request: Request) -> Response:
        return await self._client._run(ask(request))


class SyncWidgetGateway:
    """Answers pages by asking the service through a blocking client; see :class:`WidgetGateway`.

    Held calls occupy their thread for as long as the service holds them.
    """

    def __init__(
        self, client: OtpClient, *, offer_completion: bool = False, max_body: int = LARGEST_BODY
    ) -> None:
        self._client = client
        self._guard = client.captcha
        if self._guard is not None and self._guard.is_async:
            raise TypeError("asynchronous counts need an AsyncOtpClient and a WidgetGateway")
        self._pages = _pages(client, self._guard, offer_completion, max_body)
        self._troubles = Troubles(log, client._api.base)
        self.max_body: Final = max_body

    def handle(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        client_ip: str,
    ) -> GatewayResponse:
        """Answer one request, whatever it is; never raises. As :meth:`WidgetGateway.handle`."""
        arrived = _arrived(method, path, query, headers, body, client_ip)
        try:
            return self._answered(arrived)
        except Exception:
            log.exception("no answer for a page: %s", arrived.request_id)
            return broken(arrived)

    def _answered(self, arrived: Arrived) -> GatewayResponse:
        flow = self._pages.answer(arrived)
        outcome: object = None
        while True:
            try:
                if isinstance(outcome, NoConnectionException):
                    step = flow.throw(outcome)
                else:
                    step = flow.send(outcome)
            except StopIteration as end:
                answer: GatewayResponse = end.value
                return answer
            try:
                outcome = self._done(step)
            except NoConnectionException as lost:
                self._troubles.lost(lost)
                outcome = lost

    def _done(self, step: PageStep) -> object:
        match step:
            case Forward(request):
                answer = self._client.forward(request)
                self._troubles.answered(answer)
                return answer
            case Admit(token, address, request):
                guard = _needed(self._guard)
                asking = guard.admit(token, address=address, now=_system.now(), request=request)
                return self._client._run(outside(asking))
            case GiveBack(passed):
                _needed(self._guard).give_back(passed)
                return None
            case Describe(address):
                return _needed(self._guard).widget_fields(address, _system.now())


def _arrived(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, client_ip: str
) -> Arrived:
    return Arrived(
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        client_ip=client_ip,
        request_id=decent_request_id(headers.get("x-request-id")),
    )


def _needed(guard: Guard | None) -> Guard:
    if guard is None:
        raise AssertionError("only a guarded gateway asks the guard")
    return guard


def _pages(
    client: AsyncOtpClient | OtpClient,
    guard: Guard | None,
    offer_completion: bool,  # noqa: FBT001
    max_body: int,
) -> Pages:
    return Pages(
        offer_completion=offer_completion,
        max_body=max_body,
        hold_s=client._calls.flows.hold_s,
        guarded=guard is not None,
        challenge=_challenges(guard),
    )


def _challenges(guard: Guard | None) -> Callable[[], dict[str, object]] | None:
    captcha = guard.captcha if guard is not None else None
    if not isinstance(captcha, Altcha):
        return None
    return lambda: captcha.challenge(_system.now(), UUID(_system.new_id()).bytes)
