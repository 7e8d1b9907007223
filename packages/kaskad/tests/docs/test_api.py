"""docs/reference/api.md has every call, with what it takes and what it answers."""

from types import UnionType
from typing import Any, get_args

import msgspec
import pytest

from kaskad.core.model import ChannelType
from kaskad.http.handler import wire
from kaskad.http.handler.routes import BASE, ROUTES, Route
from packages.kaskad.tests.docs import markdown

TEXT = (markdown.REFERENCE / "api.md").read_text()
CALLS = markdown.sections(markdown.sections(TEXT, 2)["Calls"], 3)

each_call = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


def test_there_is_a_section_for_each_call_and_no_other() -> None:
    assert list(CALLS) == [route.name for route in ROUTES]


def test_the_overview_lists_each_call_and_links_to_it() -> None:
    written = [call for call, _ in markdown.rows(TEXT, "call")]
    assert written == [f"[`{r.method} {r.path}`](#{r.name.lower()})" for r in ROUTES]


def test_the_base_path_is_the_real_one() -> None:
    assert f"`{BASE}`" in TEXT


@each_call
def test_method_path_and_status(route: Route) -> None:
    assert f"`{route.method} {route.path}` answers {route.status}" in CALLS[route.name]


@each_call
def test_errors_are_those_of_the_table_of_calls(route: Route) -> None:
    written = markdown.words(markdown.paragraph(CALLS[route.name], "**Errors**"))
    assert written == [error.type for error in route.errors]


def test_the_errors_of_every_call_are_listed_once_for_all() -> None:
    text = markdown.sections(TEXT, 3)["Errors of every call"]
    for route in ROUTES:
        always = [error.type for error in route.all_errors if error not in route.errors]
        assert markdown.words(text) == always


@each_call
def test_the_query_has_the_parameters_of_the_call(route: Route) -> None:
    written = [
        (markdown.words(name)[0], required == "yes")
        for name, required, _ in markdown.rows(CALLS[route.name], "parameter")
    ]
    assert written == [(parameter.name, parameter.required) for parameter in route.query]


@each_call
def test_the_body_has_the_fields_of_the_call(route: Route) -> None:
    section = CALLS[route.name]
    written = [
        (markdown.words(row[0])[0], row[1] == "yes")
        for row in markdown.rows(section, "field")
        if len(row) == 3
    ]
    fields = msgspec.structs.fields(route.body) if route.body else ()
    assert written == [(field.encode_name, field.required) for field in fields]
    optional = markdown.paragraph(section, "**Body**") == "**Body** (may be left out)"
    assert optional == (route.body is not None and not route.body_required)


@each_call
def test_the_answer_has_the_fields_of_the_call(route: Route) -> None:
    section = CALLS[route.name]
    answer = section.partition("**Answer**")[2]
    if route.name == "getChannelLongPolling":
        assert "The answer of [getChannel](#getchannel)" in section
        return
    written = [markdown.words(row[0])[0] for row in markdown.rows(answer, "field")]
    assert written == ([] if route.answer is None else list(route.answer.__struct_fields__))


@pytest.mark.parametrize(("name", "kind"), [("payload", wire.Payload), ("settings", wire.Settings)])
def test_the_parts_of_a_channel_have_their_fields(name: str, kind: type[msgspec.Struct]) -> None:
    written = [markdown.words(row[0])[0] for row in markdown.rows(TEXT, f"field of `{name}`")]
    assert written == list(kind.__struct_fields__)


@each_call
def test_headers_are_named_where_they_are_used(route: Route) -> None:
    section = CALLS[route.name]
    assert ("Header: [`Idempotency-Key`]" in section) == route.idempotent
    assert ("Header of the answer: `ETag`" in section) == route.etag


@each_call
def test_examples_are_answers_of_the_call(route: Route) -> None:
    for block in markdown.blocks(CALLS[route.name], "json"):
        assert route.answer is not None
        given = msgspec.json.decode(block.text)
        msgspec.convert(given, route.answer)
        known(given, route.answer)


def known(given: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Fail for a field that the struct does not have, at any depth."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    assert set(given) <= set(fields)
    for name, value in given.items():
        options = get_args(fields[name]) if isinstance(fields[name], UnionType) else (fields[name],)
        for option in options:
            if isinstance(value, dict) and issubclass(option, msgspec.Struct):
                known(value, option)


def test_the_channel_types_are_all_there() -> None:
    row = next(r for r in markdown.rows(CALLS["getChannel"], "field") if r[0] == "`type`")
    assert markdown.words(row[1]) == list(ChannelType)
