"""Bodies in every form that arrives, decent or not."""

import asyncio

import pytest

from packages.kaskad.tests.http.house import SMS, House

JSON = {"content-type": "application/json"}

MALFORMED = [
    b"",
    b" ",
    b"{",
    b"}",
    b"[",
    b"null",
    b"true",
    b"0",
    b'"x"',
    b"[]",
    b"{}",
    b'{"code"}',
    b'{"code":}',
    b'{"code":"1"',
    b'{"code":"1",}',
    b"{'code':'1'}",
    b'{"code":"1"} x',
    b'{"code":1} x',
    b'{"code":1,',
    b'{"code":1,"x":NaN}',
    b'{"code":NaN}',
    b'{"code":Infinity}',
    b'{"code":1e999}',
    b'{"code":' + b"1" * 5000 + b"}",
    b"[1,",
    b"5 5",
    b'{"code":"\xff"}',
    b'{"code":1,"x":"\xff"}',
    b'{"code":"\\ud800"}',
    b'{"code":1,"\\ud800":1}',
    b'{"code":"\\x41"}',
    b'{"code":"1\n2"}',
    b'\xef\xbb\xbf{"code":"1"}',
    '{"code":"1"}'.encode("utf-16"),
    b"\x00",
    b"code=1",
    b'{"code":' + b"[" * 8000 + b"]" * 8000 + b"}",
    b"[" * 16000,
    b'{"a":' * 3000,
    b'{"code":"1","code":2}',
    b'{"code":2,"code":"1"}',
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:24]))
async def test_a_body_that_is_no_json_object_of_the_call_is_malformed(
    house: House, body: bytes
) -> None:
    request_id = await house.sent()
    for path in (f"/{request_id}/checkCode", "/"):
        answer = await house.api.post(path, body, headers=JSON)
        assert (answer.status, answer.outcome) == (400, "ValidateError")
    assert house.store.sessions[request_id].misses == 0


@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b"{", b'{"next":1,', b'{"next":null}', b'{"next":"true"}', b'{"next":1}'],
)
async def test_a_resend_body_is_right_or_missing(house: House, body: bytes) -> None:
    request_id = await house.sent()
    await house.clock.leap(30)
    answer = await house.api.post(f"/{request_id}/resend", body, headers=JSON)
    assert (answer.status, answer.outcome) == (400, "ValidateError")
    assert len(house.store.sessions[request_id].launches) == 1


ODD_CODES: list[object] = [
    "",
    None,
    True,
    False,
    0,
    123456,
    1.5,
    [],
    ["123456"],
    {},
    {"$ne": ""},
    "x" * 65,
]
ODD_TEXTS = ["😀😀😀😀😀😀", "\x00", " ", "-", "١٢٣٤٥٦", "' OR 1=1 --", "\u202e123456", "x" * 64]


@pytest.mark.parametrize("code", ODD_CODES, ids=repr)
async def test_a_code_that_is_no_text_is_malformed_and_free(house: House, code: object) -> None:
    request_id = await house.sent()
    answer = await house.api.post(f"/{request_id}/checkCode", {"code": code})
    assert (answer.status, answer.outcome) == (400, "ValidateError")
    assert set(answer.json["payload"]["fields"]) == {"code"}
    assert house.store.sessions[request_id].misses == 0


@pytest.mark.parametrize("code", ODD_TEXTS, ids=repr)
async def test_a_code_of_odd_characters_is_a_wrong_one(house: House, code: str) -> None:
    request_id = await house.sent()
    answer = await house.check(request_id, code)
    assert (answer.status, answer.outcome) == (400, "InvalidCodeException")
    assert house.store.sessions[request_id].misses == 1


async def test_a_code_may_be_spaced_dashed_and_in_other_digits(house: House) -> None:
    for form in ("{0} {1}", "{0}-{1}", " {0}—{1} ", "{0}\u00a0{1}"):
        request_id = await house.sent()
        code = house.code(request_id)
        answer = await house.check(request_id, form.format(code[:3], code[3:]))
        assert answer.outcome is True
    request_id = await house.sent()
    arabic = "".join(chr(0x660 + int(c)) for c in house.code(request_id))
    assert (await house.check(request_id, arabic)).outcome is True


