"""Calls that are held: until when, for whom, and what frees them."""

import asyncio
import gc
from collections.abc import Callable

import pytest

from kaskad.core.model import ReportKind
from kaskad.http.exchange import REQUEST, Header
from packages.kaskad.tests.http.client import Exchange, Message
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import HANG, PUSH, STATES, TWO, House

TIMEOUT = "LongPollingTimeoutException"


async def poll(house: House, request_id: str, since: int | None = None) -> Exchange:
    query = "" if since is None else f"?since={since}"
    return await house.hold(f"/longPolling/{request_id}/channel{query}")


async def poll_status(house: House, request_id: str, since: int | None = None) -> Exchange:
    query = f"?recipient={house.recipient(request_id)}"
    query += "" if since is None else f"&since={since}"
    return await house.hold(f"/longPolling/{request_id}/status{query}")


def version(exchange: Exchange) -> int:
    return int((exchange.answer().header("etag") or "").strip('"'))


# --- the channel ----------------------------------------------------------------------


async def test_a_poll_is_held_while_the_message_is_on_its_way(house: House) -> None:
    request_id = await house.begin()
    held = await poll(house, request_id)
    assert not held.done
    assert house.hub.held == 1

    await house.clock.advance(1)

    assert held.answer().json["status"] == "sent"
    assert house.hub.held == 0


async def test_what_was_not_delivered_is_answered_at_once_and_then_not_again(house: House) -> None:
    request_id = await house.sent()
    first = await poll(house, request_id)
    assert first.answer().json["status"] == "sent"

    second = await poll(house, request_id)
    assert not second.done
    await house.check(request_id, house.wrong(request_id))
    await house.clock.advance()
    assert second.answer().json["remainingCodeAttempts"] == 2


async def test_a_plain_read_delivers_nothing(house: House) -> None:
    request_id = await house.sent()
    await house.api.get(f"/{request_id}/channel")
    assert (await poll(house, request_id)).done


async def test_a_change_between_two_polls_is_not_lost(house: House) -> None:
    request_id = await house.sent()
    await poll(house, request_id)
    await house.check(request_id, house.wrong(request_id))
    assert (await poll(house, request_id)).answer().json["remainingCodeAttempts"] == 2


async def test_a_message_that_came_while_nobody_polled_is_told(house: House) -> None:
    request_id = await house.begin()
    held = await poll(house, request_id)
    held.leave()
    await house.clock.advance(1)
    assert (await poll(house, request_id)).answer().json["status"] == "sent"


@pytest.mark.parametrize("state", ["ended", "ended_for_good"])
async def test_a_refusal_is_told_at_once(house: House, state: str) -> None:
    request_id = await STATES[state](house)
    assert (await poll(house, request_id)).answer().status == 400


@pytest.mark.parametrize("state", ["spent", "exhausted", "outlived", "completed", "cancelled"])
async def test_an_end_is_told_to_everybody_always(house: House, state: str) -> None:
    request_id = await STATES[state](house)
    for _ in range(3):
        held = await poll(house, request_id)
        assert held.answer().status == 400
        held = await poll(house, request_id, since=version(held))
        assert held.answer().status == 400


async def test_since_answers_any_newer_view_even_in_wait(house: House) -> None:
    request_id = await house.begin()
    first = await poll(house, request_id, since=0)
    assert first.answer().json["status"] == "wait"

    second = await poll(house, request_id, since=version(first))
    assert not second.done
    await house.clock.advance(1)
    assert second.answer().json["status"] == "sent"
    assert version(second) > version(first)


async def test_since_does_not_look_at_what_others_got(house: House) -> None:
    request_id = await house.sent()
    await poll(house, request_id)
    for _ in range(3):
        assert (await poll(house, request_id, since=1)).answer().json["status"] == "sent"


async def test_since_ahead_of_us_is_answered(house: House) -> None:
    request_id = await house.sent()
    assert (await poll(house, request_id, since=10**17)).answer().status == 200


