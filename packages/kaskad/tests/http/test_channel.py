"""What a channel call says, and what its version counts."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from kaskad.core.inputs import Reported, Turned
from kaskad.core.model import CodeType, LaunchSettings, ReportKind
from kaskad.testing import START
from packages.kaskad.tests import builders
from packages.kaskad.tests.http import house as scene
from packages.kaskad.tests.http.client import Answer, Json
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import (
    HANG,
    ONCE,
    PUSH,
    REJECT,
    SMS,
    STATES,
    TWO,
    House,
    configuration,
)


async def channel(house: House, request_id: str) -> Json:
    answer = await house.api.get(f"/{request_id}/channel")
    assert answer.status == 200
    return answer.json


async def version(house: House, request_id: str) -> int:
    return version_of(await house.api.get(f"/{request_id}/channel"))


def version_of(answer: Answer) -> int:
    etag = answer.header("etag")
    assert etag is not None
    assert etag[0] == etag[-1] == '"'
    return int(etag[1:-1])


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


# --- the body -------------------------------------------------------------------------


async def test_a_text_message_on_its_way_and_there(house: House) -> None:
    request_id = await house.begin()
    settings = {
        "code": {"length": 6, "beautify": False},
        "lifetime": 300,
        "numberOfTries": 3,
        "numberOfRestart": 1,
        "restartCooldown": 30,
    }
    again = {"action": "restart", "type": "sms", "label": "SMS"}

    assert await channel(house, request_id) == {
        "type": "sms",
        "status": "wait",
        "label": "SMS",
        "codeType": "code",
        "payload": {
            "now": at(0),
            "expiresAt": at(900),
            "resendAt": at(40),
            "next": again,
            "another": None,
        },
        "settings": settings,
        "remainingCodeAttempts": 3,
    }

    await house.clock.advance(1)
    assert await channel(house, request_id) == {
        "type": "sms",
        "status": "sent",
        "label": "SMS",
        "codeType": "code",
        "payload": {
            "now": at(1),
            "expiresAt": at(300.2),
            "resendAt": at(30.2),
            "next": again,
            "another": None,
        },
        "settings": settings,
        "remainingCodeAttempts": 3,
    }


async def test_a_push_has_no_code(house: House) -> None:
    found = await channel(house, await house.sent(PUSH))

    assert (found["type"], found["codeType"], found["status"]) == ("sim_push", "codeless", "sent")
    assert set(found["settings"]) == {
        "lifetime",
        "numberOfTries",
        "numberOfRestart",
        "restartCooldown",
    }
    assert found["remainingCodeAttempts"] == 0
    assert "help" in found["payload"]


async def test_a_confirmed_channel_offers_nothing_more(house: House) -> None:
    found = await channel(house, await house.confirmed())

    assert found["status"] == "confirmed"
    assert (found["payload"]["resendAt"], found["payload"]["next"]) == (None, None)
    assert found["payload"]["expiresAt"] == at(900)


async def test_a_last_channel_offers_nothing_more(house: House) -> None:
    found = await channel(house, await house.sent(ONCE))
    assert (found["payload"]["resendAt"], found["payload"]["next"]) == (None, None)


async def test_the_next_channel_is_named(open_house: OpenHouse) -> None:
    voice = builders.channel("voice", id="call", label="Звонок", provider="voice-provider")
    both = replace(builders.widget(id=SMS), channels=("once", "call"))
    house = await open_house(configuration(voice, widgets=[both]))

    found = await channel(house, await house.sent(SMS))

    call = {"action": "channel", "type": "voice", "label": "Звонок"}
    assert (found["payload"]["next"], found["payload"]["another"]) == (call, call)
    assert found["payload"]["resendAt"] == at(30.2)


async def test_the_settings_are_those_of_the_launch(open_house: OpenHouse) -> None:
    settings = LaunchSettings(
        code_length=4,
        lifetime_s=120,
        number_of_tries=9,
        number_of_restart=2,
        restart_cooldown_s=7,
    )
    flash = replace(builders.channel("flashcall", id="flash"), settings=settings)
    own = replace(builders.widget(id=SMS), channels=("flash",))
    house = await open_house(configuration(flash, widgets=[own]))
    request_id = await house.sent(SMS)
    before = await channel(house, request_id)

    assert before["settings"] == {
        "code": {"length": 4, "beautify": False},
        "lifetime": 120,
        "numberOfTries": 3,
        "numberOfRestart": 2,
        "restartCooldown": 7,
    }
    assert before["payload"]["callerIdMask"].endswith("____")
    assert "4" in before["payload"]["help"]

    other = replace(flash, settings=LaunchSettings(), label="other")
    house.configure(configuration(other, widgets=[own]))
    assert await channel(house, request_id) == before


async def test_help_speaks_the_readers_language(house: House) -> None:
    request_id = await house.sent(TWO)
    russian = (await house.api.get(f"/{request_id}/channel")).json
    english = (
        await house.api.get(f"/{request_id}/channel", headers={"accept-language": "en"})
    ).json
    assert russian["payload"].pop("help") != english["payload"]["help"]
    assert english["payload"].pop("help").isascii()
    assert russian == english


async def test_times_have_a_zone_and_field_names_are_exact(house: House) -> None:
    found = await channel(house, await house.sent())

    for name in ("now", "expiresAt", "resendAt"):
        moment = datetime.fromisoformat(found["payload"][name])
        assert moment.utcoffset() == timedelta(0)
    assert list(found) == [
        "type",
        "status",
        "label",
        "codeType",
        "payload",
        "settings",
        "remainingCodeAttempts",
    ]


async def test_attempts_are_the_fewer_of_channel_and_session(open_house: OpenHouse) -> None:
    limits = replace(builders.widget().limits, code_attempts_per_session=2)
    strict = replace(builders.widget(id=SMS, limits=limits), channels=("sms",))
    house = await open_house(configuration(widgets=[strict]))
    request_id = await house.sent(SMS)

    assert (await channel(house, request_id))["remainingCodeAttempts"] == 2
    await house.check(request_id, house.wrong(request_id))
    assert (await channel(house, request_id))["remainingCodeAttempts"] == 1
    answer = await house.check(request_id, house.wrong(request_id))
    assert answer.outcome == "AttemptsExpiredException"


async def test_no_answer_ever_shows_the_code(house: House) -> None:
    request_id = await house.sent()
    code = house.code(request_id)
    answers = [
        await house.api.get(f"/{request_id}/channel"),
        await house.check(request_id, house.wrong(request_id)),
        await house.check(request_id, code),
        await house.api.get(f"/{request_id}/channel"),
    ]
    for answer in answers:
        assert code.encode() not in answer.body
        assert all(code not in value for _, value in answer.headers)


# --- the version ----------------------------------------------------------------------


async def test_the_version_rises_when_the_body_or_the_error_changes(house: House) -> None:
    request_id = await house.begin()
    seen = [await version(house, request_id)]
    await house.clock.advance(1)
    seen.append(await version(house, request_id))
    await house.check(request_id, house.wrong(request_id))
    seen.append(await version(house, request_id))
    await house.clock.leap(300)
    seen.append(await version(house, request_id))
    await house.api.post(f"/{request_id}/resend")
    seen.append(await version(house, request_id))
    await house.clock.advance(1)
    seen.append(await version(house, request_id))
    await house.check(request_id, house.code(request_id))
    seen.append(await version(house, request_id))
    await house.api.post(f"/{request_id}/complete")
    seen.append(await version(house, request_id))

    assert seen == sorted(set(seen))


async def test_the_version_does_not_rise_for_what_no_reader_sees(house: House) -> None:
    request_id = await house.sent(PUSH)
    own = house.recipient(request_id)
    before = await version(house, request_id)

    for kind in (ReportKind.DELIVERED, ReportKind.DELIVERED):
        await house.service.engine.apply(request_id, Reported(launch=1, kind=kind))
    await house.check(request_id, "000000")
    await house.api.post(f"/{request_id}/resend")
    await house.api.post(f"/{request_id}/complete")
    await house.api.post(f"/{request_id}/checkStatusAndComplete?recipient={own}")
    await house.api.get(f"/{request_id}/status?recipient={own}")
    await house.api.get(f"/longPolling/{request_id}/channel")
    await house.clock.advance(100)

    assert await version(house, request_id) == before


async def test_while_nothing_changes_only_the_time_does(house: House) -> None:
    request_id = await house.sent()
    first = await channel(house, request_id)
    await house.clock.advance(50)
    second = await channel(house, request_id)

    assert second["payload"].pop("now") > first["payload"].pop("now")
    assert first == second


async def test_misses_after_confirmation_change_nothing(house: House) -> None:
    request_id = await house.confirmed()
    before = await version(house, request_id)
    for _ in range(10):
        await house.check(request_id, house.wrong(request_id))
    assert await version(house, request_id) == before
    assert (await house.check(request_id, house.code(request_id))).outcome is True


@pytest.mark.parametrize("state", ["ended", "spent", "exhausted", "outlived", "completed"])
async def test_an_error_has_a_version_too(house: House, state: str) -> None:
    request_id = await STATES[state](house)
    answer = await house.api.get(f"/{request_id}/channel")
    assert answer.status == 400
    assert version_of(answer) == house.store.sessions[request_id].view_version


# --- ChannelChanged -------------------------------------------------------------------


async def status(house: House, request_id: str, since: int | None = None) -> str | bool:
    query = f"?recipient={house.recipient(request_id)}"
    if since is not None:
        query += f"&since={since}"
    plain = await house.api.get(f"/{request_id}/status{query}")
    held = await house.hold(f"/longPolling/{request_id}/status{query}")
    if held.done:
        assert held.answer().outcome == plain.outcome
    else:
        assert plain.outcome is False
        held.leave()
        await house.clock.advance()
    return plain.outcome


async def test_a_changed_channel_has_to_be_read_before_the_status(house: House) -> None:
    request_id = await house.begin(TWO)
    first = await version(house, request_id)
    assert await status(house, request_id) is False
    await house.clock.advance(1)

    assert await status(house, request_id) == "ChannelChangedException"
    assert await status(house, request_id) == "ChannelChangedException"
    second = await version(house, request_id)
    assert second > first
    assert await status(house, request_id) is False


async def test_the_first_launch_need_not_be_read(house: House) -> None:
    request_id = await house.sent()
    assert await status(house, request_id) is False


@pytest.mark.parametrize("reading", ["channel", "longPolling", "events"])
async def test_every_way_of_reading_counts_as_read(house: House, reading: str) -> None:
    request_id = await house.sent(TWO)
    if reading == "channel":
        await channel(house, request_id)
    elif reading == "longPolling":
        poll = await house.hold(f"/longPolling/{request_id}/channel?since=1")
        assert poll.answer().status == 200
    else:
        stream = await house.hold(f"/{request_id}/events")
        stream.leave()
        await house.clock.advance()
    assert await status(house, request_id) is False


async def test_an_error_does_not_count_as_read(house: House) -> None:
    request_id = await STATES["changed_and_ended"](house)
    answer = await house.api.get(f"/{request_id}/channel")
    assert answer.outcome == "ResendChannelException"

    await house.api.post(f"/{request_id}/resend")
    await house.clock.advance(1)

    assert await status(house, request_id) == "ChannelChangedException"


async def test_since_is_compared_instead_of_what_others_have_read(house: House) -> None:
    request_id = await house.begin(TWO)
    first = await version(house, request_id)
    await house.clock.advance(1)
    second = await version(house, request_id)

    assert await status(house, request_id) is False
    assert await status(house, request_id, first) == "ChannelChangedException"
    assert await status(house, request_id, second) is False
    assert await status(house, request_id, second + 5) is False
    assert await status(house, request_id, 0) == "ChannelChangedException"


async def test_a_version_of_the_same_channel_is_not_a_change(house: House) -> None:
    request_id = await house.begin()
    first = await version(house, request_id)
    await house.clock.advance(1)
    assert await version(house, request_id) > first
    assert await status(house, request_id, first) is False


async def test_a_restart_is_a_change(house: House) -> None:
    request_id = await house.sent()
    await house.clock.leap(30)
    await house.api.post(f"/{request_id}/resend")
    assert await status(house, request_id) == "ChannelChangedException"


async def test_a_turn_between_code_and_codeless_is_a_change(house: House) -> None:
    request_id = await house.sent()
    turn = Turned(launch=1, code_type=CodeType.CODELESS)
    await house.service.engine.apply(request_id, turn)

    assert await status(house, request_id) == "ChannelChangedException"
    assert (await channel(house, request_id))["codeType"] == "codeless"
    assert await status(house, request_id) is False


async def test_a_confirmed_status_does_not_ask_for_reading(house: House) -> None:
    request_id = await house.sent(TWO)
    await house.check(request_id, house.code(request_id))
    assert await status(house, request_id) is True


# --- widgets --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "widget, blocked, active, name",
    [
        (SMS, False, True, "Форма"),
        (scene.BLOCKED, True, True, "Demo"),
        (scene.INACTIVE, False, False, "Demo"),
    ],
)
async def test_a_widget_says_whether_it_may_be_used(
    house: House, widget: str, blocked: bool, active: bool, name: str
) -> None:
    answer = await house.api.get(f"/widget/{widget}")
    assert answer.status == 200
    assert answer.json == {
        "isBlocked": blocked,
        "isActive": active,
        "name": name,
        "captchaIsRequired": False,
    }


async def test_codes_still_check_when_the_widget_is_blocked_meanwhile(house: House) -> None:
    request_id = await house.sent()
    waiting = await house.begin(HANG)
    blocked = [replace(w, blocked=True) for w in scene.WIDGETS]
    house.configure(configuration(widgets=blocked))

    assert (await house.check(request_id, house.code(request_id))).outcome is True
    answer = await house.api.post(f"/{waiting}/resend")
    assert answer.outcome == "NoAvailableChannelsException"
    assert (await house.api.get(f"/{waiting}/channel")).status == 200


async def test_a_send_goes_to_the_first_channel_that_suits(open_house: OpenHouse) -> None:
    own = replace(builders.widget(id=SMS), channels=("off", "reject", "voice"))
    house = await open_house(configuration(widgets=[own]))
    request_id = await house.sent(SMS)
    found = await channel(house, request_id)
    assert (found["type"], found["label"]) == ("voice", "VOICE")
    assert [x.channel for x in house.store.sessions[request_id].launches] == ["reject", "voice"]


async def test_the_message_is_in_the_language_of_the_send(house: House) -> None:
    english = await house.begin(body={"locale": "en-GB"})
    russian = await house.begin()
    await house.clock.advance(1)
    assert "is your code" in house.messages(english)[0].text
    assert "код" in house.messages(russian)[0].text


async def test_what_no_channel_suits_leaves_nothing(house: House) -> None:
    answer = await house.api.post("/", {"widgetId": scene.NOBODY, "recipient": house.number()})
    assert answer.outcome == "NoAvailableChannelsException"
    assert not house.store.sessions
    assert house.store.sizes()["jobs"] == 0


async def test_a_rejected_send_is_over(house: House) -> None:
    request_id = await house.begin(REJECT)
    assert (await channel(house, request_id))["status"] == "wait"
    await house.clock.advance(1)
    answer = await house.api.get(f"/{request_id}/channel")
    assert answer.outcome == "NoAvailableChannelsException"


def test_the_configuration_of_these_tests_is_whole() -> None:
    snapshot = configuration()
    for widget in snapshot.widgets.values():
        assert len(snapshot.cascade(widget.id).channels) in {0, len(widget.channels)}
