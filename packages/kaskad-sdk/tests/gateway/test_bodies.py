"""Bodies of every kind: small, huge, no JSON; and who is allowed to send what."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kaskad.http.exchange import prefers_english as theirs
from kaskad_sdk._refusals import prefers_english as ours
from tests.peers.pages import JSON, SEND, SESSION, Gate, Played

KINDS = pytest.mark.parametrize("kind", ["async", "sync"])


@KINDS
@pytest.mark.parametrize("path", ["", f"/{SESSION}/checkCode", f"/{SESSION}/resend"])
@pytest.mark.parametrize(
    "headers, body",
    [
        (JSON, b"x" * (16 * 1024 + 1)),
        (JSON, b"x" * 1_000_000),
        (JSON | {"content-length": "1000000"}, b"x" * 100),
        (JSON | {"content-length": "9" * 18}, b""),
    ],
)
async def test_a_large_body_goes_nowhere(
    kind: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    played = Played()
    answer = await Gate(kind, played).ask("POST", path, headers=headers, body=body)
    assert answer.status == 413
    assert json.loads(answer.body) == {
        "type": "ValidateError",
        "message": "Некорректные данные запроса",
        "httpStatus": 413,
        "payload": {"fields": {"body": "at most 16384 bytes"}},
    }
    assert played.asked == []


@KINDS
@pytest.mark.parametrize("length", ["-1", "x", "", "²", "9" * 5000, "0x10"])
async def test_an_odd_length_is_no_matter(kind: str, length: str) -> None:
    played = Played()
    gate = Gate(kind, played)
    answer = await gate.ask("POST", headers={"content-length": length}, body=SEND)
    assert answer.status == 201


@KINDS
@pytest.mark.parametrize("path", [f"/{SESSION}/cancel", f"/{SESSION}/channel"])
async def test_a_call_without_a_body_ignores_one(kind: str, path: str) -> None:
    played = Played()
    method = "POST" if path.endswith("cancel") else "GET"
    headers = {"content-type": "text/html"}
    answer = await Gate(kind, played).ask(method, path, headers=headers, body=b"x" * 1_000_000)
    assert answer.status == 201
    assert played.asked[0].content == b""
    assert "content-type" not in played.asked[0].headers


@KINDS
@pytest.mark.parametrize("kind_of_body", [{}, {"content-type": "text/plain"}])
async def test_other_sites_cannot_make_their_visitors_send(
    kind: str, kind_of_body: dict[str, str]
) -> None:
    """What a browser sends without a preflight, which is where an application's CORS says no."""
    played = Played()
    headers = {"origin": "https://evil.test", **kind_of_body}
    answer = await Gate(kind, played).ask("POST", headers=headers, body=json.dumps(SEND).encode())
    assert answer.status == 400
    fields = json.loads(answer.body)["payload"]["fields"]
    assert fields == {"Content-Type": "application/json"}
    assert played.asked == []


@KINDS
async def test_the_largest_body_can_be_chosen(kind: str) -> None:
    played = Played()
    gate = Gate(kind, played, max_body=100)
    assert gate.gateway.max_body == 100
    assert (await gate.ask("POST", headers=JSON, body=b" " * 101)).status == 413


NOT_JSON: tuple[bytes, ...] = (
    b"",
    b" ",
    b"{",
    b"nonsense",
    b"widgetId=x&recipient=y",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"widgetId": NaN}',
    b'{"widgetId": "\x00"}',
    b"{'widgetId': 'x'}",
    b'{"a": 1} {}',
)
NO_OBJECT: tuple[bytes, ...] = (b"[]", b"null", b"true", b'"x"', b"5", b"[{}]", b"1e999")
DEEP: tuple[bytes, ...] = (b"[" * 65, b"[" * 16_000, b'{"a":' * 65)


@KINDS
@pytest.mark.parametrize(
    "body, expected",
    [
        *((body, "a JSON object in UTF-8") for body in NOT_JSON),
        *((body, "a JSON object") for body in NO_OBJECT),
        *((body, "a flat JSON object") for body in DEEP),
    ],
    ids=lambda given: repr(given)[:30],
)
async def test_what_is_no_json_object_goes_nowhere(kind: str, body: bytes, expected: str) -> None:
    played = Played()
    answer = await Gate(kind, played).ask("POST", headers=JSON, body=body)
    assert answer.status == 400
    assert json.loads(answer.body)["payload"] == {"fields": {"body": expected}}
    assert played.asked == []


@KINDS
@pytest.mark.parametrize(
    "content_type, passes",
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        (None, True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("", False),
        ("json", False),
    ],
)
async def test_a_send_is_json_by_name_as_well(
    kind: str, content_type: str | None, passes: bool
) -> None:
    played = Played()
    headers = {} if content_type is None else {"content-type": content_type}
    body = json.dumps(SEND).encode()
    answer = await Gate(kind, played).ask("POST", headers=headers, body=body)
    assert answer.status == (201 if passes else 400)
    assert len(played.asked) == passes
    if not passes:
        fields = json.loads(answer.body)["payload"]["fields"]
        assert fields == {"Content-Type": "application/json"}


@KINDS
@pytest.mark.parametrize("accepted, english", [("en", True), ("*", False), ("ru, en", False)])
async def test_refusals_speak_the_page_s_language(kind: str, accepted: str, english: bool) -> None:
    answer = await Gate(kind, Played()).ask("GET", "/x", headers={"accept-language": accepted})
    message = json.loads(answer.body)["message"]
    assert message == ("There is no such path" if english else "Метод не найден")


_TAG = st.sampled_from(["en", "en-GB", "ru", "ru-RU", "*", "de", "", "EN", "enx"])
_QUALITY = st.sampled_from(["", ";q=0", ";q=0.5", ";q=1", ";q=2", ";q=-1", ";q=x", ";q=nan", ";v"])
_ACCEPTED = st.lists(st.tuples(_TAG, _QUALITY).map("".join), max_size=5).map(", ".join)


@given(st.one_of(_ACCEPTED, st.text(max_size=30)))
@example("en, ru")
@example("ru, en")
@example("en-GB;q=0.5, *;q=0.5")
@example("en;q=0, ru;q=0")
def test_the_page_and_the_service_prefer_one_language(accepted: str) -> None:
    assert ours(accepted) == theirs(accepted)


@KINDS
@given(body=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=4))
async def test_any_object_becomes_a_clean_one(kind: str, body: dict[str, Any]) -> None:
    played = Played()
    await Gate(kind, played).ask("POST", body=body)
    assert set(played.body) <= {"widgetId", "recipient", "captchaToken", "locale", "userIp"}
