"""The captcha that we host ourselves: challenge, work, and one send for it."""

from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kaskad.core.model import Captcha, CaptchaProvider, WidgetLimits
from packages.kaskad.tests.builders import KEY
from packages.kaskad.tests.http import house as scene
from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.conftest import OpenHouse
from packages.kaskad.tests.http.house import FOREIGN_TOKEN, SMS, WORKING, House, configuration

NEEDED = "CaptchaNotConfirmedException"
Challenge = dict[str, Any]


def solved(challenge: Challenge, **changes: Any) -> str:
    """What a page sends once it has done the work."""
    wanted = challenge["challenge"]
    tries = range(challenge["maxnumber"] + 1)
    number = next(n for n in tries if digest(f"{challenge['salt']}{n}") == wanted)
    payload = {k: v for k, v in challenge.items() if k != "maxnumber"}
    return b64encode(msgspec.json.encode({**payload, "number": number, **changes})).decode()


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


async def challenge_of(house: House, widget: str = WORKING) -> Challenge:
    answer = await house.api.get(f"/widget/{widget}/challenge")
    assert answer.status == 200
    found: Challenge = answer.json
    return found


async def send(house: House, token: str, widget: str = WORKING) -> Answer:
    body = {"widgetId": widget, "recipient": house.number(), "captchaToken": token}
    return await house.api.post("/", body)


async def test_a_page_finds_the_challenge_where_the_widget_says(house: House) -> None:
    widget = (await house.api.get(f"/widget/{WORKING}")).json
    assert (widget["captchaIsRequired"], widget["captchaProvider"]) == (True, "altcha")
    answer = await house.api.get(f"/{widget['captchaChallengeUrl']}")
    assert answer.json["maxnumber"] == 50
    assert (await send(house, solved(answer.json))).status == 201


async def test_every_challenge_is_another_one(house: House) -> None:
    found = [await challenge_of(house) for _ in range(20)]
    assert len({challenge["salt"] for challenge in found}) == 20


async def test_work_is_good_once_and_not_after_its_time(house: House) -> None:
    first, second = solved(await challenge_of(house)), solved(await challenge_of(house))
    assert (await send(house, first)).status == 201
    assert (await send(house, first)).outcome == NEEDED
    await house.clock.leap(299)
    assert (await send(house, first)).outcome == NEEDED
    await house.clock.leap(1)
    assert (await send(house, second)).outcome == NEEDED


@pytest.mark.parametrize(
    "changes",
    [
        {"number": -1},
        {"signature": "0" * 64},
        {"algorithm": "SHA-1"},
        {"salt": "00" * 12 + "?expires=99999999999&"},
    ],
)
async def test_what_is_no_work_is_refused(house: House, changes: dict[str, Any]) -> None:
    assert (await send(house, solved(await challenge_of(house), **changes))).outcome == NEEDED


@pytest.mark.parametrize("token", ["x", "e30=", "bm90IGpzb24=", "\u0430", "x" * 8192])
async def test_odd_tokens_are_refused(house: House, token: str) -> None:
    assert (await send(house, token)).outcome == NEEDED


async def test_work_for_one_widget_is_none_for_another(open_house: OpenHouse) -> None:
    [captcha] = [w.captcha for w in scene.WIDGETS if w.id == WORKING]
    [other] = [replace(w, captcha=captcha) for w in scene.WIDGETS if w.id == SMS]
    house = await open_house(configuration(widgets=[other]))
    token = solved(await challenge_of(house))
    assert (await send(house, token, SMS)).outcome == NEEDED
    assert (await send(house, token)).status == 201


async def test_a_challenge_survives_the_change_of_the_servers_key(house: House) -> None:
    token = solved(await challenge_of(house))
    async with House(secret_keys=[b"n" * 32, KEY]) as newer:
        assert (await send(newer, token)).status == 201
    async with House(secret_keys=[b"n" * 32]) as stranger:
        assert (await send(stranger, token)).outcome == NEEDED


async def test_a_key_of_its_own_is_shared_by_whoever_has_it(open_house: OpenHouse) -> None:
    captcha = Captcha(
        provider=CaptchaProvider.ALTCHA,
        secret_key="a key of 16 bytes".replace(" ", "-"),
        max_number=9,
    )
    widgets = [replace(w, captcha=captcha) for w in scene.WIDGETS if w.id in {SMS, WORKING}]
    house = await open_house(configuration(widgets=widgets))
    assert (await send(house, solved(await challenge_of(house)), SMS)).status == 201


async def test_one_piece_of_work_at_fifty_places_at_once_is_one_send(
    open_house: OpenHouse,
) -> None:
    limits = WidgetLimits(per_ip_per_minute=1000)
    [widget] = [replace(w, limits=limits) for w in scene.WIDGETS if w.id == WORKING]
    house = await open_house(configuration(widgets=[widget]))
    token = solved(await challenge_of(house))
    bodies = [
        {"widgetId": WORKING, "recipient": house.number(), "captchaToken": token} for _ in range(50)
    ]
    calls = [house.api.begin("POST", "/", body=body) for body in bodies]
    await house.clock.advance()
    outcomes = [call.answer().outcome for call in calls]
    assert sorted(map(str, outcomes)) == [NEEDED] * 49 + ["ok"]


async def test_there_is_no_challenge_of_others(house: House) -> None:
    path = f"/widget/{WORKING}/challenge"
    answer = await house.api.get(path, token=FOREIGN_TOKEN)
    assert answer.outcome == "WidgetNotFoundException"
    assert (await house.api.get(f"/widget/{SMS}/challenge")).outcome == "NotFoundException"
