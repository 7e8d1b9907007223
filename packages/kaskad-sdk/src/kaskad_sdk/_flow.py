"""What the calls do, without I/O: a flow yields requests and pauses, and returns its result.

The shells of :mod:`kaskad_sdk.client` carry flows out, one awaiting and one blocking. All rules
about repeating stand here: what is asked again, how often, how soon, and when it is given up.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, TypeAlias, TypeVar

from kaskad_sdk import _system, _wire, errors
from kaskad_sdk._steps import Asking, NoAnswer, Request, Response
from kaskad_sdk.models import Channel, ChannelStatus, StatusData

T = TypeVar("T")

LONGEST_PAUSE_S: Final = 5.0
"""Who is asked to wait longer is told so instead of being made to wait."""
FIRST_PAUSE_S: Final = 0.2
PATIENCE_S: Final = 30.0
"""How long a wait that has reached the service once rides out that it is away."""
QUICK_S: Final = 1.0
FREE_QUICK_ROUNDS: Final = 2
TIMED_OUT: Final = 408
UNAVAILABLE: Final = frozenset({502, 503, 504})
RATE_LIMITED: Final = 429


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be done for so long."""

    seconds: float


Step: TypeAlias = Request | Pause
Flow: TypeAlias = Generator[Step, Response | None, T]
"""Is sent the answer to each request, and ``None`` after each pause."""


class Again(Enum):
    """When a call may be made once more without anybody's asking."""

    NEVER = auto()
    UNSENT = auto()
    """When the service cannot have acted on it."""
    SAFE = auto()
    """Whenever it failed for a time: to make it twice does what making it once does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Clock and chance."""

    monotonic: Callable[[], float] = _system.monotonic
    jitter: Callable[[], float] = _system.jitter
    new_id: Callable[[], str] = _system.new_id


def ask(request: Request) -> Flow[Response]:
    """Make a request, once."""
    answer = yield request
    if answer is None:
        raise AssertionError("a request is answered with a response")
    return answer


def rest(seconds: float) -> Flow[None]:
    """Do nothing for so long."""
    if seconds > 0:
        yield Pause(seconds)


class Flows:
    """The flows of one client."""

    def __init__(
        self,
        *,
        max_retries: int,
        timeout_s: float,
        hold_s: float,
        renewed: Callable[[Request], Request],
        machine: Machine | None = None,
    ) -> None:
        self.max_retries = max_retries
        self.timeout_s = timeout_s
        self.hold_s = hold_s
        self.renewed = renewed
        """A request as it is to be made now: the token may have changed since."""
        self.machine = machine or Machine()

    def call(self, request: Request, again: Again, session_id: str | None = None) -> Flow[Response]:
        """Make a call, more than once where that is harmless; raises what the service refuses."""
        answer = yield from self.asked(request, again, session_id)
        problem = _wire.refusal(answer, session_id)
        if problem is not None:
            raise problem
        return answer

    def asked(
        self, request: Request, again: Again, session_id: str | None = None
    ) -> Flow[Response]:
        """The answer to a call, whatever its status."""
        tried = 0
        while True:
            try:
                answer = yield from ask(self.renewed(request))
            except NoAnswer as lost:
                if tried >= self.max_retries or not _may_repeat(again, lost):
                    raise unconnected(lost, request, session_id) from lost
                pause = self._pause(tried)
            else:
                asked_for = _pause_asked_for(answer, again)
                if tried >= self.max_retries or asked_for is None:
                    return answer
                pause = max(asked_for, self._pause(tried))
            tried += 1
            yield from rest(pause)

    def _pause(self, tried: int) -> float:
        """Twice as long each time, and never the same for two clients."""
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(tried, 8))
        return longest * (0.5 + self.machine.jitter() / 2)

    # --- waiting -------------------------------------------------------------------------------

    def deadline(self, timeout_s: float | None) -> float:
        """When a wait that begins now is over."""
        return float("inf") if timeout_s is None else self.machine.monotonic() + timeout_s

    def selected(
        self, api: _wire.Api, request_id: str, deadline: float, since: int | None
    ) -> Flow[Channel]:
        """The channel, once its message has left; with ``since``, the first view after that."""
        wait = Wait(self, request_id, deadline)
        request = api.get(_wire.session_path(request_id, "channel"))
        if since is not None:
            request = self.channel_poll(api, request_id, since)
        while True:
            answer = yield from wait.answer(request)
            channel = read_channel(answer, request_id)
            news = since is None or channel.version != since
            if channel.status != ChannelStatus.WAIT and news:
                return channel
            since = channel.version if channel.status == ChannelStatus.WAIT else since
            request = self.channel_poll(api, request_id, since)

    def channel_poll(self, api: _wire.Api, request_id: str, since: int | None) -> Request:
        """The call that is held until the channel looks different."""
        path = _wire.session_path(request_id, "channel", held=True)
        return api.get(path + _wire.query(since=since), hold_s=self.hold_s)

    def confirmed(
        self, api: _wire.Api, request_id: str, recipient: str, deadline: float
    ) -> Flow[StatusData]:
        """Yes, once the number is proven; a channel that changes is read and followed."""
        wait, since = Wait(self, request_id, deadline), None
        while True:
            path = _wire.session_path(request_id, "status", held=True)
            asked = _wire.query(recipient=recipient, since=since)
            answer = yield from wait.answer(api.get(path + asked, hold_s=self.hold_s))
            problem = _wire.refusal(answer, request_id)
            if problem is None:
                found = _wire.status_data(answer)
                if found.success:
                    return found
            elif isinstance(problem, errors.ChannelChangedException):
                request = api.get(_wire.session_path(request_id, "channel"))
                answer = yield from wait.answer(request)
                since = read_channel(answer, request_id).version
            else:
                raise problem