async def test_a_resend_is_waited_for_with_since(house: House) -> None:
    request_id = await STATES["ended"](house)
    first = await poll(house, request_id, since=0)
    assert first.answer().outcome == "ResendChannelException"
    second = await poll(house, request_id, since=version(first))
    assert not second.done

    await house.api.post(f"/{request_id}/resend")
    await house.clock.advance()

    assert second.answer().json["status"] == "wait"


async def test_each_of_several_pollers_sees_every_view(house: House) -> None:
    request_id = await house.begin(TWO)
    seen: list[list[int]] = [[], [], []]

    async def follow(mine: list[int]) -> None:
        since = 0
        while True:
            call = house.api.begin("GET", f"/longPolling/{request_id}/channel?since={since}")
            assert call.task is not None
            await call.task
            if call.answer().outcome == TIMEOUT:
                continue
            since = version(call)
            mine.append(since)
            if call.answer().status == 400:
                return

    tasks = [asyncio.create_task(follow(mine)) for mine in seen]
    await house.clock.advance(1)
    for _ in range(2):
        await house.check(request_id, house.wrong(request_id))
        await house.clock.advance()
    await house.api.post(f"/{request_id}/cancel")
    await house.clock.advance()
    await asyncio.gather(*tasks)

    newest = house.store.sessions[request_id].view_version
    assert newest >= 5
    # A reader may come too late for a view that was replaced in the same breath.
    assert seen[0] == seen[1] == seen[2]
    assert seen[0] == sorted(set(seen[0]))
    assert seen[0][-1] == newest
    assert len(seen[0]) >= newest - 2


@pytest.mark.parametrize("hasty", [False, True])
async def test_a_change_wakes_everybody(house: House, hasty: bool) -> None:
    house.store.hasty = hasty
    request_id = await house.begin()
    calls = [await poll(house, request_id) for _ in range(4)]
    calls += [await poll_status(house, request_id) for _ in range(4)]
    await house.clock.advance(1)
    assert all(call.done for call in calls[:4])
    await house.check(request_id, house.code(request_id))
    await house.clock.advance()
    assert all(call.answer().outcome is True for call in calls[4:])
    assert house.hub.held == 0


# --- the status -----------------------------------------------------------------------


async def test_a_status_is_held_until_it_is_true(house: House) -> None:
    request_id = await house.begin()
    held = await poll_status(house, request_id)
    await house.clock.advance(1)
    assert not held.done
    await house.check(request_id, house.wrong(request_id))
    await house.clock.advance()
    assert not held.done

    await house.check(request_id, house.code(request_id))
    await house.clock.advance()
    assert held.answer().outcome is True
    assert (await poll_status(house, request_id)).answer().outcome is True


async def test_a_status_is_held_until_it_is_an_error(house: House) -> None:
    request_id = await house.sent()
    held = await poll_status(house, request_id)
    for _ in range(3):
        await house.check(request_id, house.wrong(request_id))
    await house.clock.advance()
    assert held.answer().outcome == "AttemptsExpiredException"


async def test_a_held_status_hears_of_another_channel(house: House) -> None:
    request_id = await house.begin(TWO)
    held = await poll_status(house, request_id)
    assert not held.done
    await house.clock.advance(1)
    assert held.answer().outcome == "ChannelChangedException"


async def test_a_push_that_is_confirmed_wakes_the_status(house: House) -> None:
    request_id = await house.sent(PUSH)
    held = await poll_status(house, request_id)
    [message] = house.messages(request_id)
    answer = await house.api.post(f"/{request_id}/complete")
    assert answer.outcome is False

    assert house.service.inbox.answer(message.id, ReportKind.CONFIRMED)
    await house.clock.advance()
    assert held.answer().outcome is True


# --- how it ends otherwise ------------------------------------------------------------


async def test_nothing_happened_is_said_after_twenty_five_seconds(house: House) -> None:
    request_id = await house.begin(HANG)
    calls = [await poll(house, request_id), await poll_status(house, request_id)]

    await house.clock.advance(24.9)
    assert not any(call.done for call in calls)
    await house.clock.advance(0.1)

    for call in calls:
        assert (call.answer().status, call.answer().outcome) == (408, TIMEOUT)
        assert call.answer().header("etag") is None
    assert house.hub.held == 0


