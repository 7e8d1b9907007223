"""Paths, queries and headers in every form that arrives."""

import pytest

from kaskad.http.exchange import prefers_english
from kaskad.http.handler.router import is_ours, match
from packages.kaskad.tests.builders import NUMBER, TOKEN
from packages.kaskad.tests.http.expected import BASE, METHODS
from packages.kaskad.tests.http.house import BRITISH, OTHER, SMS, UNKNOWN_ID, House

NAMED = UNKNOWN_ID.encode()

# --- paths ------------------------------------------------------------------------


@pytest.mark.parametrize("base", [BASE, BASE + "/"])
async def test_the_base_answers_with_and_without_a_slash(house: House, base: str) -> None:
    body = {"widgetId": SMS, "recipient": house.number()}
    answer = await house.api.post(base, body, absolute=True)
    assert (answer.status, answer.header("location")) == (201, None)


@pytest.mark.parametrize("call", METHODS)
def test_every_call_has_its_path(call: str) -> None:
    method, path, _ = METHODS[call]
    filled = path.replace("{requestId}", "x").replace("{widgetId}", "x")
    found = match((BASE + filled).encode())
    assert found is not None
    assert found[0][method].name == call
    assert found[1] == ("" if call == "send" else "x")


@pytest.mark.parametrize(
    "path, name",
    [
        (b"/%77idget/" + NAMED, "getWidget"),
        (b"/" + NAMED + b"/%63hannel", "getChannel"),
        (b"/longPollin%67/" + NAMED + b"/status", "getStatusLongPolling"),
        (b"/widget/channel", "getWidget"),
        (b"/widget/widget", "getWidget"),
        (b"/longPolling/channel", "getChannel"),
        (b"/longPolling/longPolling/channel", "getChannelLongPolling"),
    ],
)
def test_segments_are_decoded_after_they_are_split(path: bytes, name: str) -> None:
    found = match(BASE.encode() + path)
    assert found is not None
    assert found[0]["GET"].name == name


@pytest.mark.parametrize(
    "path",
    [
        b"//",
        b"/x",
        b"/widget",
        b"/widget/x/",
        b"/x/widget",
        b"/x/Channel",
        b"/X/CHANNEL",
        b"/x/channel/",
        b"/x//channel",
        b"/widget%2Fx",
        b"/x%2Fchannel",
        b"/x/channel%2F",
        b"/longpolling/x/channel",
        b"/longPolling/x/checkCode",
        b"/longPolling%2Fx/channel/",
        b"/x/channel/channel",
        b"/\xff/channel",
        b"/%ff/channel",
        b"/x/%C3%28",
        b"/a/b/c/d",
        b"/x/longPolling/channel",
    ],
)
async def test_other_paths_are_not_found(house: House, path: bytes) -> None:
    assert match(BASE.encode() + path) is None
    if path.isascii():
        answer = await house.api.get(path.decode(), token=None)
        assert answer.outcome == "NotFoundException"


@pytest.mark.parametrize(
    "path, ours",
    [
        (BASE, True),
        (BASE + "/", True),
        (BASE + "/x", True),
        (BASE + "s", False),
        (BASE + "-2/x", False),
        ("/api/n", False),
        ("/", False),
    ],
)
def test_the_base_is_a_whole_prefix(path: str, ours: bool) -> None:
    assert is_ours(path.encode()) is ours


async def test_an_encoded_slash_does_not_split(house: House) -> None:
    request_id = await house.sent()
    answer = await house.api.get(f"/{request_id}%2Fchannel", token=TOKEN)
    assert answer.outcome == "NotFoundException"
    answer = await house.api.get(f"/..%2F{request_id}/channel")
    assert answer.outcome == "SessionNotFoundException"


async def test_ids_may_be_in_capitals_and_in_percents(house: House) -> None:
    request_id = await house.sent()
    for form in (request_id.upper(), "".join(f"%{ord(c):02x}" for c in request_id)):
        assert (await house.api.get(f"/{form}/channel")).status == 200
        assert (await house.api.get(f"/widget/{SMS.upper()}")).status == 200
    body = {"widgetId": SMS.upper(), "recipient": house.number()}
    assert (await house.api.post("/", body)).status == 201


NO_IDS = [
    "1",
    "%00",
    "null",
    "undefined",
    UNKNOWN_ID.replace("-", ""),
    "{" + UNKNOWN_ID + "}",
    "urn:uuid:" + UNKNOWN_ID,
    UNKNOWN_ID + "%0a",
    "%20" + UNKNOWN_ID,
    UNKNOWN_ID.replace("1", "%D9%A1"),
    UNKNOWN_ID.replace("-", "_"),
    "x" * 4000,
]


