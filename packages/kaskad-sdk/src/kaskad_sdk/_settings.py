"""What both clients are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, TypeVar

import httpx2

from kaskad_sdk import _wire
from kaskad_sdk._flow import Flows
from kaskad_sdk._version import __version__
from kaskad_sdk.captcha import Captcha, Guard
from kaskad_sdk.models import WidgetData

Environment: TypeAlias = Literal["production", "test"]
"""``production`` asks a service; ``test`` simulates one in this process, without a network."""

Http = TypeVar("Http", httpx2.Client, httpx2.AsyncClient)

TEST_URL = "http://simulation.invalid"
TEST_TOKEN = "test"  # noqa: S105  # it opens nothing


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a client, checked."""

    api_url: str
    api_token: str = field(repr=False)
    environment: Environment
    timeout: float
    max_retries: int
    long_poll_timeout: float
    language: str | None

    def __post_init__(self) -> None:
        if self.environment not in {"production", "test"}:
            raise ValueError('environment is "production" or "test"')
        for name in ("timeout", "long_poll_timeout"):
            seconds = getattr(self, name)
            if not _is_number(seconds) or not seconds > 0:
                raise ValueError(f"{name} is a number of seconds, more than 0")
        if not _is_number(self.max_retries) or not self.max_retries >= 0:
            raise ValueError("max_retries is a number, 0 or more")
        if self.language is not None and not is_language(self.language):
            raise ValueError('language is one such as "en", as in Accept-Language')
        if self.environment == "production":
            self._check_service()

    def _check_service(self) -> None:
        for name, form in (
            ("api_url", "the service's address, such as https://otp.example.com"),
            ("api_token", "the token that the service's operator gave you"),
        ):
            given = getattr(self, name)
            if not given:
                raise ValueError(f"{name} is missing: {form}")
            if not isinstance(given, str):
                raise TypeError(f"{name} is a str, not {type(given).__name__}: {form}")

    @property
    def simulated(self) -> bool:
        """Whether no service is asked."""
        return self.environment == "test"

    def api(self) -> _wire.Api:
        """How the service is asked."""
        return _wire.Api(
            TEST_URL if self.simulated else self.api_url,
            self.api_token or TEST_TOKEN,
            agent=f"kaskad-sdk/{__version__}",
            language=self.language,
        )

    def flows(self, api: _wire.Api) -> Flows:
        """By which rules."""
        return Flows(
            renewed=api.renewed,
            max_retries=self.max_retries,
            timeout_s=self.timeout,
            hold_s=self.long_poll_timeout,
        )


def is_language(given: object) -> bool:
    """Whether it may stand in ``Accept-Language``."""
    return (
        isinstance(given, str) and bool(given.strip()) and given.isascii() and given.isprintable()
    )


def http_client_of(given: Http | None, kind: type[Http]) -> Http | None:
    """The application's HTTP client, once it is of the kind that this client can use."""
    if given is not None and not isinstance(given, kind):
        raise TypeError(f"http_client is an {_name_of(kind)}, not {_name_of(type(given))}")
    return given


def _name_of(kind: type) -> str:
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def guard_of(captcha: Guard | Captcha | None) -> Guard | None:
    """The guard that a captcha alone makes: nothing is free."""
    return captcha if captcha is None or isinstance(captcha, Guard) else Guard(captcha)


def guarded(widget: WidgetData, fields: Mapping[str, object]) -> WidgetData:
    """A widget as the guard sees it: its captcha stands instead of the service's."""
    site_key, url = fields.get("captchaSiteKey"), fields.get("captchaChallengeUrl")
    version, action = fields.get("captchaVersion"), fields.get("captchaAction")
    return replace(
        widget,
        captcha_is_required=fields.get("captchaIsRequired") is True,
        captcha_provider=str(fields.get("captchaProvider")),
        captcha_site_key=str(site_key) if site_key else None,
        captcha_version=version if isinstance(version, int) else None,
        captcha_action=str(action) if action else None,
        captcha_challenge_url=str(url) if url else None,
    )
