"""Who may call what: every call with every kind of token."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from kaskad.app.ports import ApiToken
from kaskad.app.tokens import hash_token, make
from kaskad.http.handler.routes import ROUTES
from packages.kaskad.tests.builders import TENANT, TOKEN
from packages.kaskad.tests.http.client import Answer
from packages.kaskad.tests.http.house import (
    BRITISH,
    EXPIRED_TOKEN,
    FOREIGN,
    FOREIGN_TOKEN,
    NARROW_TOKEN,
    OTHER,
    REVOKED_TOKEN,
    SMS,
    UNKNOWN_ID,
    WORKING,
    House,
    configuration,
)

OF_A_WIDGET = {"getWidget", "getChallenge", "send"}
KSK = make(bytes(range(20)))
MALFORMED = KSK[:-1] + ("0" if KSK[-1] != "0" else "1")

KINDS: dict[str, tuple[str | None, str]] = {
    "none": (None, "UnauthorizedException"),
    "malformed": (MALFORMED, "UnauthorizedException"),
    "unknown": (KSK, "UnauthorizedException"),
    "short": ("secret", "UnauthorizedException"),
    "revoked": (REVOKED_TOKEN, "UnauthorizedException"),
    "expired": (EXPIRED_TOKEN, "UnauthorizedException"),
    "foreign": (FOREIGN_TOKEN, "NotFound"),
    "wrong scope": (NARROW_TOKEN, "ForbiddenException"),
    "own": (TOKEN, ""),
}


async def ask(house: House, call: str, token: str | None, named: str | None = None) -> Answer:
    """The call as its rightful owner would make it, about a session that can do it."""
    [route] = [r for r in ROUTES if r.name == call]
    request_id = named or await house.sent()
    if call == "resend" and named is None:
        await house.clock.leap(30)
    widget = WORKING if call == "getChallenge" else SMS
    path = route.path.replace("{requestId}", request_id).replace("{widgetId}", named or widget)
    if any(p.name == "recipient" and p.required for p in route.query):
        known = house.store.sessions.get(request_id)
        number = known.recipient.number if known else "+79001234567"
        path += "?recipient=" + number.replace("+", "%2B")
    body: object = None
    if call == "send":
        body = {"widgetId": named or SMS, "recipient": house.number()}
    elif call == "checkCode":
        body = {"code": "000000" if named else house.code(request_id)}
    exchange = house.api.begin(route.method, path, body=body, token=token)
    await house.clock.advance()
    if not exchange.done:
        if call == "events":
            exchange.leave()
        await house.clock.advance(0 if call == "events" else 25)
    return exchange.answer()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", [route.name for route in ROUTES])
async def test_a_call_is_for_its_owner(house: House, call: str, kind: str) -> None:
    token, expected = KINDS[kind]
    answer = await ask(house, call, token)
    if kind == "own":
        polls = call == "getStatusLongPolling"
        assert answer.status == 408 if polls else answer.status in {200, 201}
    elif kind == "foreign":
        what = "Widget" if call in OF_A_WIDGET else "Session"
        assert answer.outcome == f"{what}NotFoundException"
    else:
        assert answer.outcome == expected


def told(answer: Answer) -> tuple[object, ...]:
    headers = sorted(h for h in answer.headers if h[0] != "x-request-id")
    return answer.status, headers, answer.body


@pytest.mark.parametrize("call", [r.name for r in ROUTES if r.name not in OF_A_WIDGET])
async def test_unknown_foreign_and_long_gone_sessions_cannot_be_told_apart(
    house: House, call: str
) -> None:
    gone = await house.sent()
    await house.clock.leap(900 + 3600)
    foreign = await house.begin(FOREIGN, "+79001234567", token=FOREIGN_TOKEN)

    answers = [await ask(house, call, TOKEN, n) for n in (UNKNOWN_ID, foreign, gone, "x")]

    assert answers[0].status == 404
    assert {str(told(answer)) for answer in answers} == {str(told(answers[0]))}


@pytest.mark.parametrize("call", sorted(OF_A_WIDGET))
async def test_unknown_and_foreign_widgets_cannot_be_told_apart(house: House, call: str) -> None:
    answers = [await ask(house, call, TOKEN, n) for n in (UNKNOWN_ID, FOREIGN)]
    assert answers[0].status == 404
    assert told(answers[0]) == told(answers[1])


async def test_a_foreign_widgets_region_is_not_to_be_found_out(house: House) -> None:
    body = {"widgetId": UNKNOWN_ID, "recipient": "07400 123456"}
    unknown = await house.api.post("/", body, token=FOREIGN_TOKEN)
    foreign = await house.api.post("/", body | {"widgetId": BRITISH}, token=FOREIGN_TOKEN)
    assert told(unknown) == told(foreign)


async def test_a_session_stays_for_an_hour_after_its_end(house: House) -> None:
    request_id = await house.sent()
    await house.clock.leap(899 + 3599)
    answer = await house.api.get(f"/{request_id}/channel")
    assert answer.outcome == "SessionClosedException"
    await house.clock.leap(1)
    answer = await house.api.get(f"/{request_id}/channel")
    assert answer.outcome == "SessionNotFoundException"


# --- unknown ids ----------------------------------------------------------------------


async def test_a_token_may_ask_for_sixty_unknown_ids_a_minute(house: House) -> None:
    known, own = await house.sent(), NARROW_TOKEN
    foreign = await house.begin(FOREIGN, token=FOREIGN_TOKEN)
    for number in range(20):
        answer = await house.api.get(f"/{number}/channel")
        assert answer.status == 404
        assert (await house.api.get(f"/{foreign}/channel")).status == 404
        assert (await house.api.get(f"/widget/{UNKNOWN_ID}")).status == 404
        await house.clock.advance(1)

    for path in (f"/{UNKNOWN_ID}/channel", f"/widget/{FOREIGN}", "/x/events"):
        answer = await house.api.get(path)
        assert (answer.outcome, answer.retry_after) == ("RateLimitException", 40)
        assert answer.json["payload"] == {"retryAfter": 40}
    body = {"widgetId": UNKNOWN_ID, "recipient": house.number()}
    assert (await house.api.post("/", body)).outcome == "RateLimitException"

    assert (await house.api.get(f"/{known}/channel")).status == 200
    assert (await house.api.get(f"/widget/{SMS}")).status == 200
    assert (await house.api.post("/", body | {"widgetId": SMS})).status == 201
    assert (await house.api.get(f"/{UNKNOWN_ID}/channel", token=own)).status == 404

    await house.clock.leap(39.9)
    assert (await house.api.get("/x/channel")).outcome == "RateLimitException"
    await house.clock.leap(0.1)
    assert (await house.api.get("/x/channel")).outcome == "SessionNotFoundException"


async def test_a_session_of_another_widget_of_the_tenant_is_no_unknown_id(house: House) -> None:
    request_id = await house.sent()
    for _ in range(70):
        answer = await house.api.get(f"/{request_id}/channel", token=NARROW_TOKEN)
        assert answer.outcome == "ForbiddenException"


# --- the life of a token --------------------------------------------------------------


def _with(*tokens: ApiToken) -> dict[bytes, ApiToken]:
    return {t.hash: t for t in tokens}


async def test_a_token_of_ours_works_until_it_is_revoked_or_expires(house: House) -> None:
    token = ApiToken(
        id="ksk", tenant=TENANT, name="ksk", hash=hash_token(KSK), widgets=(OTHER, SMS)
    )
    snapshot = configuration()

    async def outcome() -> str | bool:
        return (await house.api.get(f"/widget/{SMS}", token=KSK)).outcome

    assert await outcome() == "UnauthorizedException"
    house.configure(replace(snapshot, tokens=_with(token)))
    assert await outcome() == "ok"

    later = house.clock.now() + timedelta(seconds=10)
    for ended in (replace(token, expires_at=later), replace(token, revoked_at=later)):
        house.configure(replace(snapshot, tokens=_with(ended)))
        assert await outcome() == "ok"
    await house.clock.advance(10)
    for ended in (replace(token, expires_at=later), replace(token, revoked_at=later)):
        house.configure(replace(snapshot, tokens=_with(ended)))
        assert await outcome() == "UnauthorizedException"


async def test_the_last_use_of_a_token_is_noted(house: House) -> None:
    await house.api.get(f"/widget/{SMS}")
    await house.api.get(f"/widget/{SMS}", token=REVOKED_TOKEN)
    await house.service._flush()
    assert set(house.catalog.used) == {"own"}


async def test_no_log_has_the_number_the_code_or_the_token(
    house: House, logged: list[object]
) -> None:
    request_id = await house.sent()
    code, own = house.code(request_id), house.recipient(request_id)
    await house.api.get(f"/{request_id}/status?recipient={own}")
    house.store.trouble = RuntimeError("a disk")
    await house.api.get(f"/{request_id}/status?recipient={own}")
    await house.check(request_id, code)
    text = str(logged)
    assert "unforeseen" in text
    for secret in (own.replace("%2B", ""), code, TOKEN):
        assert secret not in text
