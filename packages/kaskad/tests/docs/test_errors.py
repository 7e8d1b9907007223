"""docs/reference/errors.md says what the service answers."""

import re

import pytest

from kaskad.core.errors import ERRORS, KaskadError, ValidateError
from kaskad.http.handler.routes import ROUTES
from packages.kaskad.tests.docs import markdown

TEXT = (markdown.REFERENCE / "errors.md").read_text()
SECTIONS = markdown.sections(TEXT, 3)


def statuses(error: type[KaskadError]) -> str:
    return "400, 413" if error is ValidateError else str(error.http_status)


def test_the_table_has_every_error_with_its_status_and_both_messages() -> None:
    written = [
        (markdown.words(name)[0], status, russian, english)
        for name, status, russian, english in markdown.rows(TEXT, "type")
    ]
    assert written == [(e.type, statuses(e), e.ru, e.en) for e in ERRORS]


def test_the_sections_are_the_errors_in_their_order() -> None:
    assert list(SECTIONS) == [error.type for error in ERRORS]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.type)
def test_a_section_says_when_what_to_do_and_which_calls(error: type[KaskadError]) -> None:
    section = SECTIONS[error.type]
    assert markdown.paragraph(section, "**When**")
    assert markdown.paragraph(section, "**Do**")
    calls = [route.name for route in ROUTES if error in route.all_errors]
    written = markdown.paragraph(section, "**Calls**")
    if len(calls) in {0, len(ROUTES)}:
        assert written.startswith("**Calls**: " + ("all of them." if calls else "none;"))
    else:
        assert markdown.words(written.split(". ")[0]) == calls


def test_examples_are_real_errors() -> None:
    known = {error.type: error for error in ERRORS}
    for block in markdown.blocks(TEXT, "json"):
        name, message, status = (
            re.search(rf'"{key}": "?([^"\n]+?)"?,?\n', block.text)[1]  # type: ignore[index]
            for key in ("type", "message", "httpStatus")
        )
        assert (message, status) == (known[name].en, str(known[name].http_status))
