"""A wait while the service is away, in virtual time."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from kaskad_sdk import LongPollingTimeoutException, RateLimitException, ServiceUnavailableException
from kaskad_sdk._calls import Calls
from kaskad_sdk._flow import Flow, Flows, Machine, Pause
from kaskad_sdk._steps import Response
from kaskad_sdk._watch import Watch
from kaskad_sdk._wire import Api

SESSION = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
NUMBER = "+79001234567"
HOLD_S = 25.0
TIMED_OUT = Response(status=408)
PROVEN = Response(status=200, body=b'{"success": true}')


def away(status: int, retry_after: str) -> Response:
    return Response(status=status, headers={"retry-after": retry_after})


class Player:
    """Carries a flow out: held calls and pauses take their time, which is virtual."""

    def __init__(self, *answers: Response) -> None:
        self.now_s = 0.0
        self.asked_at: list[float] = []
        self._answers: Iterator[Response] = iter(answers)
        api = Api("https://otp.example.com", "t", agent="tests")
        machine = Machine(monotonic=lambda: self.now_s, jitter=lambda: 1.0)
        flows = Flows(
            max_retries=2, timeout_s=10, hold_s=HOLD_S, renewed=api.renewed, machine=machine
        )
        self.calls = Calls(api, flows)

    def play(self, flow: Flow[Any]) -> Any:
        answer: Response | None = None
        try:
            while True:
                step = flow.send(answer)
                if isinstance(step, Pause):
                    self.now_s, answer = self.now_s + step.seconds, None
                    continue
                self.asked_at.append(self.now_s)
                answer = next(self._answers)
                if answer is TIMED_OUT:
                    self.now_s += min(HOLD_S, step.within_s or HOLD_S)
        except StopIteration as end:
            return end.value

    def wait(self, timeout_s: float | None) -> Any:
        return self.play(self.calls.confirmed(SESSION, NUMBER, timeout_s))


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("met", [(), (TIMED_OUT,)], ids=["the first answer", "a later one"])
def test_a_long_pause_that_is_asked_for_is_made(status: int, met: tuple[Response, ...]) -> None:
    player = Player(*met, away(status, "6"), PROVEN)
    assert player.wait(300).success
    assert player.asked_at[-1] - player.asked_at[-2] == 6


@pytest.mark.parametrize("timeout_s", [300, None])
def test_the_pause_is_no_longer_than_the_patience(timeout_s: float | None) -> None:
    player = Player(TIMED_OUT, away(503, "3600"), PROVEN)
    assert player.wait(timeout_s).success
    assert player.asked_at == [0, 25, 55]
    player = Player(TIMED_OUT, away(503, "20"), *[away(503, "20")] * 9)
    with pytest.raises(ServiceUnavailableException):
        player.wait(timeout_s)
    assert player.asked_at == [0, 25, 45, 55]


def test_a_wait_that_finds_no_room_yet_has_patience_from_the_start() -> None:
    player = Player(*[away(503, "2")] * 7, PROVEN)
    assert player.wait(300).success
    gaps = [later - at for at, later in pairwise(player.asked_at)]
    assert len(gaps) == 7
    assert min(gaps) >= 2


def test_the_pause_leaves_time_for_another_try() -> None:
    player = Player(TIMED_OUT, away(503, "25"), PROVEN)
    assert player.wait(45).success
    assert player.asked_at == [0, 25, 35]


def test_a_service_that_stays_away_is_told_of_before_the_deadline() -> None:
    player = Player(TIMED_OUT, *[away(503, "25")] * 20)
    with pytest.raises(ServiceUnavailableException) as away_for:
        player.wait(45)
    assert away_for.value.retry_after_s == 25
    assert 35 < player.now_s < 45
    assert len(player.asked_at) < 8


def test_a_deadline_is_a_deadline_still() -> None:
    player = Player(TIMED_OUT, TIMED_OUT)
    with pytest.raises(LongPollingTimeoutException):
        player.wait(30)
    assert player.now_s == 30


def test_a_limit_for_long_is_told_of_at_once() -> None:
    player = Player(TIMED_OUT, away(429, "6"))
    with pytest.raises(RateLimitException):
        player.wait(300)
    assert player.now_s == 25


def test_a_watch_rides_it_out_too() -> None:
    view = b'{"type": "sms", "status": "sent", "label": "", "codeType": "code"}'
    player = Player(away(503, "6"), Response(status=200, body=view))
    watch = Watch(player.calls, SESSION)
    assert player.play(watch.news()) is watch.last is not None
    assert player.asked_at == [0, 6]
