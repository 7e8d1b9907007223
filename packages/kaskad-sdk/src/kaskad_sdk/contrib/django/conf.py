"""The setting ``KASKAD``: its keys, their forms, and what is wrong with a given one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.module_loading import import_string

from kaskad_sdk import _wire
from kaskad_sdk._settings import is_language
from kaskad_sdk.captcha import Guard
from kaskad_sdk.contrib._arriving import proxies_of

NAME: Final = "KASKAD"
REQUIRED: Final = ("API_URL", "API_TOKEN")


class Problem(NamedTuple):
    """Something that is wrong with the setting; values are never named, they may be secret."""

    id: str
    message: str
    hint: str


def options() -> Mapping[str, Any]:
    """The setting, once it is right; else raises :class:`ImproperlyConfigured` for what is not."""
    given: Any = getattr(settings, NAME, None)
    for problem in problems(given):
        raise ImproperlyConfigured(f"{problem.message} {problem.hint}")
    found: Mapping[str, Any] = given
    return found


def problems(given: object) -> Iterator[Problem]:
    """All that is wrong with a value of the setting."""
    if not isinstance(given, Mapping):
        yield Problem(
            "kaskad.E001",
            f"The setting {NAME} is missing or no dictionary.",
            f"Set {NAME} = {{'API_URL': 'https://otp.example.com', 'API_TOKEN': '...'}}.",
        )
        return
    found = cast("Mapping[object, object]", given)
    for key in found:
        if key not in _FORMS:
            known = ", ".join(_FORMS)
            yield Problem("kaskad.E002", f"{NAME} has no key {key!r}.", f"Its keys: {known}.")
    required = () if found.get("ENVIRONMENT") == "test" else REQUIRED
    for key, (is_well_formed, form) in _FORMS.items():
        if key in found and not is_well_formed(found[key]):
            yield Problem("kaskad.E004", f"{NAME}[{key!r}] is ill-formed.", f"Give {form}.")
        elif key in required and key not in found:
            yield Problem("kaskad.E003", f"{NAME}[{key!r}] is missing.", f"Give {form}.")
    if found.get("TRUSTED_PROXIES") and found.get("GET_CLIENT_IP"):
        yield Problem(
            "kaskad.E005",
            f"{NAME} has both 'TRUSTED_PROXIES' and 'GET_CLIENT_IP'.",
            "The second replaces the first: leave one out.",
        )


def client_ip_getter(given: object) -> Callable[[HttpRequest], str] | None:
    """The function of ``GET_CLIENT_IP``; raises :class:`ImportError` when there is none."""
    if given is None:
        return None
    found = import_string(given) if isinstance(given, str) else given
    if not callable(found) or iscoroutinefunction(found):
        raise ImportError(f"{given!r} is no function")
    return cast("Callable[[HttpRequest], str]", found)


def _is_address(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        _wire.Api(value, "token", agent="")
    except ValueError:
        return False
    return True


def _are_proxies(value: object) -> bool:
    if not isinstance(value, list | tuple):
        return False
    given = cast("Sequence[object]", value)
    try:
        proxies_of([each for each in given if isinstance(each, str)])
    except ValueError:
        return False
    return all(isinstance(each, str) for each in given)


def _is_getter(value: object) -> bool:
    try:
        client_ip_getter(value)
    except ImportError:
        return False
    return True


_FORMS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "API_URL": (_is_address, "the address of the service, such as 'https://otp.example.com'"),
    "API_TOKEN": (
        lambda value: isinstance(value, str) and bool(value.strip()),
        "a token of the service",
    ),
    "ENVIRONMENT": (lambda value: value in ("production", "test"), "'production' or 'test'"),
    "LANGUAGE": (is_language, "a language such as 'en', as in Accept-Language"),
    "CAPTCHA": (
        lambda value: value is None or isinstance(value, Guard),
        "a kaskad_sdk.captcha.Guard",
    ),
    "TRUSTED_PROXIES": (
        _are_proxies,
        "a list of the addresses and networks of your own proxies, never of everybody",
    ),
    "GET_CLIENT_IP": (_is_getter, "a function of the request, or its dotted name"),
    "OFFER_COMPLETION": (lambda value: isinstance(value, bool), "True or False"),
}
