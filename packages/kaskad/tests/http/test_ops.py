"""What operators and their machines ask for."""

import asyncio
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families

from kaskad.app.ports import StoreUnavailableError
from kaskad.http.handler import openapi
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http.client import Answer, Json
from packages.kaskad.tests.http.expected import (
    BASE,
    METHODS,
    NOT_FOR_PAGES,
    PAGE_BASE,
    allowed,
)
from packages.kaskad.tests.http.house import HANG, SMS, TWO, House


async def get(house: House, path: str) -> Answer:
    return await house.api.get(path, absolute=True, token=None)


async def test_it_lives_whatever_the_store_does(house: House) -> None:
    house.store.trouble = StoreUnavailableError("away")
    answer = await get(house, "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert answer.header("cache-control") == "no-store"


async def test_it_is_ready_while_the_store_takes_writes(house: House) -> None:
    assert (await get(house, "/readyz")).json == {"status": "ok"}
    house.store.trouble = StoreUnavailableError("away")
    answer = await get(house, "/readyz")
    assert answer.status == 503
    assert answer.json["status"] == "unavailable"
    house.store.trouble = None
    assert (await get(house, "/readyz")).status == 200


async def test_a_store_that_hangs_is_not_ready(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(house.store, "check", hang)
    call = house.api.begin("GET", "/readyz", absolute=True)
    await house.clock.advance()
    assert not call.done
    loop = asyncio.get_running_loop()
    later = loop.time() + 2.1
    monkeypatch.setattr(loop, "time", lambda: later)
    await house.clock.advance()
    assert call.answer().status == 503


async def test_it_is_not_ready_when_it_stops(house: House) -> None:
    house.service.drain()
    answer = await get(house, "/readyz")
    assert (answer.status, answer.json) == (503, {"status": "draining"})
    assert (await get(house, "/healthz")).status == 200


async def test_a_store_that_breaks_in_an_unforeseen_way_is_not_ready(house: House) -> None:
    house.store.trouble = RuntimeError("a disk")
    answer = await get(house, "/readyz")
    assert (answer.status, answer.json) == (503, {"status": "unavailable", "store": "failing"})
    house.store.trouble = None
    assert (await get(house, "/readyz")).status == 200


async def test_what_breaks_outside_has_the_usual_shape(house: House) -> None:
    house.store.trouble = RuntimeError("a figure")
    call = house.api.begin("GET", "/metrics", absolute=True)
    assert call.task is not None
    await asyncio.wait([call.task])
    assert call.task.exception() is house.store.trouble  # for the server's log
    assert call.started is not None
    assert call.started["status"] == 500
    assert "Внутренняя ошибка сервера" in call.text
    assert b"x-request-id" in dict(call.started["headers"])


async def test_the_figures_count_what_happened_and_name_nobody(house: House) -> None:
    request_id = await house.confirmed()
    number, code = house.recipient(request_id).replace("%2B", ""), house.code(request_id)
    await house.api.post(f"/{request_id}/complete?recipient=%2B{number}")
    await house.begin(TWO)
    await house.hold(f"/longPolling/{await house.begin(HANG)}/channel")
    await house.api.get("/no/such/path/here")
    await house.clock.advance(1)

    answer = await get(house, "/metrics")
    assert (answer.header("content-type") or "").startswith("text/plain; version=")
    text = answer.body.decode()
    families = {f.name: f for f in text_string_to_metric_families(text)}

    def figure(name: str, **labels: str) -> float:
        [family] = [f for f in families.values() if name.removesuffix("_total") == f.name]
        return sum(
            s.value for s in family.samples if s.name == name and labels.items() <= s.labels.items()
        )

    assert figure("kaskad_sessions_total", widget=SMS) == 1
    assert figure("kaskad_requests_total", call="complete", status="201") == 1
    assert figure("kaskad_requests_total", call="none", status="404") == 1
    assert figure("kaskad_held_polls") == 1
    for secret in (number, number[1:], code, TOKEN, request_id):
        assert secret not in text
    assert not [s for f in families.values() for s in f.samples if "+7" in str(s.labels)]


# --- the description ------------------------------------------------------------------


async def document(house: House) -> Json:
    answer = await get(house, "/openapi.json")
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    return answer.json


def test_the_description_is_valid() -> None:
    found = openapi.build()
    assert found["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(found).iter_errors()) == []


Operation = tuple[str, str, Any]


def described(paths: Json, base: str) -> dict[str, Operation]:
    """The operations of one way in, by the id of each."""
    return {
        operation["operationId"]: (method.upper(), path.removeprefix(base), operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith(base + "/")
    }


def holds(name: str, operation: Json, errors: set[str]) -> None:
    """Fail unless an operation has exactly these answers."""
    responses = dict(operation["responses"])
    content = responses.pop(str(METHODS[name][2]))["content"]
    assert list(content) == ["text/event-stream" if name == "events" else "application/json"]
    examples = [r["content"]["application/json"]["examples"] for r in responses.values()]
    assert {kind for example in examples for kind in example} == errors
    for status, response in responses.items():
        for example in response["content"]["application/json"]["examples"].values():
            assert example["value"]["httpStatus"] == int(status)


async def test_the_description_has_every_call_with_every_answer(house: House) -> None:
    paths = (await document(house))["paths"]
    found = described(paths, BASE)
    assert set(found) == set(METHODS)
    for name, (method, path, _) in METHODS.items():
        assert found[name][:2] == (method, path)
        holds(name, found[name][2], allowed(name))


async def test_the_description_has_the_calls_of_pages_without_a_token(house: House) -> None:
    document_ = await document(house)
    found = described(document_["paths"], PAGE_BASE)
    names = {f"page{name[0].upper()}{name[1:]}": name for name in set(METHODS) - NOT_FOR_PAGES}
    assert set(found) == set(names)
    assert len(document_["paths"]) == len({p for _, p, _ in METHODS.values()}) * 2 - 2
    for operation_id, name in names.items():
        method, path, operation = found[operation_id]
        assert (method, path) == METHODS[name][:2]
        assert operation["security"] == []
        holds(name, operation, allowed(name) - {"UnauthorizedException"})
    schemas = document_["components"]["schemas"]
    body = found["pageSend"][2]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    fields = schemas[body.rpartition("/")[2]]["properties"]
    assert set(fields) == {"widgetId", "recipient", "captchaToken", "locale"}


@pytest.mark.parametrize(("base", "send"), [(BASE, "send"), (PAGE_BASE, "pageSend")])
async def test_the_links_of_a_send_lead_to_calls_and_parameters(
    house: House, base: str, send: str
) -> None:
    found = described((await document(house))["paths"], base)
    links = found[send][2]["responses"]["201"]["links"]
    assert links.pop("getWidget")["parameters"] == {"widgetId": "$request.body#/widgetId"}
    offered = set(METHODS) - (NOT_FOR_PAGES if base == PAGE_BASE else set())
    assert set(links) == {name for name in offered if "{requestId}" in METHODS[name][1]}
    sent = await house.api.post("/", {"widgetId": SMS, "recipient": house.number()})
    for link in links.values():
        target = found[link["operationId"]][2]
        known = {p["name"]: p for p in target["parameters"]}
        assert set(link["parameters"]) <= set(known)
        required = {name for name, p in known.items() if p["required"]}
        assert required <= set(link["parameters"])
        for expression in link["parameters"].values():
            pointer = expression.removeprefix("$response.body#/")
            assert pointer in sent.json


async def test_every_other_link_leads_on_with_what_the_request_had(house: House) -> None:
    operations = {
        operation["operationId"]: operation
        for methods in (await document(house))["paths"].values()
        for operation in methods.values()
    }
    linked = set()
    for name, operation in operations.items():
        own = {(p["in"], p["name"]) for p in operation["parameters"]}
        for response in operation["responses"].values():
            for link in () if name in {"send", "pageSend"} else response.get("links", {}).values():
                linked.add(name)
                target = {p["name"] for p in operations[link["operationId"]]["parameters"]}
                assert "requestId" in link["parameters"]
                assert set(link["parameters"]) <= target
                for parameter, expression in link["parameters"].items():
                    _, place, at = expression.split(".")
                    assert at == parameter
                    assert (place, at) in own
    assert linked >= {"getChannel", "getStatus", "checkCode", "resend"}


async def test_the_description_is_made_once(house: House) -> None:
    assert openapi.document() is openapi.document()
    assert await document(house) == openapi.build()


async def test_a_websocket_is_closed_and_other_scopes_are_left_alone(house: House) -> None:
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    await house.api.app({"type": "websocket", "path": "/"}, receive, send)
    await house.api.app({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]