@pytest.mark.parametrize("name", NO_IDS)
async def test_what_is_no_id_is_not_found_in_a_path(house: House, name: str) -> None:
    assert (await house.api.get(f"/{name}/channel")).outcome == "SessionNotFoundException"
    assert (await house.api.get(f"/widget/{name}")).outcome == "WidgetNotFoundException"
    answer = await house.api.post(f"/{name}/checkCode", {"code": "1"})
    assert answer.outcome == "SessionNotFoundException"


@pytest.mark.parametrize("name", ["1", "", UNKNOWN_ID.replace("-", ""), "{" + UNKNOWN_ID + "}"])
async def test_what_is_no_id_is_malformed_in_a_body(house: House, name: str) -> None:
    answer = await house.api.post("/", {"widgetId": name, "recipient": house.number()})
    assert (answer.status, answer.json["payload"]) == (400, {"fields": {"widgetId": "a UUID"}})


async def test_no_such_path_outside_has_the_same_shape(house: House) -> None:
    for path in ("/", "/api", "/api/n/otp-handlers", "/healthz/", "/metrics/x"):
        answer = await house.api.get(path, absolute=True, headers={"x-request-id": "mine"})
        assert answer.outcome == "NotFoundException"
        assert answer.json["message"] == "Метод не найден"
        assert answer.header("content-type") == "application/json; charset=utf-8"
        assert answer.header("cache-control") == "no-store"
        assert answer.header("x-request-id") == "mine"
        assert answer.header("location") is None
    answer = await house.api.post("/healthz", absolute=True)
    assert answer.outcome == "MethodNotAllowedException"
    assert answer.header("allow") in {"GET, HEAD", "HEAD, GET"}


# --- numbers in a query -------------------------------------------------------------

FORMS = [
    "%2B79001234567",
    "+79001234567",
    "%2079001234567",
    "79001234567",
    "89001234567",
    "8%20(900)%20123-45-67",
    "8+(900)+123-45-67",
    "+7+(900)+123+45+67",
    "%2B7%20900%20123%2045%2067",
    "(900)%20123-45-67",
    "9001234567",
    "+7.900.123.45.67",
    "%D9%A8%D9%A9%D9%A0%D9%A0%D9%A1%D9%A2%D9%A3%D9%A4%D9%A5%D9%A6%D9%A7",
    "%EF%BC%8B79001234567",
    "%D9%A7%D9%A9%D9%A0%D9%A0%D9%A1%D9%A2%D9%A3%D9%A4%D9%A5%D9%A6%D9%A7",
]


@pytest.mark.parametrize("form", FORMS)
async def test_one_number_has_many_forms(house: House, form: str) -> None:
    request_id = await house.sent(number=NUMBER)
    answer = await house.api.get(f"/{request_id}/status?recipient={form}")
    assert answer.outcome is False
    answer = await house.api.post(f"/{request_id}/complete?recipient={form}")
    assert answer.outcome is False


@pytest.mark.parametrize(
    "form",
    [
        "",
        "%20",
        "+",
        "abc",
        "%2B7900123456",
        "%2B790012345678",
        "%2B79001234567%20ext.%201",
        "%2B79001234567x1",
        "79001234567a",
        "%2B%2B79001234567",
        "7900%2B1234567",
        "9" * 65,
        "%00%2B79001234567",
        "112",
        "%2B79001234567,%2B79007654321",
    ],
)
async def test_what_is_no_number_is_malformed(house: House, form: str) -> None:
    request_id = await house.sent(number=NUMBER)
    for method, call in (
        ("GET", "status"),
        ("POST", "checkStatusAndComplete"),
        ("POST", "complete"),
    ):
        answer = await house.api.call(method, f"/{request_id}/{call}?recipient={form}")
        assert answer.outcome == "ValidateError", call
        assert set(answer.json["payload"]["fields"]) == {"recipient"}


async def test_a_missing_recipient_is_malformed_where_it_is_needed(house: House) -> None:
    request_id = await house.sent()
    for path in (f"/{request_id}/status", f"/longPolling/{request_id}/status"):
        assert (await house.api.get(path)).outcome == "ValidateError"
    path = f"/{request_id}/checkStatusAndComplete"
    assert (await house.api.post(path)).outcome == "ValidateError"
    assert (await house.api.post(f"/{request_id}/complete")).outcome is False
    answer = await house.api.post(path + "?widgetId=1&recipient=x")
    assert set(answer.json["payload"]["fields"]) == {"recipient", "widgetId"}


async def test_a_number_is_read_as_its_widget_reads_numbers(house: House) -> None:
    body = {"widgetId": BRITISH, "recipient": "07400 123456"}
    answer = await house.api.post("/", body)
    assert answer.json["recipient"] == "+447400123456"
    request_id = answer.json["requestId"]

    for form in ("07400 123456", "+447400123456", " 447400123456"):
        asked = form.replace(" ", "%20").replace("+", "%2B")
        answer = await house.api.get(f"/{request_id}/status?recipient={asked}")
        assert answer.outcome is False


