"""Rendering what an operator wrote: bounded, without loops, and with no filter but ours."""

import re
from functools import lru_cache

from liquid import Environment, StrictUndefined
from liquid.exceptions import FilterError, LiquidError
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
    text = str(value)
    if len(text) > LONGEST_TEXT:  # each use doubles it, and the output's limit comes too late
        raise FilterError("spaced: the text is too long", token=None)
    return " ".join(text)


def _environment() -> Environment:
    environment = _Bounded(undefined=StrictUndefined)
    for name in set(environment.tags) - TAGS:
        del environment.tags[name]
    environment.filters.clear()
    environment.add_filter("spaced", _spaced)
    return environment


_ENVIRONMENT = _environment()


_PLAIN = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@lru_cache(maxsize=1024)
def _parse(text: str) -> "BoundTemplate | _Plain":
    pieces = tuple(_PLAIN.split(text))
    literal = "".join(pieces[::2])
    if set(pieces[1::2]) <= set(VARIABLES) and "{" not in literal and "}" not in literal:
        return _Plain(pieces)
    return _ENVIRONMENT.from_string(text)


class _Plain:
    """A template of nothing but text and variables: most are, and need no engine."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: tuple[str, ...]) -> None:
        self._pieces = pieces

    def variable_paths(self) -> set[str]:
        """The variables that it uses."""
        return set(self._pieces[1::2])

    def render(self, **values: object) -> str:
        """The text with its variables filled in."""
        return "".join(
            str(values[piece]) if at % 2 else piece for at, piece in enumerate(self._pieces)
        )


def render(text: str, *, code: str, widget: str, domain: str, minutes: int) -> str:
    """The message for one launch. ``web_otp`` is the line that browsers read a code from."""
    web_otp = f"@{domain} #{code}" if domain else ""
    try:
        rendered = _parse(text).render(
            code=code, widget=widget, domain=domain, minutes=minutes, web_otp=web_otp
        )
    except LiquidError as problem:
        raise UnrenderableError(problem.message) from problem
    if len(rendered) > LONGEST_TEXT:
        raise UnrenderableError("output limit reached")
    return rendered.strip()


def check(text: str) -> str | None:
    """What is wrong with a template; ``None`` when it renders."""
    if len(text) > LONGEST_TEMPLATE:
        return f"is longer than {LONGEST_TEMPLATE} characters"
    try:
        for domain in ("example.com", ""):
            render(text, code="123456", widget="Widget", domain=domain, minutes=5)
    except UnrenderableError as problem:
        return f"{problem}; {_KNOWN}"
    unknown = set(_parse(text).variable_paths()) - set(VARIABLES)  # also where no rendering came
    return f"'{min(unknown)}' is undefined; {_KNOWN}" if unknown else None


def shows_code(text: str) -> bool:
    """Whether a template that renders has the code somewhere."""
    return not {"code", "web_otp"}.isdisjoint(_parse(text).variable_paths())


_KNOWN = f"known variables: {', '.join(VARIABLES)}"
