"""What operators and their machines ask for."""

import asyncio

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families

from kaskad.app.ports import StoreUnavailableError
from kaskad.http.handler import openapi
from packages.kaskad.tests.builders import TOKEN
from packages.kaskad.tests.http.client import Answer, Json
from packages.kaskad.tests.http.expected import BASE, METHODS, allowed
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


async def test_what_breaks_outside_has_the_usual_shape(house: House) -> None:
    house.store.trouble = RuntimeError("a disk")
    call = house.api.begin("GET", "/readyz", absolute=True)
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


async def test_the_description_has_every_call_with_every_answer(house: House) -> None:
    paths = (await document(house))["paths"]
    described = {
        operation["operationId"]: (method.upper(), path.removeprefix(BASE), operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert set(described) == set(METHODS)
    for name, (method, path, success) in METHODS.items():
        found_method, found_path, operation = described[name]
        assert (found_method, found_path) == (method, path)
        responses = dict(operation["responses"])
        content = responses.pop(str(success))["content"]
        assert list(content) == ["text/event-stream" if name == "events" else "application/json"]
        named = {
            kind
            for response in responses.values()
            for kind in response["content"]["application/json"]["examples"]
        }
        assert named == allowed(name)
        for status, response in responses.items():
            for example in response["content"]["application/json"]["examples"].values():
                assert example["value"]["httpStatus"] == int(status)


async def test_the_links_of_a_send_lead_to_calls_and_parameters(house: House) -> None:
    paths = (await document(house))["paths"]
    operations = {
        operation["operationId"]: operation
        for methods in paths.values()
        for operation in methods.values()
    }
    links = paths[BASE + "/"]["post"]["responses"]["201"]["links"]
    assert set(links) == {name for name, (_, path, _) in METHODS.items() if "{requestId}" in path}
    sent = await house.api.post("/", {"widgetId": SMS, "recipient": house.number()})
    for link in links.values():
        target = operations[link["operationId"]]
        known = {p["name"]: p for p in target["parameters"]}
        assert set(link["parameters"]) <= set(known)
        required = {name for name, p in known.items() if p["required"]}
        assert required <= set(link["parameters"])
        for expression in link["parameters"].values():
            pointer = expression.removeprefix("$response.body#/")
            assert pointer in sent.json


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