# --- queries ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query, field",
    [
        ("recipient=1&recipient=1", "recipient"),
        ("recipient=%2B79001234567&since=1&since=1", "since"),
        ("recipient=%ff", "query"),
        ("&".join(f"a{n}=1" for n in range(40)), "query"),
    ],
)
async def test_a_query_that_says_two_things_is_malformed(
    house: House, query: str, field: str
) -> None:
    request_id = await house.sent(number=NUMBER)
    answer = await house.api.get(f"/{request_id}/status?{query}")
    assert answer.outcome == "ValidateError"
    assert field in answer.json["payload"]["fields"]


@pytest.mark.parametrize(
    "since", ["", "-1", "x", "1.5", "%221%22", "%C2%B2", "1" * 19, "+1", "0x1"]
)
@pytest.mark.parametrize("call", ["longPolling/{}/channel", "{}/status", "{}/events"])
async def test_since_is_a_whole_number(house: House, call: str, since: str) -> None:
    request_id = await house.sent(number=NUMBER)
    path = call.format(request_id) + f"?recipient=%2B79001234567&since={since}"
    answer = await house.api.get("/" + path)
    assert (answer.outcome, set(answer.json["payload"]["fields"])) == ("ValidateError", {"since"})


async def test_a_query_that_no_call_reads_does_no_harm(house: House) -> None:
    request_id = await house.sent()
    assert (await house.api.get(f"/{request_id}/channel?a=%ff&a=1&since=x")).status == 200
    assert (await house.api.get(f"/widget/{SMS}?recipient=x")).status == 200


# --- headers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accepted, english",
    [
        ("", False),
        ("*", False),
        ("en", True),
        ("EN-us", True),
        ("en-GB,en;q=0.9,ru;q=0.8", True),
        ("ru-RU,ru;q=0.9,en;q=0.8", False),
        ("ru;q=0.5, en;q=0.7", True),
        ("en;q=0.5, ru;q=0.5", True),
        ("ru;q=0.5, en;q=0.5", False),
        ("en;q=0", False),
        ("en;q=0, *", False),
        ("en ; q=0.9, ru ; q=0.8", True),
        ("de", False),
        ("de, en;q=0.1", True),
        ("de, fr", False),
        ("*, en", False),
        ("en, *", True),
        ("*;q=0.1, en;q=0.5", True),
        ("en;q=abc", False),
        ("en;q=nan", False),
        ("en;q=9", True),
        ("en;q=-1", False),
        ("english", False),
        (",,;=,", False),
        ("en;level=1", True),
        ("kk, ru;q=0.9, en;q=0.8", False),
    ],
)
def test_russian_unless_english_is_preferred(accepted: str, english: bool) -> None:
    assert prefers_english(accepted) is english


async def test_the_language_is_that_of_the_request(house: House) -> None:
    for accepted, message in (("en", "There is no such path"), ("*", "Метод не найден")):
        answer = await house.api.get("/x/y/z/a", headers={"accept-language": accepted})
        assert answer.json["message"] == message
        answer = await house.api.get(
            "/nothing", absolute=True, headers={"accept-language": accepted}
        )
        assert answer.json["message"] == message


@pytest.mark.parametrize("given", ["a", "A-1", "x" * 64, UNKNOWN_ID, "0"])
async def test_a_decent_request_id_comes_back(house: House, given: str) -> None:
    answer = await house.api.get(f"/widget/{SMS}", headers={"x-request-id": given})
    assert answer.header("x-request-id") == given
    answer = await house.api.get(f"/widget/{SMS}", headers={"x-request-id": given}, token=None)
    assert answer.header("x-request-id") == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "-", "a\tb", "é", "a;b", "<b>", "a\u00b2"])
async def test_another_request_id_is_replaced(house: House, given: str) -> None:
    answers = [
        await house.api.get(f"/widget/{SMS}", headers={"x-request-id": given}) for _ in range(2)
    ]
    made = [answer.header("x-request-id") for answer in answers]
    assert len(set(made)) == 2
    assert all(i and len(i) == 16 and i.isalnum() and i != given for i in made)


@pytest.mark.parametrize(
    "authorization, known",
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer {TOKEN}", True),
        (f"BEARER  {TOKEN} ", True),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        (f"Bearer{TOKEN}", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("", False),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN.upper()}", False),
        ("Bearer " + "é" * 30, False),
        ("Bearer " + "x" * 600, False),
        ("Bearer ksk_" + "0" * 33, False),
    ],
)
async def test_a_token_is_a_bearer_token(house: House, authorization: str, known: bool) -> None:
    answer = await house.api.get(
        f"/widget/{OTHER}", token=None, headers={"authorization": authorization}
    )
    assert answer.outcome == ("ok" if known else "UnauthorizedException")
