"""What an operator writes can neither run away nor fail when it is needed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.app import templates
from kaskad.app.templates import LONGEST_TEMPLATE, LONGEST_TEXT, UnrenderableError


def render(text: str, domain: str = "example.com") -> str:
    return templates.render(text, code="123456", widget="Shop", domain=domain, minutes=5)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{{ secret }}", "secret"),
        ("{{ Code }}", "Code"),
        ("{{ code.length }}", "code.length"),
        ("{% if secret %}x{% endif %}", "secret"),
        ("{% if domain == '' %}{{ secret }}{% endif %}", "secret"),
        ("{% if minutes > 60 %}{{ hours }}{% endif %}", "hours"),
        ("{% case minutes %}{% when 1 %}{{ one }}{% endcase %}", "one"),
        ("{% unless code %}{{ code.x }}{% endunless %}", "code.x"),
    ],
)
def test_an_unknown_variable_is_named_wherever_it_stands(text: str, name: str) -> None:
    problem = templates.check(text)
    assert problem is not None
    assert re.search(rf"'?{re.escape(name)}'? is undefined", problem)
    assert "known variables: code, widget, domain, minutes, web_otp" in problem


@pytest.mark.parametrize(
    "tag",
    ["for", "tablerow", "assign", "capture", "include", "render", "cycle", "increment", "liquid"],
)
def test_tags_that_repeat_store_or_fetch_are_unknown(tag: str) -> None:
    problem = templates.check(f"{{% {tag} x in code %}}{{% end{tag} %}}")
    assert problem is not None
    assert tag in problem


@pytest.mark.parametrize("name", ["upcase", "append", "times", "split", "json", "date", "first"])
def test_there_is_no_filter_but_ours(name: str) -> None:
    problem = templates.check(f"{{{{ code | {name} }}}}")
    assert problem is not None
    assert name in problem


def test_filters_that_grow_stop_growing() -> None:
    doubled = "{{ '" + "a" * 100 + "' " + "| spaced " * 200 + "}}"
    assert "too long" in (templates.check(doubled) or "")


def test_the_text_is_bounded() -> None:
    assert templates.check("a" * LONGEST_TEMPLATE) is None
    assert "longer than" in (templates.check("a" * (LONGEST_TEMPLATE + 1)) or "")


@pytest.mark.parametrize("text", ["{{ widget }}", "{% if code %}{{ widget }}{% endif %}"])
def test_what_is_filled_in_is_bounded(text: str) -> None:
    with pytest.raises(UnrenderableError):
        templates.render(text, code="1", widget="w" * (LONGEST_TEXT + 1), domain="", minutes=1)


def test_blocks_are_not_nested_without_end() -> None:
    assert templates.check("{% if code %}" * 5 + "{% endif %}" * 5) is None
    assert "nesting" in (templates.check("{% if code %}" * 9 + "{% endif %}" * 9) or "")


def test_what_fails_says_why_without_a_value() -> None:
    with pytest.raises(UnrenderableError) as failed:
        render("{{ code | spaced: 1 }}")
    assert "123456" not in str(failed.value)


@given(st.text(alphabet="{}%| codewigtspanmu'\"=<>().1\n", max_size=60))
def test_what_passes_the_check_renders(text: str) -> None:
    if templates.check(text) is None:
        assert len(render(text)) <= LONGEST_TEXT
        assert len(render(text, domain="")) <= LONGEST_TEXT


@given(
    st.lists(
        st.one_of(
            st.sampled_from(templates.VARIABLES).map(lambda name: f"{{{{ {name} }}}}"),
            st.text(alphabet="abc .,\n", max_size=5),
        ),
        max_size=8,
    )
)
def test_the_short_way_renders_as_the_engine_does(pieces: list[str]) -> None:
    """A tag forces a template through the engine; without one it is filled in directly."""
    text = "".join(pieces)
    assert render(text) == render(text + "{% comment %}{% endcomment %}")