async def test_a_megabyte_is_too_much(house: House) -> None:
    request_id = await house.sent()
    for parts in (
        [b'{"code":"' + b"1" * (1 << 20) + b'"}'],
        [b'{"code":"', *[b"1" * 1024] * 1024, b'"}'],
    ):
        answer = await house.api.post(f"/{request_id}/checkCode", parts=parts, headers=JSON)
        assert (answer.status, answer.outcome) == (413, "ValidateError")
        assert answer.json["httpStatus"] == 413
        assert set(answer.json["payload"]["fields"]) == {"body"}


@pytest.mark.parametrize("more", [0, 1])
async def test_sixteen_kibibytes_are_the_most(house: House, more: int) -> None:
    request_id = await house.sent()
    head, tail = b'{"code":"000000"', b"}"
    body = head + b" " * (16 * 1024 + more - len(head) - len(tail)) + tail
    assert len(body) == 16384 + more
    for parts in ([body], [body[:9000], body[9000:]], [b"", body, b""]):
        answer = await house.api.post(f"/{request_id}/checkCode", parts=parts, headers=JSON)
        assert answer.status == (413 if more else 400)
        assert answer.outcome == ("ValidateError" if more else "InvalidCodeException")
        request_id = await house.sent()


@pytest.mark.parametrize(
    "length, status",
    [("16385", 413), ("9" * 40, 413), ("16384", 400), ("-1", 400), ("x", 400), ("²", 400)],
)
async def test_a_body_that_is_announced_too_large_is_not_awaited(
    house: House, length: str, status: int
) -> None:
    request_id = await house.sent()
    parts = [] if status == 413 else [b'{"code":"000000"}']
    headers = {"content-length": length, **JSON}
    answer = await house.api.post(f"/{request_id}/checkCode", parts=parts, headers=headers)
    assert answer.status == status


@pytest.mark.parametrize(
    "content_type, fine",
    [
        (None, True),
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("APPLICATION/JSON", True),
        (" application/json ;x=y", True),
        ("application/problem+json", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("", False),
        ("application/jsonp", False),
    ],
)
async def test_a_body_says_that_it_is_json_or_nothing(
    house: House, content_type: str | None, fine: bool
) -> None:
    request_id = await house.sent()
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await house.api.post(f"/{request_id}/checkCode", b'{"code":"000000"}', headers=headers)
    assert answer.outcome == ("InvalidCodeException" if fine else "ValidateError")
    if not fine:
        assert set(answer.json["payload"]["fields"]) == {"Content-Type"}


async def test_every_field_of_a_wrong_type_is_named_at_once(house: House) -> None:
    body = {
        "widgetId": 1,
        "recipient": [],
        "userIp": {},
        "captchaToken": 5,
        "locale": True,
        "email": 0,
    }
    answer = await house.api.post("/", body)
    assert set(answer.json["payload"]["fields"]) == set(body)


async def test_every_missing_field_is_named_at_once(house: House) -> None:
    answer = await house.api.post("/", {})
    assert set(answer.json["payload"]["fields"]) == {"widgetId", "recipient"}


async def test_what_is_missing_or_mistyped_is_named_before_what_means_nothing(house: House) -> None:
    answer = await house.api.post("/", {"widgetId": "1", "userIp": 5})
    assert set(answer.json["payload"]["fields"]) == {"recipient", "userIp"}
    answer = await house.api.post("/", {"widgetId": "1", "recipient": "+79001234567"})
    assert set(answer.json["payload"]["fields"]) == {"widgetId"}


async def test_every_field_that_means_nothing_is_named_at_once(house: House) -> None:
    body = {"widgetId": "1", "recipient": "nobody", "userIp": "nowhere"}
    answer = await house.api.post("/", body)
    assert set(answer.json["payload"]["fields"]) == set(body)
    assert not house.store.sessions


@pytest.mark.parametrize(
    "field, value",
    [
        ("locale", "x"),
        ("locale", "ru_"),
        ("locale", "en-" + "a" * 40),
        ("locale", "../etc"),
        ("locale", "ru\n"),
        ("email", "a@example.org\n"),
        ("email", "nobody"),
        ("email", "a b@c"),
        ("email", "a@" + "b" * 300),
        ("captchaToken", "x" * 8193),
        ("userIp", ""),
        ("userIp", "1.2.3"),
        ("userIp", "1.2.3.4, 5.6.7.8"),
        ("userIp", "localhost"),
        ("recipient", "x" * 300),
        ("recipient", ""),
        ("recipient", "+7900123456\u0000"),
    ],
)
async def test_a_field_that_is_out_of_bounds_is_named(house: House, field: str, value: str) -> None:
    body = {"widgetId": SMS, "recipient": house.number(), field: value}
    answer = await house.api.post("/", body)
    assert (answer.outcome, set(answer.json["payload"]["fields"])) == ("ValidateError", {field})


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"userIp": None, "captchaToken": None, "locale": None, "email": None},
        {"userIp": "203.0.113.9", "locale": "en-GB", "email": "a@example.org"},
        {"userIp": "2001:db8::1", "captchaToken": "x", "locale": "zh_Hans_CN"},
        {"unknown": {"to": ["us"]}},
    ],
    ids=str,
)
async def test_optional_fields_may_be_missing_null_and_unknown(
    house: House, more: dict[str, object]
) -> None:
    number = house.number()
    answer = await house.api.post("/", {"widgetId": SMS, "recipient": number, **more})
    assert answer.status == 201
    assert set(answer.json) == {"requestId", "recipient"}
    assert answer.json["recipient"] == number


