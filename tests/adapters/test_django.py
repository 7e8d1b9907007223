"""What Django alone has: settings that are checked, a client made of them, two kinds of views."""

import asyncio
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client
from django.test.utils import override_settings

from kaskad_sdk import SessionNotFoundException
from kaskad_sdk.captcha import Altcha, Guard
from kaskad_sdk.contrib.django import async_otp_client, otp_client
from tests.adapters import backends
from tests.adapters.upstream import REQUEST_ID

RIGHT = {"API_URL": "https://otp.example.com", "API_TOKEN": "ksk-any"}


def own_address(request: object) -> str:
    """For ``GET_CLIENT_IP``."""
    return "198.51.100.9"


def found(**settings: Any) -> list[tuple[str | None, str, str | None]]:
    with override_settings(**settings):
        ours = [each for each in run_checks() if (each.id or "").startswith("kaskad.")]
    return [(each.id, each.msg, each.hint) for each in ours]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"ENVIRONMENT": "test", "OFFER_COMPLETION": True},
        {"LANGUAGE": "en"},
        {"TRUSTED_PROXIES": ["10.0.0.0/8", "::1"]},
        {"GET_CLIENT_IP": own_address},
        {"GET_CLIENT_IP": f"{__name__}.own_address"},
        {"CAPTCHA": Guard(Altcha(hmac_key="of this test " * 3), 3)},
        {"CAPTCHA": None, "TRUSTED_PROXIES": ()},
    ],
)
def test_right_settings_pass_the_check(more: dict[str, Any]) -> None:
    assert found(KASKAD={**RIGHT, **more}) == []


@pytest.mark.parametrize("given", [None, "https://otp.example.com", ["API_URL"]])
def test_no_settings_are_one_clear_error(given: object) -> None:
    [(number, message, hint)] = found(KASKAD=given)
    assert number == "kaskad.E001"
    assert message == "The setting KASKAD is missing or no dictionary."
    assert hint is not None
    assert "API_URL" in hint


@pytest.mark.parametrize("key", ["API_URL", "API_TOKEN"])
def test_a_missing_setting_is_named(key: str) -> None:
    [(number, message, _)] = found(KASKAD={k: v for k, v in RIGHT.items() if k != key})
    assert (number, message) == ("kaskad.E003", f"KASKAD['{key}'] is missing.")


def test_an_unknown_setting_is_named_with_those_that_there_are() -> None:
    [(number, message, hint)] = found(KASKAD={**RIGHT, "TOKEN": "any"})
    assert (number, message) == ("kaskad.E002", "KASKAD has no key 'TOKEN'.")
    assert hint is not None
    assert "API_TOKEN" in hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("API_URL", ""),
        ("API_URL", "otp.example.com"),
        ("API_URL", "ftp://otp.example.com"),
        ("API_URL", "http://[::1"),
        ("API_URL", "https://name:secret@otp.example.com"),
        ("API_URL", None),
        ("API_TOKEN", ""),
        ("API_TOKEN", b"bytes"),
        ("ENVIRONMENT", "staging"),
        ("ENVIRONMENT", ["test"]),
        ("LANGUAGE", ""),
        ("LANGUAGE", "en\r\nx: y"),
        ("LANGUAGE", ["en"]),
        ("CAPTCHA", "altcha"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("TRUSTED_PROXIES", ["*"]),
        ("TRUSTED_PROXIES", ["::/0"]),
        ("TRUSTED_PROXIES", [10]),
        ("TRUSTED_PROXIES", ["proxy.example.com"]),
        ("GET_CLIENT_IP", "nowhere.at_all"),
        ("GET_CLIENT_IP", "own_address"),
        ("GET_CLIENT_IP", 7),
        ("OFFER_COMPLETION", "yes"),
    ],
)
def test_an_ill_formed_setting_is_named_and_its_value_is_not(key: str, value: object) -> None:
    [(number, message, hint)] = found(KASKAD={**RIGHT, key: value})
    assert (number, message) == ("kaskad.E004", f"KASKAD['{key}'] is ill-formed.")
    assert hint is not None
    assert hint.startswith("Give ")


def test_two_ways_to_find_the_address_are_one_too_many() -> None:
    both = {"TRUSTED_PROXIES": ["10.0.0.1"], "GET_CLIENT_IP": own_address}
    [(number, _, _)] = found(KASKAD={**RIGHT, **both})
    assert number == "kaskad.E005"


def test_the_token_is_in_no_message() -> None:
    said = str(found(KASKAD={"API_URL": 1, "API_TOKEN": ["secret-token"], "TRUSTED_PROXIES": "*"}))
    assert "secret-token" not in said


@pytest.mark.parametrize("make", [otp_client, async_otp_client])
def test_a_client_of_wrong_settings_says_what_is_wrong(make: Any) -> None:
    with (
        override_settings(KASKAD={"API_URL": "https://otp.example.com"}),
        pytest.raises(ImproperlyConfigured, match=r"KASKAD\['API_TOKEN'\] is missing\. Give "),
    ):
        make()


@pytest.mark.parametrize(
    ("more", "text"), [({}, "Сессия не найдена"), ({"LANGUAGE": "en"}, "The session was not found")]
)
def test_the_client_speaks_the_language_of_the_settings(more: dict[str, str], text: str) -> None:
    with (
        override_settings(KASKAD={**RIGHT, "ENVIRONMENT": "test", **more}),
        pytest.raises(SessionNotFoundException, match=text),
    ):
        otp_client().get_channel(REQUEST_ID)


def test_a_simulation_needs_no_service() -> None:
    with override_settings(KASKAD={"ENVIRONMENT": "test"}):
        assert run_checks() == []
        assert otp_client().send(REQUEST_ID, "+79001234567").request_id


def test_there_is_one_client_until_the_settings_change() -> None:
    with override_settings(KASKAD=RIGHT):
        first = otp_client()
        assert otp_client() is first
    with override_settings(KASKAD={**RIGHT, "API_URL": "https://other.example.com"}):
        assert otp_client() is not first


def test_the_asynchronous_view_refuses_wsgi_in_one_line() -> None:
    with (
        override_settings(KASKAD=RIGHT),
        pytest.raises(ImproperlyConfigured, match="urls_async needs an ASGI server"),
    ):
        Client().get(f"/async/otp/{REQUEST_ID}/channel")


def test_no_page_needs_a_csrf_token() -> None:
    """A foreign site has nothing to gain: nothing here is done in anybody's name."""
    with override_settings(KASKAD={**RIGHT, "ENVIRONMENT": "test"}):
        sync = Client(enforce_csrf_checks=True)
        answer = sync.post("/auth/otp/", b"{", content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["type"] == "ValidateError"

    async def ask() -> int:
        client = AsyncClient(enforce_csrf_checks=True)
        answer = await client.post("/async/otp/", b"{", content_type="application/json")
        return answer.status_code

    with override_settings(KASKAD={**RIGHT, "ENVIRONMENT": "test"}):
        assert asyncio.run(ask()) == 400


def test_the_project_of_these_tests_is_right() -> None:
    with override_settings(KASKAD=RIGHT):
        assert run_checks() == []
    assert backends.PREFIX
