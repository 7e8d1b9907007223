"""What each vendor's answers are taken for, over HTTP against a server that answers like them."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kaskad_sdk._steps import Request, Response
from kaskad_sdk.captcha import (
    Captcha,
    Cloudflare,
    Google,
    Guard,
    Passed,
    Refused,
    Unavailable,
    Verdict,
    Yandex,
)
from tests.peers.captcha_vendors import CLOUDFLARE, GOOGLE, OUTAGES, SECRET, YANDEX, Vendors
from tests.peers.flows import NOW, over_http, run

ADDRESS = "203.0.113.7"
KEYS: dict[str, Any] = {"site_key": "10000000-ffff-ffff-ffff-000000000001", "secret_key": SECRET}


@pytest.fixture(scope="module")
def _server() -> Iterator[Vendors]:
    with Vendors() as vendors:
        yield vendors


@pytest.fixture
def vendors(_server: Vendors) -> Vendors:
    _server.outage = None
    _server.asked.clear()
    return _server


def _captcha(vendors: Vendors, kind: str, **changes: Any) -> Captcha:
    settings = {**KEYS, **changes}
    match kind:
        case "google-2":
            return Google(**settings, verify_url=vendors.url(GOOGLE))
        case "google-3":
            return Google(**settings, version=3, verify_url=vendors.url(GOOGLE))
        case "cloudflare":
            return Cloudflare(**settings, verify_url=vendors.url(CLOUDFLARE))
        case _:
            return Yandex(**settings, verify_url=vendors.url(YANDEX))


KINDS = ("google-2", "google-3", "cloudflare", "yandex")
GOOD: dict[str, dict[str, Any]] = {"google-3": {"score": 0.9, "action": "send"}}


def _verdict(captcha: Captcha, token: str, address: str = ADDRESS) -> Verdict:
    return run(captcha.verify(token, address=address, now=NOW), over_http)


@pytest.mark.parametrize("kind", KINDS)
def test_a_solved_captcha_passes_and_its_token_is_used_then(vendors: Vendors, kind: str) -> None:
    captcha = _captcha(vendors, kind)
    token = vendors.issue(f"solved-{kind}", **GOOD.get(kind, {}))
    first = _verdict(captcha, token)
    assert isinstance(first, Passed)
    assert first.spend is not None
    assert first.spend.key.startswith(f"{captcha.provider}:")
    assert token not in first.spend.key
    assert isinstance(_verdict(captcha, token), Refused)


@pytest.mark.parametrize("kind", KINDS)
def test_the_vendor_is_told_the_secret_the_token_and_the_address(
    vendors: Vendors, kind: str
) -> None:
    _verdict(_captcha(vendors, kind), "a+token/with=odd&letters", "[2001:db8::1]:443")
    _, form = vendors.asked[-1]
    names = ("token", "ip") if kind == "yandex" else ("response", "remoteip")
    assert form == {
        "secret": SECRET,
        names[0]: "a+token/with=odd&letters",
        names[1]: "2001:db8::1",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_is_none_is_not_told(vendors: Vendors, kind: str) -> None:
    _verdict(_captcha(vendors, kind), "token", "unix:")
    assert not {"ip", "remoteip"} & set(vendors.asked[-1][1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "token", ["", " ", "a b", "ключ", "a\r\nb", "\x00", "\ud800", "x" * 8193], ids=repr
)
def test_what_cannot_be_a_token_is_refused_without_asking(
    vendors: Vendors, kind: str, token: str
) -> None:
    assert isinstance(_verdict(_captcha(vendors, kind), token), Refused)
    assert vendors.asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_secret_lets_nobody_pass_and_warns(
    vendors: Vendors, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    captcha = _captcha(vendors, kind, secret_key="another")
    token = vendors.issue("token", **GOOD.get(kind, {}))
    assert isinstance(_verdict(captcha, token), Refused)
    open_guard = Guard(captcha, fail_open=True)
    verdict = run(open_guard.admit(token, address=ADDRESS, now=NOW), over_http)
    assert isinstance(verdict, Refused)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "another" not in caplog.text


@pytest.mark.parametrize(
    "answer, passes",
    [
        ({"score": 0.5}, True),
        ({"score": 1}, True),
        ({"score": 0.49}, False),
        ({"score": 0}, False),
        ({}, False),
        ({"score": None}, False),
        ({"score": "0.9"}, False),
        ({"score": True}, False),
    ],
)
def test_a_score_must_be_there_and_reach_the_least(
    vendors: Vendors, answer: dict[str, Any], passes: bool
) -> None:
    captcha = _captcha(vendors, "google-3", min_score=0.5)
    verdict = _verdict(captcha, vendors.issue("scored", **answer))
    assert isinstance(verdict, Passed if passes else Refused), verdict


@pytest.mark.parametrize(("score", "passes"), [(0.5, True), (0.49, False)])
def test_half_is_the_least_score_unless_another_is_given(
    vendors: Vendors, score: float, passes: bool
) -> None:
    verdict = _verdict(_captcha(vendors, "google-3"), vendors.issue("scored", score=score))
    assert isinstance(verdict, Passed if passes else Refused), verdict


def test_version_2_asks_for_no_score(vendors: Vendors) -> None:
    assert isinstance(_verdict(_captcha(vendors, "google-2"), vendors.issue("t")), Passed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "host, passes",
    [
        ("shop.example", True),
        ("SHOP.example", True),
        ("localhost:8080", True),
        ("shop.example.evil.test", False),
        ("evil.test", False),
        ("shop.example@evil.test", False),
    ],
)
def test_the_host_must_be_one_of_ours(vendors: Vendors, kind: str, host: str, passes: bool) -> None:
    captcha = _captcha(vendors, kind, hostnames=("shop.example", "localhost"))
    name = "host" if kind == "yandex" else "hostname"
    token = vendors.issue("hosted", **GOOD.get(kind, {}), **{name: host})
    assert isinstance(_verdict(captcha, token), Passed if passes else Refused)


@pytest.mark.parametrize("kind", ["google-2", "google-3", "cloudflare"])
@pytest.mark.parametrize("host", [None, "", 5])
def test_a_host_that_is_wanted_and_not_told_is_refused(
    vendors: Vendors, kind: str, host: object
) -> None:
    captcha = _captcha(vendors, kind, hostnames=("shop.example",))
    token = vendors.issue("hostless", **GOOD.get(kind, {}), hostname=host)
    assert isinstance(_verdict(captcha, token), Refused)


@pytest.mark.parametrize("host", ["", None])
@pytest.mark.parametrize("hostnames", [(), ("shop.example",)])
def test_yandex_vouches_for_nobody_when_it_names_no_host(
    vendors: Vendors, host: str | None, hostnames: tuple[str, ...]
) -> None:
    captcha = _captcha(vendors, "yandex", hostnames=hostnames)
    assert isinstance(_verdict(captcha, vendors.issue("blocked", host=host)), Unavailable)


@pytest.mark.parametrize("kind", ["google-3", "cloudflare"])
@pytest.mark.parametrize("action, passes", [("send", True), ("login", False), ("", False)])
def test_the_action_must_be_ours(vendors: Vendors, kind: str, action: str, passes: bool) -> None:
    captcha = _captcha(vendors, kind, action="send")
    token = vendors.issue("acted", score=0.9, action=action)
    assert isinstance(_verdict(captcha, token), Passed if passes else Refused)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outage", [*OUTAGES, "reset"])
def test_a_vendor_that_fails_is_unavailable(vendors: Vendors, kind: str, outage: str) -> None:
    captcha = _captcha(vendors, kind)
    token = vendors.issue("unlucky", **GOOD.get(kind, {}))
    vendors.outage = outage
    closed, opened = Guard(captcha), Guard(captcha, fail_open=True)
    assert isinstance(_verdict(captcha, token), Unavailable)
    if outage == "hang":  # the guards are told the same verdict: once is enough to wait for
        return
    shut = run(closed.admit(token, address=ADDRESS, now=NOW), over_http)
    assert isinstance(shut, Unavailable)
    let = run(opened.admit(token, address=ADDRESS, now=NOW), over_http)
    assert isinstance(let, Passed)
    assert isinstance(run(opened.admit("", address=ADDRESS, now=NOW), over_http), Refused)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "status, body, kind_of_verdict",
    [
        (400, b"<html>", Refused),
        (403, b"", Refused),
        (404, b"Not Found", Refused),
        (408, b"", Unavailable),
        (429, b"", Unavailable),
        (503, b"", Unavailable),
        (302, b"", Unavailable),
        (200, b'{"success": "true", "status": "OK"}', Unavailable),
        (200, b'{"success": 1, "status": true}', Unavailable),
        (200, b'{"success": true, "score": Infinity, "status": "ok", "x": NaN}', Unavailable),
        (200, b"\xff\xfe", Unavailable),
        (400, b'{"success": false, "status": "failed"}', Refused),
    ],
)
def test_a_page_cannot_make_a_vendor_look_unavailable_by_an_odd_token(
    vendors: Vendors, kind: str, status: int, body: bytes, kind_of_verdict: type
) -> None:
    flow = _captcha(vendors, kind).verify("token", address=ADDRESS, now=NOW)

    def answer(_: Request) -> Response:
        return Response(status=status, body=body)

    verdict = run(flow, answer)
    assert isinstance(verdict, kind_of_verdict), verdict


@pytest.mark.parametrize(
    "codes, kind_of_verdict",
    [
        (["internal-error"], Unavailable),
        (["invalid-input-response"], Refused),
        (["timeout-or-duplicate"], Refused),
        (["bad-request"], Refused),
        (["internal-error", "invalid-input-response"], Refused),
        (["missing-input-secret"], Refused),
        ([], Refused),
        (None, Refused),
        ([{}, 5, "x" * 1000], Refused),
    ],
)
def test_error_codes_tell_a_failed_person_from_a_failed_vendor(
    vendors: Vendors, codes: object, kind_of_verdict: type
) -> None:
    flow = _captcha(vendors, "cloudflare").verify("token", address=ADDRESS, now=NOW)
    body = json.dumps({"success": False, "error-codes": codes}).encode()
    verdict = run(flow, lambda _: Response(status=200, body=body))
    assert isinstance(verdict, kind_of_verdict), verdict
    assert len(str(verdict)) < 200


@pytest.mark.parametrize("kind", KINDS)
def test_of_fifty_at_once_with_one_token_one_passes(vendors: Vendors, kind: str) -> None:
    guard = Guard(_captcha(vendors, kind))
    token = vendors.issue("contested", **GOOD.get(kind, {}))

    def admit(_: int) -> Verdict:
        return run(guard.admit(token, address=ADDRESS, now=NOW), over_http)

    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(admit, range(50)))
    assert sum(isinstance(verdict, Passed) for verdict in verdicts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_vendor_that_forgets_used_tokens_is_not_trusted_twice(
    vendors: Vendors, kind: str
) -> None:
    guard = Guard(_captcha(vendors, kind))
    body = b'{"success": true, "score": 1, "status": "ok", "host": "shop.example"}'

    def admit(_: int) -> Verdict:
        flow = guard.admit("replayed", address=ADDRESS, now=NOW)
        return run(flow, lambda _: Response(status=200, body=body))

    with ThreadPoolExecutor(16) as pool:
        verdicts = list(pool.map(admit, range(50)))
    assert sum(isinstance(verdict, Passed) for verdict in verdicts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_secret_is_in_no_repr(vendors: Vendors, kind: str) -> None:
    assert SECRET not in repr(_captcha(vendors, kind))


@pytest.mark.parametrize(
    "settings",
    [
        {"version": 4},
        {"version": 3, "min_score": 1.5},
        {"version": 3, "min_score": -1},
        {"action": "send"},
        {"min_score": 0.5},
    ],
)
def test_google_refuses_settings_that_cannot_work(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Google(**KEYS, **settings)


@pytest.mark.parametrize("vendor", [Google, Yandex, Cloudflare])
@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_missing_is_refused_by_name(
    vendor: Callable[..., Captcha], name: str
) -> None:
    """Such as a variable of the environment that nobody has set."""
    for nothing in (None, ""):
        with pytest.raises(ValueError, match=f"^{name} is missing: "):
            vendor(**{**KEYS, name: nothing})
    with pytest.raises(TypeError, match=f"^{name} is a str, not bytes"):
        vendor(**{**KEYS, name: b"a key"})


@pytest.mark.parametrize("vendor", [Google, Yandex, Cloudflare])
@pytest.mark.parametrize("wrong", ["shop.example.com", None, (None,), [b"shop.example.com"]])
def test_host_names_that_are_no_names_are_refused(
    vendor: Callable[..., Captcha], wrong: object
) -> None:
    """The letters of a single one would be taken for names."""
    with pytest.raises(TypeError, match=r"^hostnames is a tuple"):
        vendor(**KEYS, hostnames=wrong)
