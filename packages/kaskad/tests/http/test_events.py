"""The channel as a stream of events."""

from typing import Any

import msgspec
import pytest

from kaskad.app.ports import StoreUnavailableError
from packages.kaskad.tests.http.client import Exchange
from packages.kaskad.tests.http.house import HANG, STATES, TWO, House


async def stream(
    house: House, request_id: str, *, last: str | None = None, query: str = "", **headers: str
) -> Exchange:
    if last is not None:
        headers["last-event-id"] = last
    return await house.hold(f"/{request_id}/events{query}", headers=headers)


def events(exchange: Exchange) -> list[tuple[int, str, Any]]:
    """(id, name, data) of each event; comments are left out."""
    found = []
    for block in exchange.text.split("\n\n"):
        if not block or block.startswith(":"):
            continue
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert set(fields) == {"id", "event", "data"}
        found.append((int(fields["id"]), fields["event"], msgspec.json.decode(fields["data"])))
    return found


async def test_every_view_is_an_event_until_the_verdict_is_collected(house: House) -> None:
    request_id = await house.begin()
    reader = await stream(house, request_id)
    assert [e[2]["status"] for e in events(reader)] == ["wait"]

    await house.clock.advance(1)
    await house.check(request_id, house.wrong(request_id))
    await house.clock.advance()
    await house.check(request_id, house.code(request_id))
    await house.clock.advance()
    assert not reader.done
    await house.api.post(f"/{request_id}/complete")
    await house.clock.advance()

    assert reader.answer().status == 200
    found = events(reader)
    assert [e[0] for e in found] == [1, 2, 3, 4, 5]
    assert [e[1] for e in found] == ["channel"] * 4 + ["error"]
    assert [e[2].get("status") for e in found] == ["wait", "sent", "sent", "confirmed", None]
    assert [e[2].get("remainingCodeAttempts") for e in found] == [3, 3, 2, 2, None]
    assert found[-1][2]["type"] == "SessionClosedException"
    assert house.hub.held == 0


async def test_an_event_is_what_a_channel_call_answers(house: House) -> None:
    request_id = await house.sent()
    reader = await stream(house, request_id)
    plain = await house.api.get(f"/{request_id}/channel")
    [(version, name, data)] = events(reader)
    assert (name, data) == ("channel", plain.json)
    assert plain.header("etag") == f'"{version}"'


async def test_an_error_event_is_what_a_channel_call_answers(house: House) -> None:
    request_id = await STATES["ended"](house)
    reader = await stream(house, request_id, **{"accept-language": "en"})
    plain = await house.api.get(f"/{request_id}/channel", headers={"accept-language": "en"})
    assert events(reader)[0][1:] == ("error", plain.json)
    assert plain.json["message"] == "Restart the channel"
    assert not reader.done


async def test_a_reader_that_comes_back_goes_on_where_it_was(house: House) -> None:
    request_id = await house.sent()
    for how in ({"last": "2"}, {"query": "?since=2"}, {"last": "2", "query": "?since=1"}):
        reader = await stream(house, request_id, **how)
        assert events(reader) == []
        assert not reader.done
        reader.leave()
    for how in ({"last": "1"}, {"query": "?since=1"}, {"last": "1", "query": "?since=2"}):
        reader = await stream(house, request_id, **how)
        assert [e[0] for e in events(reader)] == [2]
        reader.leave()
    await house.clock.advance()
    assert house.hub.held == 0


@pytest.mark.parametrize("last", ["", "x", "-1", "²", "1.0", "9" * 19, "9" * 5000])
async def test_an_odd_last_event_id_is_none(house: House, last: str) -> None:
    request_id = await house.sent()
    reader = await stream(house, request_id, last=last)
    assert [e[0] for e in events(reader)] == [2]
    reader = await stream(house, request_id, last=last, query="?since=2")
    assert events(reader) == []


async def test_the_headers_keep_proxies_from_holding_it_back(house: House) -> None:
    request_id = await house.sent()
    reader = await stream(house, request_id, **{"x-request-id": "mine"})
    reader.leave()
    await house.clock.advance()
    answer = reader.answer()
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert answer.header("x-accel-buffering") == "no"
    assert answer.header("x-request-id") == "mine"


async def test_a_quiet_stream_shows_that_it_lives(house: House) -> None:
    request_id = await house.begin(HANG)
    reader = await stream(house, request_id)
    await house.clock.advance(45)
    assert reader.text.count(": still here\n\n") == 3
    assert not reader.done


async def test_a_stream_ends_after_a_while_and_can_be_opened_again(house: House) -> None:
    request_id = await house.confirmed()
    reader = await stream(house, request_id)
    await house.clock.advance(299)
    assert not reader.done
    await house.clock.advance(16)
    assert reader.answer().status == 200
    again = await stream(house, request_id, last=str(events(reader)[-1][0]))
    assert not again.done


async def test_who_leaves_frees_its_place(house: House) -> None:
    request_id = await house.begin(HANG)
    reader = await stream(house, request_id)
    assert house.hub.held == 1
    reader.leave()
    await house.clock.advance()
    assert (reader.done, house.hub.held) == (True, 0)


async def test_a_ninth_stream_ends_the_oldest(house: House) -> None:
    request_id = await house.begin(HANG)
    readers = [await stream(house, request_id) for _ in range(10)]
    assert [reader.done for reader in readers] == [True] * 2 + [False] * 8
    assert all(len(events(reader)) == 1 for reader in readers)
    await house.clock.advance(50)
    assert [reader.done for reader in readers] == [True] * 2 + [False] * 8
    assert house.hub.held == 8


async def test_a_service_that_stops_ends_it(house: House) -> None:
    readers = [
        await stream(house, await house.begin(HANG)),
        await stream(house, await STATES["sent"](house)),
    ]
    house.service.drain()
    await house.clock.advance()
    assert [reader.answer().status for reader in readers] == [200, 200]


async def test_a_store_that_fails_ends_it(house: House) -> None:
    request_id = await house.sent()
    reader = await stream(house, request_id)
    house.store.trouble = StoreUnavailableError("away")
    house.hub.wake(request_id)
    await house.clock.advance()
    assert reader.answer().status == 200
    assert len(events(reader)) == 1


async def test_a_session_that_vanishes_ends_it(house: House) -> None:
    request_id = await house.sent()
    reader = await stream(house, request_id)
    del house.store.sessions[request_id]
    house.hub.wake(request_id)
    await house.clock.advance()
    assert reader.answer().status == 200


async def test_another_channel_is_another_event(house: House) -> None:
    request_id = await house.begin(TWO)
    reader = await stream(house, request_id)
    await house.clock.advance(1)
    assert [e[2]["type"] for e in events(reader)][-1] == "voice"
    own = house.recipient(request_id)
    assert (await house.api.get(f"/{request_id}/status?recipient={own}")).outcome is False
