"""The service without a network: what ``environment="test"`` and the fakes talk to."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from kaskad_sdk import _system, _wire, errors
from kaskad_sdk._simulated_exchange import (
    Call,
    Trouble,
    is_english,
    json_response,
    normal,
    refused,
    success,
)
from kaskad_sdk._simulated_session import (
    Launch,
    SimulatedChannel,
    SimulatedSession,
    described,
)
from kaskad_sdk._simulated_vendors import SimulatedVendors
from kaskad_sdk._steps import NoAnswer, Request, Response

SMS: Final = SimulatedChannel()
VOICE: Final = SimulatedChannel(type="voice", label="Voice")
PUSH: Final = SimulatedChannel(type="sim_push", label="Push")
CASCADE: Final = (SMS, VOICE)
LIFETIME_S: Final = 900.0
GONE_AFTER_S: Final = 3600.0
FAR: Final = 3600.0
CODE: Final = "123456"

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch


def _outcomes() -> dict[str, tuple[SimulatedChannel, ...]]:
    rejecting = SimulatedChannel(outcome="reject")
    return {
        "+79990000001": (rejecting,),
        "+79990000002": (rejecting, VOICE),
        "+79990000003": (PUSH,),
        "+79990000004": (SimulatedChannel(type="sim_push", label="Push", outcome="confirm"),),
        "+79990000005": (SimulatedChannel(type="sim_push", label="Push", outcome="decline"),),
        "+79990000006": (SimulatedChannel(outcome="hang"),),
        "+79990000007": (SimulatedChannel(lifetime_s=1),),
        "+79990000008": (),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWidget:
    """A widget of the simulation."""

    name: str = "Test"
    active: bool = True
    blocked: bool = False
    channels: Sequence[SimulatedChannel] = CASCADE


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMessage:
    """What would have reached a person; ``code`` is ``None`` when codeless."""

    request_id: str
    recipient: str
    type: str
    code: str | None


class Simulation:
    """A service in this process: widgets, verifications and what becomes of their messages.

    Without ``widgets`` every id names a widget that sends SMS and then calls. ``code`` is the
    code of every message, so that a person can type it; ``None`` draws another for each. Some
    numbers have a fate of their own, listed in :attr:`fates`; change it for more. Time passes as
    it does, and in leaps with :meth:`advance`. May be used from any thread.
    """

    def __init__(
        self,
        *,
        widgets: Mapping[str, SimulatedWidget] | None = None,
        code: str | None = CODE,
        token: str | None = None,
        lifetime_s: float = LIFETIME_S,
        long_poll_timeout_s: float = 25.0,
    ) -> None:
        self.fates: dict[str, Sequence[SimulatedChannel]] = dict(_outcomes())
        """The channels for a number (E.164), instead of its widget's."""
        self.messages: list[SimulatedMessage] = []
        """Everything that was sent, the oldest first."""
        self._widgets = widgets
        self._code = code
        self._token = token
        self._lifetime_s = lifetime_s
        self._hold_s = long_poll_timeout_s
        self._vendors = SimulatedVendors()
        self._lock = threading.RLock()
        self._waiting: set[Callable[[], None]] = set()
        self._sessions: dict[str, SimulatedSession] = {}
        self._keys: dict[str, tuple[str, Response]] = {}
        self._leapt = 0.0
        self._down = False
        self._troubles: list[Trouble] = []
        self._refusals: list[tuple[str, errors.OtpException]] = []
        self._epoch = _system.now()
        self._began = _system.monotonic()

    # --- what a test does ----------------------------------------------------------------------

    def last_code(self, phone: str) -> str:
        """The code of the newest message to a number; ``LookupError`` when there is none."""
        number = normal(phone)
        with self._lock:
            self._settle()
            for message in reversed(self.messages):
                if message.recipient == number and message.code is not None:
                    return message.code
        raise LookupError(f"no code was sent to {phone}")

    def confirm(self, phone: str) -> None:
        """The person confirms the newest codeless message; ``LookupError`` without one."""
        self._answer(phone, yes=True)

    def decline(self, phone: str) -> None:
        """The person declines the newest codeless message; ``LookupError`` without one."""
        self._answer(phone, yes=False)

    def advance(self, seconds: float) -> None:
        """Let time pass for the simulation; held calls notice."""
        with self._lock:
            self._leapt += seconds
            self._settle()
        self._wake()

    def trouble(self, kind: Trouble, times: int = 1) -> None:
        """Let the network fail at the next calls."""
        with self._lock:
            self._troubles.extend(kind for _ in range(times))

    def refuse(self, call: str, error: errors.OtpException, times: int = 1) -> None:
        """Let the next calls of a name, such as ``send`` or ``checkCode``, be refused."""
        with self._lock:
            self._refusals += [(call, error)] * times

    @property
    def down(self) -> bool:
        """Whether nobody answers. Setting it ends held calls; the verifications stay."""
        return self._down

    @down.setter
    def down(self, down: bool) -> None:  # an assignment
        self._down = down
        self._wake()

    def _answer(self, phone: str, *, yes: bool) -> None:
        number = normal(phone)
        with self._lock:
            now = self._settle()
            session = next(
                (
                    self._sessions[m.request_id]
                    for m in reversed(self.messages)
                    if m.recipient == number and m.code is None
                ),
                None,
            )
            if session is None:
                raise LookupError(f"nothing codeless was sent to {phone}")
            launch = next(x for x in reversed(session.launches) if x.channel.codeless)
            session.answer(launch, now, yes=yes)
            session.settle(now)
        self._wake()

    # --- time ----------------------------------------------------------------------------------

    def now(self) -> float:
        """The simulation's time, in seconds since it began."""
        return _system.monotonic() - self._began + self._leapt

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back, from any thread, when something may have changed; returns how to stop."""
        with self._lock:
            self._waiting.add(callback)
        return lambda: self._waiting.discard(callback)

    def _wake(self) -> None:
        with self._lock:
            waiting = list(self._waiting)
        for callback in waiting:
            callback()

    def _settle(self) -> float:
        now = self.now()
        for session in list(self._sessions.values()):
            session.settle(now)
            self._deliver(session)
            if session.closed and now >= session.expires_at + GONE_AFTER_S:
                del self._sessions[session.id]
        return now

    def _deliver(self, session: SimulatedSession) -> None:
        news, session.news = session.news, []
        self.messages += [self._message(session, launch) for launch in news]

    def _message(self, session: SimulatedSession, launch: Launch) -> SimulatedMessage:
        return SimulatedMessage(
            request_id=session.id,
            recipient=session.recipient,
            type=launch.channel.type,
            code=session.code(launch),
        )

    # --- requests ------------------------------------------------------------------------------

    def serve(self, request: Request, began: float, *, fresh: bool = True) -> Response | float:
        """The answer to a request that came at ``began``, or for how many seconds to hold it.

        A held one is no longer ``fresh`` when it is looked at again.
        """
        with self._lock:
            if self._down:
                raise NoAnswer("the simulation is down", sent=not fresh)
            trouble = self._troubles.pop(0) if self._troubles and fresh else None
            if trouble == "refused":
                raise NoAnswer("connection refused", sent=False)
            if trouble == "garbage":
                return Response(status=500, body=b"<html>oops</html>")
            if trouble == "slow":
                raise NoAnswer("no answer in time", sent=True)
            found = self._served(request, began)
        if isinstance(found, Response) and request.method == "POST":
            self._wake()
        if trouble == "cut":
            raise NoAnswer("connection reset", sent=True)
        return found

    def _served(self, request: Request, began: float) -> Response | float:
        try:
            return self._routed(request, began)
        except errors.OtpException as problem:
            return refused(problem, english=is_english(request))

    def _routed(self, request: Request, began: float) -> Response | float:
        parts = urlsplit(request.url)
        if not parts.path.startswith(_wire.API_PATH):
            return json_response(200, self._vendors.answer(request, self._epoch))
        below = parts.path[len(_wire.API_PATH) :].strip("/")
        path = [unquote(part) for part in below.split("/")] if below else []
        if self._token not in {None, request.headers.get("authorization", "")[len("Bearer ") :]}:
            raise errors.UnauthorizedException
        call = Call(
            request=request,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            began=began,
            now=self._settle(),
        )
        if not path:
            return self._begin(call)
        if path[0] == "widget":
            return self._of_widget(path[1:])
        held = path[0] == "longPolling"
        if len(path) != (3 if held else 2):
            raise errors.NotFoundException
        return self._of_session(call, path[-2], path[-1], held=held)

    def _refuse(self, call: str) -> None:
        for place, (name, error) in enumerate(self._refusals):
            if name == call:
                del self._refusals[place]
                raise error

    def _widget(self, widget_id: object) -> SimulatedWidget:
        if self._widgets is None:
            return SimulatedWidget()
        found = self._widgets.get(str(widget_id).lower())
        if found is None:
            raise errors.WidgetNotFoundException
        return found

    def _of_widget(self, path: Sequence[str]) -> Response:
        """There is no captcha here, and so no challenge."""
        if len(path) == 1:
            return self._widget_data(path[0])
        if path[1:] == ["challenge"]:
            self._widget_data(path[0])
        raise errors.NotFoundException

    def _widget_data(self, widget_id: str) -> Response:
        self._refuse("getWidget")
        if not _UUID(widget_id):
            raise errors.WidgetNotFoundException
        widget = self._widget(widget_id)
        body = {"isBlocked": widget.blocked, "isActive": widget.active, "name": widget.name}
        return json_response(200, {**body, "captchaIsRequired": False})

    def _begin(self, call: Call) -> Response:
        body = call.body()
        widget_id, given = body.get("widgetId"), body.get("recipient")
        number = normal(given) if isinstance(given, str) else None
        fields = {}
        if not isinstance(widget_id, str) or not _UUID(widget_id):
            fields["widgetId"] = "a UUID"
        if number is None:
            fields["recipient"] = "a valid phone number"
        if number is None or fields:
            raise errors.ValidateError(payload={"fields": fields})
        # As the service: between two tries a phone may have got another address.
        asked = f"send {widget_id} {given} {body.get('locale')}"
        return self._once(call, asked, lambda: self._begun(str(widget_id), number, call.now))

    def _begun(self, widget_id: str, number: str, now: float) -> Response:
        self._refuse("send")
        widget = self._widget(widget_id)
        if widget.blocked or not widget.active:
            raise errors.WidgetIsBlockedException
        cascade = self.fates.get(number, widget.channels)
        if not cascade:
            raise errors.NoAvailableChannelsException
        session = SimulatedSession(
            id=_system.new_id(),
            widget=widget_id.lower(),
            recipient=number,
            cascade=tuple(cascade),
            codes=self._codes(),
            expires_at=now + self._lifetime_s,
        )
        self._sessions[session.id] = session
        session.start(now)
        self._deliver(session)
        return json_response(201, {"requestId": session.id, "recipient": number})

    def _codes(self) -> list[str]:
        if self._code is not None:
            return [self._code.ljust(10, "0")]
        return [f"{_system.new_number(10**10):010}" for _ in range(8)]

    def _once(self, call: Call, asked: str, act: Callable[[], Response]) -> Response:
        """What is asked for under the same key has the same answer."""
        key = call.request.headers.get("idempotency-key")
        if not key:
            return act()
        known = self._keys.get(key)
        if known is not None and known[0] != asked:
            raise errors.ValidateError(payload={"fields": {"Idempotency-Key": "a new key"}})
        answer = known[1] if known is not None else act()
        self._keys[key] = (asked, answer)
        return answer

    # --- verifications -------------------------------------------------------------------------

    def _of_session(
        self, call: Call, request_id: str, what: str, *, held: bool
    ) -> Response | float:
        names = _HELD if held else _NAMES
        name = names.get((call.request.method, what))
        if name is None:
            known = any(end == what for _, end in names)
            raise errors.MethodNotAllowedException() if known else errors.NotFoundException()
        session = self._sessions.get(request_id.lower())
        if session is None:
            raise errors.SessionNotFoundException
        if what in _ABOUT_A_NUMBER or (what == "complete" and "recipient" in call.query):
            mismatch = self._mismatch(call, session)
            if mismatch and what == "complete":
                return success(201, yes=False)
        self._refuse(name)
        if what == "channel":
            return self._channel(call, session, held=held)
        if what == "status":
            return self._status(call, session, held=held)
        if what == "resend":
            asked = f"resend {session.id} {call.request.body!r}"
            return self._once(call, asked, lambda: self._act(call, session, what))
        return self._act(call, session, what)

    def _mismatch(self, call: Call, session: SimulatedSession) -> bool:
        number = normal(call.query.get("recipient", ""))
        if number is None:
            raise errors.ValidateError(payload={"fields": {"recipient": "a valid phone number"}})
        widget = call.query.get("widgetId")
        if widget is not None and widget.lower() != session.widget:
            raise errors.SessionNotFoundException
        if number == session.recipient:
            return False
        if call.request.url.partition("?")[0].endswith("/complete"):
            return True
        raise errors.PhoneNumberMismatchException

    def _channel(self, call: Call, session: SimulatedSession, *, held: bool) -> Response | float:
        since = call.since()
        if held and not self._is_news(session, since, call):
            return self._held(call, session)
        if held:
            session.delivered = session.version
        session.read()
        etag = {"etag": f'"{session.version}"'}
        refusal = session.refusal()
        if refusal is not None:
            return refused(refusal(), english=is_english(call.request), headers=etag)
        return json_response(200, self._view(session, call.now), etag)

    def _is_news(self, session: SimulatedSession, since: int | None, call: Call) -> bool:
        if session.closed or session.over is not None:
            return True
        if since is not None:
            return session.version != since
        if session.status == "wait":
            return False
        return session.refusal() is not None or session.delivered != session.version

    def _status(self, call: Call, session: SimulatedSession, *, held: bool) -> Response | float:
        refusal, since = session.refusal(), call.since()
        if refusal is not None:
            raise refusal
        if session.confirmed_at is not None:
            return success(200, yes=True)
        changed = session.changed if since is None else since < session.channel_version
        if changed:
            raise errors.ChannelChangedException
        return self._held(call, session) if held else success(200, yes=False)

    def _held(self, call: Call, session: SimulatedSession) -> float:
        left = call.began + self._hold_s - call.now
        if left <= 0:
            raise errors.LongPollingTimeoutException
        due = session.due()
        return left if due is None else max(0.001, min(left, due - call.now))

    def _act(self, call: Call, session: SimulatedSession, what: str) -> Response:
        if what == "checkCode":
            code = call.body().get("code")
            if not isinstance(code, str) or not code:
                raise errors.ValidateError(payload={"fields": {"code": "a string"}})
            yes = session.check(code, call.now)
        elif what == "resend":
            another_way = bool(call.request.body) and call.body().get("next") is True
            yes = session.resend(call.now, another_way=another_way)
        elif what == "cancel":
            yes = session.cancel()
        else:
            yes = session.collect(tell=what == "checkStatusAndComplete")
        session.settle(call.now)
        self._deliver(session)
        return success(201, yes=yes)

    def _view(self, session: SimulatedSession, now: float) -> dict[str, object]:
        channel = session.launch.channel
        settings: dict[str, object] = {
            "lifetime": channel.lifetime_s,
            "numberOfTries": channel.number_of_tries,
            "numberOfRestart": channel.number_of_restart,
            "restartCooldown": channel.restart_cooldown_s,
        }
        if not channel.codeless:
            settings["code"] = {"length": channel.code_length, "beautify": False}
        return {
            "type": channel.type,
            "status": session.status,
            "label": channel.label,
            "codeType": "codeless" if channel.codeless else "code",
            "payload": {
                "now": self._instant(now),
                "expiresAt": self._instant(session.expires),
                "resendAt": self._instant(session.resend_at),
                "next": described(session.next_move),
                "another": described(session.another_way),
            },
            "settings": settings,
            "remainingCodeAttempts": session.remaining,
        }

    def _instant(self, at: float | None) -> str | None:
        if at is None:
            return None
        whole = (self._epoch + timedelta(seconds=at)).astimezone(UTC).replace(microsecond=0)
        return whole.isoformat().replace("+00:00", "Z")


_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "channel"): "getChannel",
    ("GET", "status"): "getStatus",
    ("POST", "checkCode"): "checkCode",
    ("POST", "checkStatusAndComplete"): "checkStatusAndComplete",
    ("POST", "complete"): "complete",
    ("POST", "resend"): "resend",
    ("POST", "cancel"): "cancel",
}
_HELD: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "channel"): "getChannelLongPolling",
    ("GET", "status"): "getStatusLongPolling",
}
_ABOUT_A_NUMBER: Final = frozenset({"status", "checkStatusAndComplete"})