JUNK = [b"", b"{", b"\xff\xfe", b'{"code":1}', b"x" * 100_000, b"[" * 5000]


@pytest.mark.parametrize("body", JUNK, ids=lambda body: repr(body[:10]))
async def test_a_call_without_a_body_ignores_one_and_its_type(house: House, body: bytes) -> None:
    headers = {"content-type": "text/html"}
    request_id = await house.confirmed()
    own = f"?recipient={house.recipient(request_id)}"
    assert (await house.api.get(f"/{request_id}/channel", body=body)).status == 200
    assert (await house.api.get(f"/{request_id}/status{own}", body=body)).outcome is True
    poll = await house.api.get(f"/longPolling/{request_id}/status{own}", body=body)
    assert poll.outcome is True
    path = f"/{request_id}/checkStatusAndComplete{own}"
    assert (await house.api.post(path, body, headers=headers)).outcome is True
    path = f"/{request_id}/complete"
    assert (await house.api.post(path, body, headers=headers)).outcome is False
    path = f"/{request_id}/cancel"
    assert (await house.api.post(path, body, headers=headers)).outcome is False


async def test_a_held_call_with_a_body_is_held_all_the_same(house: House) -> None:
    request_id = await house.begin()
    poll = house.api.begin("GET", f"/longPolling/{request_id}/channel", parts=[b"a", b"b"])
    await house.clock.advance()
    assert not poll.done
    await house.clock.advance(1)
    assert poll.answer().status == 200


@pytest.mark.parametrize(
    "body, content_type",
    [
        (None, None),
        (b"", "text/plain"),
        (b" \n", "application/json"),
        (b"{}", "application/json"),
        (b'{"next":false}', None),
        (b'{"unknown":1}', None),
    ],
)
async def test_resend_needs_no_body(
    house: House, body: bytes | None, content_type: str | None
) -> None:
    request_id = await house.sent()
    await house.clock.leap(30)
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await house.api.post(f"/{request_id}/resend", body, headers=headers)
    assert answer.outcome is True


async def test_a_body_that_never_ends_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await house.sent()
    call = house.api.begin("POST", f"/{request_id}/checkCode", parts=[b"{"], ends=False)
    await house.clock.advance()
    assert not call.done

    loop = asyncio.get_running_loop()
    later = loop.time() + 11
    monkeypatch.setattr(loop, "time", lambda: later)
    await house.clock.advance()

    answer = call.answer()
    assert (answer.status, answer.outcome) == (400, "ValidateError")
    assert set(answer.json["payload"]["fields"]) == {"body"}


async def test_a_client_that_leaves_before_its_body_is_whole_does_nothing(house: House) -> None:
    request_id = await house.sent()
    call = house.api.begin("POST", f"/{request_id}/checkCode", parts=[b'{"code"'], ends=False)
    await house.clock.advance()
    call.leave()
    await house.clock.advance()
    assert call.answer().outcome == "ValidateError"
    assert house.store.sessions[request_id].misses == 0