class Wait:
    """One wait: it asks again until there is an answer, its deadline, or a reason to give up."""

    def __init__(self, flows: Flows, request_id: str, deadline: float) -> None:
        self._flows = flows
        self._request_id = request_id
        self._deadline = deadline
        self._met = False
        self._troubles = 0
        self._trouble_since = 0.0
        self._quick = 0
        self._view: str | None = None

    def answer(self, request: Request) -> Flow[Response]:
        """The answer to a call that may be held, unless it is that nothing happened."""
        clock = self._flows.machine.monotonic
        while True:
            yield from self._breathe()
            began = clock()
            longest = request.hold_s + self._flows.timeout_s
            left = self._deadline - began
            if left <= 0:
                raise errors.LongPollingTimeoutException(session_id=self._request_id)
            made = replace(self._flows.renewed(request), within_s=min(left, longest))
            try:
                answer = yield from ask(made)
            except NoAnswer as lost:
                if lost.sent and clock() >= self._deadline:
                    raise errors.LongPollingTimeoutException(session_id=self._request_id) from lost
                self._met |= lost.sent
                yield from self._ride_out(unconnected(lost, made, self._request_id))
                continue
            pause = _pause_asked_for(answer, Again.SAFE)
            if answer.status in UNAVAILABLE:  # a wait has time: it rides out what a call is told of
                pause = _wire.retry_after(answer)
                self._met |= pause is not None  # there is somebody, who knows when
                pause = pause or 0.0
            if pause is not None:
                problem = _wire.refusal(answer, self._request_id)
                yield from self._ride_out(problem or errors.OtpException(), pause)
                continue
            self._met, self._troubles = True, 0
            self._note(answer, clock() - began)
            if answer.status != TIMED_OUT:
                return answer

    def _ride_out(self, problem: errors.OtpException, asked_for_s: float = 0.0) -> Flow[None]:
        """Wait for the service to come back; raise what is wrong when that takes too long.

        It may ask for a longer pause than there is patience or time: there is one more try then.
        """
        now = self._flows.machine.monotonic()
        self._troubles += 1
        if self._troubles == 1:
            self._trouble_since = now
        over = self._troubles > self._flows.max_retries
        if self._met:
            over = now - self._trouble_since >= PATIENCE_S
        patience_s = self._trouble_since + PATIENCE_S - now
        longest = min(patience_s, (self._deadline - now) / 2)
        pause = max(min(asked_for_s, longest), self._flows._pause(self._troubles - 1))
        if over or now + pause >= self._deadline:
            raise problem
        yield from rest(pause)

    def _note(self, answer: Response, took: float) -> None:
        """Count the answers that came at once and said nothing new."""
        view = answer.headers.get("etag")
        news = view is not None and view != self._view
        self._view = view or self._view
        self._quick = 0 if news or took >= QUICK_S else self._quick + 1

    def _breathe(self) -> Flow[None]:
        """A service that answers at once, again and again, is not asked without a pause."""
        if self._quick > FREE_QUICK_ROUNDS:
            left = max(0.0, self._deadline - self._flows.machine.monotonic())
            pause = self._flows._pause(self._quick - FREE_QUICK_ROUNDS)
            yield from rest(min(pause, left))


def read_channel(answer: Response, request_id: str) -> Channel:
    """The channel that was answered; raises the refusal that was answered instead."""
    problem = _wire.refusal(answer, request_id)
    if problem is not None:
        raise problem
    return _wire.channel(answer)


def unconnected(
    lost: NoAnswer, request: Request | None = None, session_id: str | None = None
) -> errors.NoConnectionException:
    """The error of a request that got no answer; without one, of a client that asks nobody."""
    problem = errors.NoConnectionException(session_id=session_id)
    problem.sent = lost.sent
    problem.address = (request.origin if request else "") or None
    problem.reason = str(lost)
    return problem


def _may_repeat(again: Again, lost: NoAnswer) -> bool:
    return again is Again.SAFE or (again is Again.UNSENT and not lost.sent)


def _pause_asked_for(answer: Response, again: Again) -> float | None:
    """The seconds after which the same call may be made; ``None``: it is to be left alone."""
    repeatable = answer.status in UNAVAILABLE and again is Again.SAFE
    if not repeatable and (answer.status != RATE_LIMITED or again is Again.NEVER):
        return None
    pause = _wire.retry_after(answer) or 0.0
    return pause if pause <= LONGEST_PAUSE_S else None


def forwarded(flows: Flows, request: Request) -> Flow[Response]:
    """Somebody else's request: made once, or once more if it reads and did not leave."""
    again = Again.UNSENT if request.method == "GET" else Again.NEVER
    tried = 0
    while True:
        try:
            return (yield from ask(flows.renewed(request)))
        except NoAnswer as lost:
            if tried >= flows.max_retries or not _may_repeat(again, lost):
                raise unconnected(lost, request) from lost
        tried += 1
        yield from rest(flows._pause(tried - 1))


def outside(asking: Asking[T]) -> Flow[T]:
    """A flow that asks others than the service."""
    outcome: Response | NoAnswer | None = None
    while True:
        try:
            step = (
                asking.throw(outcome) if isinstance(outcome, NoAnswer) else _sent(asking, outcome)
            )
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            outcome = yield from ask(step)
        except NoAnswer as lost:
            outcome = lost


def _sent(asking: Asking[T], answer: Response | None) -> Request:
    return next(asking) if answer is None else asking.send(answer)
