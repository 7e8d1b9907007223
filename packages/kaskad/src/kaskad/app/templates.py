"""Rendering what an operator wrote: bounded, without loops, and with no filter but ours."""

from functools import lru_cache

from liquid import Environment, StrictUndefined
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate

LONGEST_TEMPLATE = 2000
LONGEST_TEXT = 4000
TAGS = frozenset({"if", "unless", "case", "comment", "illegal", "content", "output", "#"})
VARIABLES = ("code", "widget", "domain", "minutes", "web_otp")


class UnrenderableError(Exception):
    """A template that cannot be rendered; the text says why, without any value."""


class _Bounded(Environment):
    output_stream_limit = LONGEST_TEXT
    block_nesting_limit = 8
    context_depth_limit = 4
    local_namespace_limit = 1000


def _spaced(value: object) -> str:
    """``1234`` as ``1 2 3 4``, for voices that would read a number."""
    return " ".join(str(value))


def _environment() -> Environment:
    environment = _Bounded(undefined=StrictUndefined)
    for name in set(environment.tags) - TAGS:
        del environment.tags[name]
    environment.filters.clear()
    environment.add_filter("spaced", _spaced)
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=1024)
def _parse(text: str) -> BoundTemplate:
    return _ENVIRONMENT.from_string(text)


def render(text: str, *, code: str, widget: str, domain: str, minutes: int) -> str:
    """The message for one launch. ``web_otp`` is the line that browsers read a code from."""
    web_otp = f"@{domain} #{code}" if domain else ""
    try:
        rendered = _parse(text).render(
            code=code, widget=widget, domain=domain, minutes=minutes, web_otp=web_otp
        )
    except LiquidError as problem:
        raise UnrenderableError(problem.message) from problem
    return rendered.strip()


def check(text: str) -> str | None:
    """What is wrong with a template; ``None`` when it renders."""
    if len(text) > LONGEST_TEMPLATE:
        return f"is longer than {LONGEST_TEMPLATE} characters"
    try:
        render(text, code="123456", widget="Widget", domain="example.com", minutes=5)
    except UnrenderableError as problem:
        return f"{problem}; known variables: {', '.join(VARIABLES)}"
    return None
