"""The client for programs that block."""

import logging
from types import TracebackType
from typing import Self, TypeVar

import httpx2

from kaskad_sdk import _shell, _system, _wire, errors
from kaskad_sdk._calls import Calls
from kaskad_sdk._flow import Flow, forwarded, outside
from kaskad_sdk._listening import Watches
from kaskad_sdk._page_send import comes_to_nothing
from kaskad_sdk._settings import Environment, Settings, guard_of, guarded, http_client_of
from kaskad_sdk._simulated_transport import Simulated
from kaskad_sdk._simulation import Simulation
from kaskad_sdk._steps import Request, Response
from kaskad_sdk._transport import Cancel, Network, Transport, UnderWay
from kaskad_sdk.captcha import Captcha, Guard, Passed
from kaskad_sdk.captcha.guard import request_name
from kaskad_sdk.events import (
    ChannelChangedEvent,
    ErrorEvent,
    Listener,
    ResendChannelEvent,
    Subscription,
    SuccessConfirmationEvent,
)
from kaskad_sdk.models import Channel, SendData, StatusData, WidgetData

T = TypeVar("T")


class OtpClient:
    """Verifies phone numbers with a kaskad service, for programs that do not use ``asyncio``.

    Make one for the life of the program and share it among its threads. Processes that fork it
    have connections of their own, and listeners stay with the parent. End it with :meth:`close`
    or use it in ``with``.

    ``api_url`` is the service's address; without a path, that of the API is added. ``api_token``
    is the token that the operator gave you. ``timeout`` is how many seconds a call may take;
    held calls may take ``long_poll_timeout`` more, which must not be less than the service's
    setting of that name. ``max_retries`` bounds how often a call is repeated by itself, and
    only calls that cannot do harm twice are. ``language`` picks the texts of errors, ``ru`` or
    ``en``. ``http_client`` is used instead of connections of our own and is never closed;
    give it room for as many connections as calls are to be held at once. Its connections are not
    cut either: when the head of an answer trickles there, a call may take longer than its time.
    ``captcha`` is asked before every send that names a ``user_ip``; a send that the service refuses
    for another reason uses nothing of it up. ``environment="test"``, or a
    ``simulation``, needs neither address nor token: see :mod:`kaskad_sdk.testing`.

    Every method raises :class:`~kaskad_sdk.errors.OtpException` or what stands below it:
    besides what its own description names, ``ValidateError``, ``UnauthorizedException``,
    ``RateLimitException``, ``InternalServerErrorException``, ``ServiceUnavailableException``,
    and ``NoConnectionException`` when there was no answer.
    """

    def __init__(  # noqa: PLR0913  # settings, each with a default
        self,
        *,
        api_url: str = "",
        api_token: str = "",
        environment: Environment = "production",
        captcha: Guard | Captcha | None = None,
        logger: logging.Logger | None = None,
        timeout: float = 10.0,
        max_retries: int = 2,
        long_poll_timeout: float = 25.0,
        language: str | None = None,
        http_client: httpx2.Client | None = None,
        simulation: Simulation | None = None,
    ) -> None:
        settings = Settings(
            api_url=api_url,
            api_token=api_token,
            environment=environment if simulation is None else "test",
            timeout=timeout,
            max_retries=max_retries,
            long_poll_timeout=long_poll_timeout,
            language=language,
        )
        http = http_client_of(http_client, httpx2.Client)
        self._log = logger or logging.getLogger("kaskad_sdk")
        self._api: _wire.Api = settings.api()
        self._calls = Calls(self._api, settings.flows(self._api))
        self.captcha: Guard | None = guard_of(captcha)
        """What stands before sends, if anything does."""
        self._under_way = UnderWay()
        self._watches = Watches(self._calls, self._run, self._log)
        self._simulation = simulation or (Simulation() if settings.simulated else None)
        self._transport: Transport
        if self._simulation is not None:
            if self.captcha is not None:
                self._simulation._vendors.learn(self.captcha.captcha)
            self._transport = Simulated(self._simulation, timeout_s=timeout)
        else:
            self._transport = Network(self._api.base, timeout_s=timeout, client=http)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self._api.base!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection; calls under way end with ``NoConnectionException``.

        From any thread. Calls on connections of our own end at once, those of an ``http_client``
        with the answer or the time-out of the request that they are at.
        """
        self._under_way.close()
        self._watches.close()
        self._transport.close()

    @property
    def simulation(self) -> Simulation:
        """The service that is simulated; ``RuntimeError`` in production."""
        if self._simulation is None:
            raise RuntimeError("this client talks to a real service")
        return self._simulation

    def set_api_token(self, api_token: str) -> None:
        """Use another token from the next request on, those of calls under way included."""
        self._api.set_token(api_token)

    def _run(self, flow: Flow[T], cancel: Cancel | None = None) -> T:
        cancel = cancel or Cancel()
        self._under_way.begin(cancel)
        try:
            return _shell.run(flow, self._transport, cancel, self._log)
        except errors.OtpException as problem:
            self._api.said(problem)
            raise
        finally:
            self._under_way.end(cancel)

    # --- beginning -----------------------------------------------------------------------------

    def get_widget_data(self, widget_id: str, user_ip: str | None = None) -> WidgetData:
        """What a page needs to know of a widget.

        ``user_ip`` is the person's address: with it, ``captcha_is_required`` is whether *their*
        next send needs a captcha; without it, whether the widget has one.

        Raises ``ForbiddenException``, ``WidgetNotFoundException``.
        """
        widget = self._run(self._calls.widget(widget_id, user_ip))
        if self.captcha is None or user_ip is None:
            return widget
        fields = self.captcha.widget_fields(user_ip, _system.now())
        return guarded(widget, fields)

    def send(
        self,
        widget_id: str,
        recipient: str,
        user_ip: str | None = None,
        captcha_token: str | None = None,
        *,
        locale: str | None = None,
        email: str | None = None,
        idempotency_key: str | None = None,
    ) -> SendData:
        """Begin to verify a number: the first channel of the widget is launched.

        ``user_ip`` is the person's address as your server sees it; without it no limit per
        address applies. ``locale`` is the language of the message, such as ``ru``. The call is
        repeated when it fails for a time, under one ``idempotency_key``, so that one message
        goes out at most; give your own to make that hold over restarts of yours, or ``""`` for
        none, and it is not repeated.

        Raises ``NoAvailableChannelsException``, ``CaptchaNotConfirmedException``,
        ``WidgetIsBlockedException``, ``ForbiddenException``, ``WidgetNotFoundException``.
        """
        passed = None
        if self.captcha is not None and user_ip is not None:
            again = request_name(idempotency_key, widget_id, recipient) if idempotency_key else None
            passed = self._admit(captcha_token, user_ip, again)
            captcha_token = None  # good for once, and that was it
        flow = self._calls.send(
            widget_id,
            recipient,
            key=idempotency_key,
            userIp=user_ip,
            captchaToken=captcha_token,
            locale=locale,
            email=email,
        )
        try:
            return self._run(flow)
        except errors.OtpException as refusal:
            if passed is not None and comes_to_nothing(refusal.http_status, refusal.type):
                assert self.captcha is not None  # noqa: S101  # for the type alone
                self.captcha.give_back(passed)
            raise

    def _admit(self, token: str | None, user_ip: str, request: str | None) -> Passed:
        assert self.captcha is not None  # noqa: S101  # for the type alone
        flow = self.captcha.admit(token, address=user_ip, now=_system.now(), request=request)
        verdict = self._run(outside(flow))
        if not isinstance(verdict, Passed):
            raise self._api.said(errors.CaptchaNotConfirmedException())
        return verdict

    # --- following -----------------------------------------------------------------------------

    def get_channel(self, request_id: str) -> Channel:
        """The channel over which the verification goes now.

        Raises ``ResendChannelException``, ``AttemptsExpiredException``,
        ``NoAvailableChannelsException``, ``SessionClosedException``, ``ForbiddenException``,
        ``SessionNotFoundException``.
        """
        return self._run(self._calls.channel(request_id))

    def wait_for_channel_selected(
        self,
        request_id: str,
        recipient: str | None = None,
        *,
        timeout: float | None = 300.0,
        since: int | None = None,
    ) -> Channel:
        """The channel, as soon as its message is with the person; at once, if it is already.

        With ``since``, the ``version`` of a channel that you have, the next one that looks
        different. ``timeout`` is in seconds, ``None`` for no end but the verification's own. A
        service that goes away is waited for, half a minute at most. ``recipient`` is not needed.

        Raises ``LongPollingTimeoutException`` when the time is up, and what ``get_channel``
        raises.
        """
        return self._run(self._calls.selected(request_id, timeout, since))

    def check_status(self, request_id: str, recipient: str | None = None) -> StatusData:
        """Whether the number is proven. Without ``recipient``: the number of our own send.

        Raises ``ChannelChangedException`` when nobody has read the current channel yet,
        ``PhoneNumberMismatchException``, and what ``get_channel`` raises.
        """
        return self._run(self._calls.status(request_id, recipient))

    def wait_for_success_status(
        self, request_id: str, recipient: str | None = None, *, timeout: float | None = 300.0
    ) -> StatusData:
        """Yes, as soon as the number is proven; never no.

        Channels that change meanwhile are read and followed, between code and codeless too.
        ``timeout`` is in seconds, ``None`` for no end but the verification's own. A service
        that goes away is waited for, half a minute at most.

        Raises ``LongPollingTimeoutException`` when the time is up,
        ``PhoneNumberMismatchException``, and what ``get_channel`` raises.
        """
        return self._run(self._calls.confirmed(request_id, recipient, timeout))

    # --- being told ---------------------------------------------------------------------------

    def on_channel_changed(
        self,
        request_id: str,
        listener: Listener[ChannelChangedEvent],
        recipient: str | None = None,
    ) -> Subscription:
        """Tell of each channel and each change of it, the current one first.

        All listeners of a verification share one poll, on a thread, that begins with the
        first of them and ends with the last. One
        listener is told at a time, and one that comes late is told there as well. ``recipient`` is
        the number that this listener means, if this client did not send to it: a verification of
        another one is an error to it. A listener that raises is logged.
        """
        return self._watches.subscribe(ChannelChangedEvent, request_id, listener, recipient)

    def on_success_confirmation(
        self,
        request_id: str,
        listener: Listener[SuccessConfirmationEvent],
        recipient: str | None = None,
    ) -> Subscription:
        """Tell once the number is proven. See ``on_channel_changed``."""
        return self._watches.subscribe(SuccessConfirmationEvent, request_id, listener, recipient)

    def on_resend_channel(
        self,
        request_id: str,
        listener: Listener[ResendChannelEvent],
        recipient: str | None = None,
    ) -> Subscription:
        """Tell when another message may be asked for, at once if one may already.

        See ``on_channel_changed``.
        """
        return self._watches.subscribe(ResendChannelEvent, request_id, listener, recipient)

    def on_error(
        self,
        request_id: str,
        listener: Listener[ErrorEvent],
        recipient: str | None = None,
    ) -> Subscription:
        """Tell when it ended without success or is out of reach. See ``on_channel_changed``."""
        return self._watches.subscribe(ErrorEvent, request_id, listener, recipient)

    # --- acting --------------------------------------------------------------------------------

    def verify_code(self, request_id: str, code: str) -> StatusData:
        """Check what the person typed: yes, or an error. A wrong code costs an attempt.

        Never repeated by itself, not even when no answer came.

        Raises ``InvalidCodeException``, ``IsCodelessChannelException``, and what
        ``get_channel`` raises.
        """
        return self._run(self._calls.verify(request_id, code))

    def check_status_and_complete(
        self, request_id: str, recipient: str, *, widget_id: str | None = None
    ) -> StatusData:
        """Collect the verdict: yes to exactly one caller, once, and only if it is proven.

        The call that decides in your back end. ``recipient`` is the number that you are about
        to accept, from your own records; with ``widget_id`` a verification of another widget is
        not found. Not repeated once the service may have got it.

        Raises ``ResendChannelException``, ``AttemptsExpiredException``,
        ``NoAvailableChannelsException``, ``ForbiddenException``, ``SessionNotFoundException``,
        ``PhoneNumberMismatchException``.
        """
        return self._run(self._calls.collect(request_id, recipient, widget_id))

    def complete(self, request_id: str, recipient: str | None = None) -> StatusData:
        """Collect the verdict without asking why there is none; best with the ``recipient``.

        Shares its one yes with ``check_status_and_complete``. Another number gives no.

        Raises ``ForbiddenException``, ``SessionNotFoundException``.
        """
        return self._run(self._calls.complete(request_id, recipient))

    def resend(
        self, request_id: str, *, another_way: bool = False, idempotency_key: str | None = None
    ) -> StatusData:
        """Restart the channel while it has restarts, else launch the next: yes, or an error.

        ``another_way`` skips the restarts. For the key see ``send``.

        Raises ``RestartCooldownActiveException``, ``SessionAlreadyConfirmedException``,
        ``NoAvailableChannelsException``, ``AttemptsExpiredException``, ``ForbiddenException``,
        ``SessionNotFoundException``.
        """
        return self._run(
            self._calls.resend(request_id, another_way=another_way, key=idempotency_key)
        )

    def cancel(self, request_id: str) -> StatusData:
        """Give an unconfirmed verification up ("wrong number"): whether this call closed it.

        Raises ``ForbiddenException``, ``SessionNotFoundException``.
        """
        return self._run(self._calls.cancel(request_id))

    # --- what a gateway needs ------------------------------------------------------------------

    def forward(self, request: Request) -> Response:
        """Make somebody else's request with this client's authority; any answer is returned.

        ``request.url`` is the path below the API, with its query. Nothing is repeated but a
        read that did not leave. Raises ``NoConnectionException``; ``ValueError`` for a path
        that leaves the API.
        """
        return self._run(forwarded(self._calls.flows, self._api.forwarded(request)))