async def test_the_longest_hold_can_be_set(open_house: OpenHouse) -> None:
    house = await open_house(long_poll_timeout_s=2.0)
    held = await poll(house, await house.begin(HANG))
    await house.clock.advance(2)
    assert held.answer().outcome == TIMEOUT


async def test_a_session_holds_eight_calls_and_the_oldest_goes(house: House) -> None:
    request_id, other = await house.begin(HANG), await house.begin(HANG)
    lonely = await poll(house, other)
    calls = [await poll(house, request_id) for _ in range(4)]
    calls += [await poll_status(house, request_id) for _ in range(4)]
    assert not any(call.done for call in calls)

    calls.append(await poll(house, request_id))
    assert [call.done for call in calls] == [True] + [False] * 8
    calls.append(await poll_status(house, request_id))
    assert [call.done for call in calls] == [True] * 2 + [False] * 8

    assert calls[0].answer().outcome == calls[1].answer().outcome == TIMEOUT
    assert not lonely.done
    assert house.hub.held == 9


async def test_a_client_that_leaves_frees_its_place(house: House) -> None:
    request_id = await house.begin(HANG)
    calls = [await poll(house, request_id) for _ in range(8)]
    for call in calls[:3]:
        call.leave()
    await house.clock.advance()
    assert house.hub.held == 5
    assert [call.done for call in calls] == [True] * 3 + [False] * 5
    assert all(call.started is None for call in calls[:3])

    more = [await poll(house, request_id) for _ in range(3)]
    assert house.hub.held == 8
    assert not any(call.done for call in [*calls[3:], *more])


async def test_who_left_was_not_delivered_to(house: House) -> None:
    request_id = await house.sent()
    await poll(house, request_id)
    held = await poll(house, request_id)
    held.leave()
    await house.clock.advance()
    await house.check(request_id, house.wrong(request_id))
    assert (await poll(house, request_id)).answer().json["remainingCodeAttempts"] == 2


class Line:
    """What our own server offers a request, and that it never answers by itself."""

    def __init__(self) -> None:
        self.gone = False
        self.tell: Callable[[], None] | None = None

    def watch(self, tell: Callable[[], None]) -> "Line":
        self.tell = tell
        if self.gone:
            tell()
        return self

    def cancel(self) -> None:
        self.tell = None

    def whole_body(self) -> bytes | None:
        return None

    def whole_answer(
        self, status: int, headers: tuple[Header, ...], request_id: str, body: bytes
    ) -> bool:
        return False


async def poll_over(house: House, line: Line, request_id: str) -> Exchange:
    exchange = house.api.begin("GET", f"/longPolling/{request_id}/channel")
    exchange.scope[REQUEST] = line
    await house.clock.advance()
    return exchange


async def test_an_answer_that_reached_nobody_was_not_delivered(house: House) -> None:
    request_id = await house.begin()
    line = Line()
    held = await poll_over(house, line, request_id)
    assert not held.done
    line.gone = True  # and nobody has noticed yet
    await house.clock.advance(1)
    assert held.answer().json["status"] == "sent"
    assert (await poll(house, request_id)).answer().json["status"] == "sent"
    assert not (await poll(house, request_id)).done


async def test_a_connection_that_tells_of_its_end_frees_the_place(house: House) -> None:
    request_id = await house.begin(HANG)
    line = Line()
    held = await poll_over(house, line, request_id)
    assert line.tell is not None
    assert house.hub.held == 1
    line.tell()
    await house.clock.advance()
    assert held.done
    assert held.started is None
    assert house.hub.held == 0

    line.gone = True
    assert (await poll_over(house, line, request_id)).done
    assert house.hub.held == 0


