"""What a page gets from the endpoints of a back end on any framework: the service's words."""

import socket
from urllib.parse import urlsplit

import pytest

from kaskad.core.errors import (
    ERRORS,
    KaskadError,
    MethodNotAllowedException,
    NotFoundException,
    RateLimitException,
    ValidateError,
)
from kaskad.http.exchange import decode_json, error_reply, too_large
from kaskad.http.handler.wire import SendRequest
from tests.adapters.backends import READS_NO_MORE, TOKEN
from tests.adapters.conftest import Backend
from tests.adapters.upstream import BASE, REQUEST_ID, WIDGET, Answer, refusal

JSON = {"content-type": "application/json"}
SEND = {"widgetId": WIDGET, "recipient": "+79001234567"}

CALLS = [
    ("GET", f"/widget/{WIDGET}", None),
    ("GET", f"/widget/{WIDGET}/challenge", None),
    ("POST", "/", SEND),
    ("GET", f"/{REQUEST_ID}/channel", None),
    ("GET", f"/longPolling/{REQUEST_ID}/channel?since=4", None),
    ("GET", f"/{REQUEST_ID}/status?recipient=%2B79001234567", None),
    ("GET", f"/longPolling/{REQUEST_ID}/status?recipient=+79001234567&since=4", None),
    ("POST", f"/{REQUEST_ID}/checkCode", {"code": "123456"}),
    ("POST", f"/{REQUEST_ID}/resend", {"next": True}),
    ("POST", f"/{REQUEST_ID}/resend", None),
    ("POST", f"/{REQUEST_ID}/cancel", None),
]


def sample(error: type[KaskadError]) -> KaskadError:
    if error is ValidateError:
        return ValidateError({"code": "a string"})
    return error(retry_after_s=7) if error is RateLimitException else error()


def expected(error: KaskadError) -> bytes:
    return error_reply(error, english=False).body


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=lambda value: str(value)[:30])
def test_a_call_reaches_the_service_with_the_back_ends_authority(
    backend: Backend, method: str, path: str, body: dict[str, object] | None
) -> None:
    headers = {"authorization": "Bearer of-the-page", "cookie": "session=of-the-page"}
    answer = backend.page.request(method, backend.url + path, json=body, headers=headers)
    [asked] = backend.service.asked
    told = "?userIp=127.0.0.1" if path == f"/widget/{WIDGET}" else ""
    assert (asked.method, asked.path) == (method, BASE + path + told)
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert "cookie" not in asked.headers
    if path != "/" and body is not None:
        assert asked.json() == body
    answered = backend.service.answer(asked)
    assert answer.status_code == answered.status
    assert answer.content == answered.body
    assert {name: answer.headers[name] for name in answered.headers} == answered.headers


@pytest.mark.parametrize("path", ["", "/"])
def test_send_answers_with_and_without_a_slash(backend: Backend, path: str) -> None:
    answer = backend.page.post(backend.url + path, json={**SEND, "email": "a@example.com"})
    assert answer.status_code == 201
    assert answer.json() == {"requestId": REQUEST_ID, "recipient": "+79001234567"}
    assert backend.service.asked[0].json() == {**SEND, "userIp": "127.0.0.1"}


def test_every_refusal_of_the_service_is_passed_on_as_it_is(backend: Backend) -> None:
    for error in ERRORS:
        answered = refusal(sample(error))
        backend.service.answer = lambda _, answered=answered: answered  # type: ignore[misc]
        answer = backend.page.get(f"{backend.url}/{REQUEST_ID}/channel")
        assert (answer.status_code, answer.content) == (answered.status, answered.body), error
        for name in ("content-type", "retry-after", "x-request-id"):
            assert answer.headers.get(name) == answered.headers.get(name), error


