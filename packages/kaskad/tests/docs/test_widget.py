"""docs/reference/widget.md has what the widget's own manifest names, and nothing else."""

import json
from importlib.resources import files
from typing import Any

import pytest

from packages.kaskad.tests.docs import markdown

TEXT = (markdown.REFERENCE / "widget.md").read_text()


def manifest() -> dict[str, Any]:
    carried = files("kaskad.http.widget") / "static" / "custom-elements.json"
    modules = json.loads(carried.read_text())["modules"]
    [element] = [
        each
        for module in modules
        for each in module.get("declarations", [])
        if each.get("tagName") == "kaskad-otp"
    ]
    found: dict[str, Any] = element
    return found


@pytest.mark.parametrize(
    "heading, kind",
    [
        ("attribute", "attributes"),
        ("event", "events"),
        ("property", "cssProperties"),
        ("part", "cssParts"),
    ],
)
def test_the_page_names_what_the_manifest_names(heading: str, kind: str) -> None:
    named = [each["name"] for each in manifest()[kind] if each["name"] != "name"]
    assert len(named) > 5
    assert [markdown.words(row[0])[0] for row in markdown.rows(TEXT, heading)] == named


def test_the_default_of_a_property_is_the_true_one() -> None:
    defaults = {p["name"]: p.get("default") for p in manifest()["cssProperties"]}
    for name, what in markdown.rows(TEXT, "property"):
        default = defaults[markdown.words(name)[0]]
        assert default is None or f"`{default}`" in what
