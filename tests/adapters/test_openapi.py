"""What FastAPI's document says of the endpoints is what the service's own document says."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from kaskad.http.handler.openapi import build
from kaskad.http.handler.routes import BASE
from kaskad_sdk import AsyncOtpClient
from kaskad_sdk._page_paths import CALLS
from kaskad_sdk.captcha import Altcha
from kaskad_sdk.contrib.fastapi import kaskad_router

PREFIX = "/auth/otp"
NOT_FOR_PAGES = {"userIp", "email"}
ONLY_THE_BACK_ENDS = {"checkStatusAndComplete", "complete"}


def made(*, offer_completion: bool = False, captcha: Altcha | None = None) -> dict[str, Any]:
    app = FastAPI()
    client = AsyncOtpClient(api_url="http://127.0.0.1:1", api_token="any", captcha=captcha)
    app.include_router(kaskad_router(client, offer_completion=offer_completion), prefix=PREFIX)
    return app.openapi()


OURS = made(offer_completion=True)
THEIRS: dict[str, Any] = build()
CAPTCHA = {
    "captchaProvider",
    "captchaSiteKey",
    "captchaVersion",
    "captchaAction",
    "captchaChallengeUrl",
}
"""What a gateway adds to a widget, whether or not the service has a captcha of its own."""


def operations(document: dict[str, Any], prefix: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path.removeprefix(prefix)): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path.startswith(prefix)
    }


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references, and without what is only another way to say "may be null"."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return resolved(document, document["components"]["schemas"][name])
    options = schema.get("anyOf", [])
    known = [each for each in options if each.get("type") != "null"]
    return resolved(document, known[0]) if len(known) == 1 else schema


def fields(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object, and of the objects in it."""
    found = resolved(document, schema)
    inner = found.get("properties", {})
    return {name: fields(document, each) for name, each in inner.items()}


def answer(document: dict[str, Any], operation: dict[str, Any], status: str) -> dict[str, Any]:
    content = operation["responses"][status]["content"]["application/json"]
    return fields(document, content["schema"])


THEIR_CALLS = operations(THEIRS, BASE)
OUR_CALLS = operations(OURS, PREFIX)

each_call = pytest.mark.parametrize("key", OUR_CALLS, ids=" ".join)


def test_the_document_is_valid() -> None:
    validate(OURS)


def test_it_shows_every_call_of_the_gateway_and_no_other() -> None:
    offered = {(call.method.lower(), re.sub(r"{\w*}", "{}", f"/{call.path}")) for call in CALLS}
    assert {(method, re.sub(r"{\w*}", "{}", path)) for method, path in OUR_CALLS} == offered
    assert set(OUR_CALLS) <= set(THEIR_CALLS)


def test_it_does_not_show_what_pages_are_not_offered() -> None:
    shown = {path.rpartition("/")[2] for path in made()["paths"]}
    assert shown.isdisjoint(ONLY_THE_BACK_ENDS)
    assert len(made()["paths"]) == len(OURS["paths"]) - len(ONLY_THE_BACK_ENDS)


def test_it_shows_no_challenge_of_the_service_where_the_back_end_has_a_captcha() -> None:
    guarded = made(captcha=Altcha(hmac_key="of this test " * 3))
    assert set(made()["paths"]) - set(guarded["paths"]) == {
        f"{PREFIX}/widget/{{widgetId}}/challenge"
    }


@each_call
def test_parameters_are_those_of_the_service(key: tuple[str, str]) -> None:
    def parameters(operation: dict[str, Any]) -> set[tuple[str, str, bool]]:
        found = {(p["name"], p["in"], p["required"]) for p in operation["parameters"]}
        return {each for each in found if each[1] != "header" and each[0] not in NOT_FOR_PAGES}

    assert parameters(OUR_CALLS[key]) == parameters(THEIR_CALLS[key])


@each_call
def test_a_body_has_the_fields_that_a_page_may_send(key: tuple[str, str]) -> None:
    def body(
        document: dict[str, Any], operation: dict[str, Any]
    ) -> tuple[bool, set[str], set[str]]:
        given = operation.get("requestBody")
        if given is None:
            return False, set(), set()
        schema = resolved(document, given["content"]["application/json"]["schema"])
        return given["required"], set(schema["properties"]), set(schema.get("required", []))

    required, names, needed = body(THEIRS, THEIR_CALLS[key])
    assert body(OURS, OUR_CALLS[key]) == (required, names - NOT_FOR_PAGES, needed)


@each_call
def test_an_answer_has_the_fields_of_the_services(key: tuple[str, str]) -> None:
    status = min(OUR_CALLS[key]["responses"])
    ours = answer(OURS, OUR_CALLS[key], status)
    theirs = answer(THEIRS, THEIR_CALLS[key], status)
    assert {k: v for k, v in ours.items() if k not in CAPTCHA} == {
        k: v for k, v in theirs.items() if k not in CAPTCHA
    }


@each_call
def test_refusals_have_the_form_of_the_services(key: tuple[str, str]) -> None:
    for ours in ("4XX", "5XX"):
        assert answer(OURS, OUR_CALLS[key], ours) == {
            **answer(THEIRS, THEIR_CALLS[key], "400"),
        }