def test_garbage_of_the_service_is_not_passed_on(backend: Backend) -> None:
    html = {"content-type": "text/html", "server": "of-the-service"}
    backend.service.answer = lambda _: Answer(502, b"<h1>Bad Gateway</h1>", html)
    answer = backend.page.post(backend.url, json=SEND)
    assert answer.status_code >= 500
    assert answer.json()["httpStatus"] == answer.status_code
    assert "of-the-service" not in answer.headers.get("server", "")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JSON),
        (b"{", JSON),
        (b"recipient=1", JSON),
        (b"\xff\xfe", JSON),
        (b"[]", JSON),
        (b"null", JSON),
        (b'{"widgetId": 1}', JSON),
        (b"{}", {"content-type": "text/plain"}),
        (b"a=1", {"content-type": "application/x-www-form-urlencoded"}),
        (b"--x--", {"content-type": "multipart/form-data; boundary=x"}),
    ],
    ids=repr,
)
def test_a_body_that_is_no_json_is_refused_in_the_services_words(
    backend: Backend, body: bytes, headers: dict[str, str]
) -> None:
    with pytest.raises(ValidateError) as refused:
        decode_json(body, SendRequest, headers["content-type"])
    # What is valid JSON and no valid request is the service's to refuse.
    backend.service.answer = lambda _: refusal(refused.value)
    answer = backend.page.post(backend.url + "/", content=body, headers=headers)
    assert (answer.status_code, answer.content) == (400, expected(refused.value))
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("path", ["/", f"/{REQUEST_ID}/checkCode", f"/{REQUEST_ID}/resend"])
def test_a_megabyte_is_refused_in_the_services_words(backend: Backend, path: str) -> None:
    body = b'{"code": "%s"}' % (b"1" * 1024 * 1024)
    answer = backend.page.post(backend.url + path, content=body, headers=JSON)
    assert (answer.status_code, answer.content) == (413, expected(too_large()))
    assert backend.service.asked == []


def test_the_largest_body_that_the_service_takes_is_taken(backend: Backend) -> None:
    body = b'{"code": "%s"}' % (b"1" * (16 * 1024 - 12))
    assert len(body) == 16 * 1024
    backend.page.post(f"{backend.url}/{REQUEST_ID}/checkCode", content=body, headers=JSON)
    assert len(backend.service.asked) == 1
    longer = body.replace(b": ", b":  ")
    answer = backend.page.post(
        f"{backend.url}/{REQUEST_ID}/checkCode", content=longer, headers=JSON
    )
    assert answer.status_code == 413


def test_a_large_body_is_not_read_whole(backend: Backend) -> None:
    """The refusal comes although most of the body never does."""
    if backend.name not in READS_NO_MORE:
        pytest.skip("Django's ASGI handler reads every body whole before any view")
    address = urlsplit(backend.url)
    head = (
        f"POST {address.path}/ HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), 5) as sock:
        sock.sendall(head.encode() + b" " * 64 * 1024)
        assert b" 413 " in sock.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "path",
    ["/nothing", f"/{REQUEST_ID}", f"/{REQUEST_ID}/channel/more", f"/{REQUEST_ID}%2Fchannel"],
)
def test_an_unknown_path_is_refused_in_the_services_words(backend: Backend, path: str) -> None:
    if "%2F" in path and backend.name == "django-wsgi":
        pytest.skip("the development server of Django tells only the decoded path")
    answer = backend.page.get(backend.url + path)
    assert (answer.status_code, answer.content) == (404, expected(NotFoundException()))


@pytest.mark.parametrize("name", ["complete", "checkStatusAndComplete"])
def test_a_page_cannot_collect_the_verdict(backend: Backend, name: str) -> None:
    answer = backend.page.post(f"{backend.url}/{REQUEST_ID}/{name}?recipient=79001234567")
    assert (answer.status_code, answer.content) == (404, expected(NotFoundException()))
    assert backend.service.asked == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"/{REQUEST_ID}/checkCode"),
        ("PUT", f"/{REQUEST_ID}/resend"),
        ("DELETE", f"/{REQUEST_ID}/channel"),
        ("PATCH", f"/{REQUEST_ID}/status"),
    ],
)
def test_another_method_is_refused_in_the_services_words(
    backend: Backend, method: str, path: str
) -> None:
    answer = backend.page.request(method, backend.url + path)
    assert (answer.status_code, answer.content) == (405, expected(MethodNotAllowedException()))
    assert answer.headers["allow"]
    assert backend.service.asked == []


def test_head_is_refused_without_a_body_and_the_connection_goes_on(backend: Backend) -> None:
    for _ in range(2):
        answer = backend.page.head(f"{backend.url}/{REQUEST_ID}/channel")
        assert (answer.status_code, answer.content) == (405, b"")
        assert backend.page.get(f"{backend.url}/{REQUEST_ID}/channel").status_code == 200
