import pytest

from kaskad_sdk._calls import Calls
from kaskad_sdk._flow import Flows
from kaskad_sdk._steps import NoAnswer, Request, Response
from kaskad_sdk._wire import Api

SECRETS = ("ksk-secret", "79001234567", "482913")


def test_a_report_of_an_error_shows_neither_tokens_nor_numbers_nor_codes() -> None:
    api = Api("https://otp.example.com", "ksk-secret", agent="tests")
    calls = Calls(api, Flows(max_retries=0, timeout_s=1, hold_s=1, renewed=api.renewed))
    session = "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"
    asked = [
        next(calls.send(session, "+79001234567", key="k")),
        next(calls.verify(session, "482913")),
        next(calls.status(session, "+79001234567")),
        next(calls.collect(session, "+79001234567", None)),
        Response(status=201, headers={"etag": "482913"}, body=b'{"recipient": "+79001234567"}'),
    ]
    for one in asked:
        assert not [secret for secret in SECRETS if secret in repr(one)], one
    where = f"https://otp.example.com/api/n/otp-handler/{session}/status"
    assert repr(asked[2]) == f"Request(GET {where})", "what is harmless is still shown"
    assert repr(asked[-1]) == "Response(status=201)"


def test_a_missing_answer_says_why_and_whether_the_peer_may_have_acted() -> None:
    lost = NoAnswer("connection reset", sent=True)
    assert (str(lost), lost.sent) == ("connection reset", True)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://otp.example.com/api/x?recipient=%2B79001234567#y", "https://otp.example.com"),
        ("http://user:secret@127.0.0.1:8480/api", "http://127.0.0.1:8480"),
        ("http://[::1]:8480/api", "http://[::1]:8480"),
        ("http://host:port/", ""),
        ("http://[broken", ""),
        ("/relative", ""),
    ],
)
def test_who_is_asked_is_told_without_the_rest_of_the_address(url: str, origin: str) -> None:
    assert Request(method="GET", url=url).origin == origin