async def test_a_connection_that_breaks_while_it_is_watched_has_left(house: House) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    request_id = await house.begin(HANG)
    broken = asyncio.Event()

    async def receive() -> Message:
        await broken.wait()
        raise OSError("reset by peer")

    async def send(_: Message) -> None:
        raise AssertionError("there is nobody to send to")

    scope = house.api.begin("GET", f"/longPolling/{request_id}/channel").scope
    call = asyncio.ensure_future(house.api.app(scope, receive, send))
    await house.clock.advance()
    assert house.hub.held == 2
    broken.set()
    await call
    gc.collect()
    assert complaints == []  # asyncio complains of an exception that nobody has looked at
    assert house.hub.held == 1


async def test_a_call_that_is_answered_at_once_takes_nobodys_place(house: House) -> None:
    request_id = await house.sent()
    await poll(house, request_id)
    calls = [await poll(house, request_id) for _ in range(8)]
    for _ in range(3):
        assert (await poll(house, request_id, since=0)).answer().status == 200
    assert not any(call.done for call in calls)


async def test_a_service_that_stops_answers_held_calls_at_once(house: House) -> None:
    first, second = await house.begin(HANG), await house.sent()
    calls = [
        await poll(house, first),
        await poll_status(house, first),
        await poll_status(house, second),
    ]
    assert not any(call.done for call in calls)

    house.service.drain()
    await house.clock.advance()

    assert [call.answer().outcome for call in calls] == [TIMEOUT] * 3
    assert house.hub.held == 0
    assert (await poll(house, first)).answer().outcome == TIMEOUT
    assert (await poll(house, second)).answer().json["status"] == "sent"
    assert (await house.check(second, house.code(second))).outcome is True


async def test_the_end_of_a_code_wakes_who_waits(open_house: OpenHouse) -> None:
    house = await open_house(long_poll_timeout_s=2000.0)
    request_id = await house.sent()
    assert (await poll(house, request_id)).done
    calls = [await poll(house, request_id), await poll_status(house, request_id)]

    await house.clock.advance(299.1)
    assert not any(call.done for call in calls)
    await house.clock.advance(0.1)

    assert [call.answer().outcome for call in calls] == ["ResendChannelException"] * 2


async def test_the_end_of_a_session_wakes_who_waits(open_house: OpenHouse) -> None:
    house = await open_house(long_poll_timeout_s=2000.0, session_lifetime_s=60)
    request_id = await house.sent()
    assert (await poll(house, request_id)).done
    calls = [await poll(house, request_id), await poll_status(house, request_id)]

    await house.clock.advance(58.9)
    assert not any(call.done for call in calls)
    await house.clock.advance(0.1)

    assert [call.answer().outcome for call in calls] == ["SessionClosedException"] * 2


async def test_a_silent_provider_wakes_who_waits(house: House) -> None:
    request_id = await house.begin(HANG)
    await house.clock.advance(59)
    held = await poll_status(house, request_id)
    await house.clock.advance(1)
    assert held.answer().outcome == "ResendChannelException"


async def test_a_held_call_asks_the_store_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await house.sent()
    await poll(house, request_id)
    held = await poll(house, request_id)
    reads = 0
    load = house.store.load

    async def counted(session_id: str) -> object:
        nonlocal reads
        reads += 1
        return await load(session_id)

    monkeypatch.setattr(house.store, "load", counted)
    await house.clock.advance(20)
    assert not held.done
    assert reads == 0


async def test_a_session_that_vanishes_is_not_found(house: House) -> None:
    request_id = await house.sent()
    await poll(house, request_id)
    held = await poll(house, request_id)
    del house.store.sessions[request_id]
    house.hub.wake(request_id)
    await house.clock.advance()
    assert held.answer().outcome == "SessionNotFoundException"


@pytest.mark.parametrize("call", ["complete", "cancel", "resend"])
async def test_a_session_that_vanishes_before_it_is_acted_on_is_not_found(
    house: House, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    request_id = await house.sent()
    load = house.store.load

    async def for_the_last_time(session_id: str) -> object:
        session = await load(session_id)
        house.store.sessions.pop(session_id, None)
        return session

    monkeypatch.setattr(house.store, "load", for_the_last_time)
    answer = await house.api.post(f"/{request_id}/{call}")
    assert answer.outcome == "SessionNotFoundException"
