"""What is wrong with a configuration, told in one line per problem."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from kaskad.config.forms import Form

Loc = Sequence[int | str]


class OperatorError(Exception):
    """Something that only the operator can put right.

    ``problems`` are complete lines for people; none of them shows a secret.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class ConfigError(OperatorError):
    """The configuration cannot be used. Nothing has been started or written."""


def describe(
    errors: Iterable[ErrorDetails], model: type[BaseModel], place: Callable[[Loc], str]
) -> list[str]:
    """One line per error of a pydantic model; ``place`` says where it is."""
    return [f"{place(error['loc'])}: {_what(error, model)}" for error in errors]


def path(loc: Loc) -> str:
    """A key's path as people write it: ``channels[0].code.length``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return "".join(parts).removeprefix(".")


def _what(error: ErrorDetails, model: type[BaseModel]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return unknown(str(error["loc"][-1]), _keys(_annotation(model, error["loc"][:-1])))
        case "missing":
            return f"missing; expected {_expected(_annotation(model, error['loc']))}"
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return f"expected {_expected(_annotation(model, error['loc']))}"


def unknown(key: str, known: Sequence[str]) -> str:
    """The line for a key that means nothing."""
    close = get_close_matches(key.lower(), known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(sorted(known))}"
    return f"unknown key; {hint}"


def _annotation(model: type[BaseModel], loc: Loc) -> object:
    """What is declared at a place of the model."""
    found: object = model
    for part in loc:
        found = _below(_plain(found), part)
    return found


def _below(container: object, part: int | str) -> object:
    if isinstance(part, int):
        return get_args(container)[0]
    field = cast("type[BaseModel]", container).model_fields[_field_name(container, part)]
    form = next((m for m in field.metadata if isinstance(m, Form)), None)
    return form or field.annotation


def _field_name(container: object, key: str) -> str:
    fields = cast("type[BaseModel]", container).model_fields
    return next(name for name, field in fields.items() if key in {name, field.alias})


def _plain(annotation: object) -> object:
    """Without ``| None``."""
    if get_origin(annotation) in {Union, UnionType}:
        return next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation


def _keys(annotation: object) -> list[str]:
    fields = cast("type[BaseModel]", _plain(annotation)).model_fields
    return [field.alias or name for name, field in fields.items()]


def _expected(annotation: object) -> str:
    annotation = _plain(annotation)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[1]
    if isinstance(annotation, Form):
        return annotation.expected
    if get_origin(annotation) is tuple:
        item = _expected(get_args(annotation)[0])
        return "an array of tables" if item == "a table" else f"an array; in it: {item}"
    return "a table"
