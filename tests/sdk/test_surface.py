"""What the SDK promises by name: exports, signatures, docstrings, errors, its one dependency."""

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

import kaskad_sdk
from kaskad.core import errors as service
from kaskad_sdk import AsyncOtpClient, OtpClient, OtpException, errors, models
from kaskad_sdk._slots import KEPT_ALIVE_S
from scripts.describe_sdk import PAGE, documented, page

ROOT = Path(__file__).parents[2]
EXPORTED = """
AsyncOtpClient AttempsExpiredException AttemptsExpiredException CaptchaNotConfirmedException
Channel ChannelChangedEvent ChannelChangedException ChannelPayload ChannelSettings ChannelStatus
ChannelType CodeForm CodeType CommonForbiddenException ErrorEvent ForbiddenException
FormIsBlockedException FormNotFoundException InternalServerErrorException InvalidCodeException
IsCodelessChannelException LongPollingTimeoutException MethodNotAllowedException NextMove
NoAvailableChannelsException NoConnectionException NotFoundException OtpClient OtpEvent
OtpException PhoneNumberMismatchException RateLimitException RequestNotFoundException
ResendChannelEvent ResendChannelException RestartCooldownActiveException SendData
ServiceUnavailableException SessionAlreadyConfirmedException SessionClosedException
SessionNotFoundException SessionTimeoutException StatusData Subscription SuccessConfirmationEvent
UnauthorizedException ValidateError WidgetData WidgetIsBlockedException WidgetNotFoundException
__version__
""".split()  # noqa: SIM905  # a list of words, to be read as one


def test_the_exports_are_these() -> None:
    assert sorted(kaskad_sdk.__all__) == sorted(EXPORTED)
    for name in EXPORTED:
        assert getattr(kaskad_sdk, name) is not None
    with pytest.raises(AttributeError):
        _ = kaskad_sdk.Nothing


def test_every_public_name_is_documented() -> None:
    found = list(documented())
    assert len(found) > 100
    for name, thing in found:
        text = inspect.getdoc(thing)
        assert text, name
        assert text[-1] in ".`)", name


def test_both_clients_are_alike() -> None:
    blocking = {n: f for n, f in vars(OtpClient).items() if not n.startswith("_")}
    awaiting = {n: f for n, f in vars(AsyncOtpClient).items() if not n.startswith("_")}
    assert set(blocking) == set(awaiting)
    for name, method in blocking.items():
        twin = awaiting[name]
        if not inspect.isfunction(method):
            continue
        if not name.startswith("on_"):
            assert inspect.signature(method) == inspect.signature(twin), name
        if name not in {"close", "on_channel_changed"}:
            assert method.__doc__ == twin.__doc__, name
    ours, theirs = (inspect.signature(kind).parameters for kind in (OtpClient, AsyncOtpClient))
    assert list(ours) == list(theirs)


def test_every_error_of_the_service_has_its_class() -> None:
    known = {e.type: e for e in service.ERRORS}
    assert set(known) - set(errors.BY_TYPE) == set()
    for name, error in known.items():
        own = errors.BY_TYPE[name]
        assert (own.type, own.http_status, own.ru, own.en) == (
            name,
            error.http_status,
            error.ru,
            error.en,
        )
    more = {kind.type for kind in errors.BY_TYPE.values()} - set(known)
    assert more == {"NoConnectionException", "CommonForbiddenException"}


def test_old_names_are_the_same_classes() -> None:
    pairs = {
        "FormNotFoundException": kaskad_sdk.WidgetNotFoundException,
        "FormIsBlockedException": kaskad_sdk.WidgetIsBlockedException,
        "SessionTimeoutException": kaskad_sdk.SessionClosedException,
        "AttempsExpiredException": kaskad_sdk.AttemptsExpiredException,
        "RequestNotFoundException": kaskad_sdk.SessionNotFoundException,
    }
    for name, kind in pairs.items():
        assert getattr(kaskad_sdk, name) is kind
        assert errors.BY_TYPE[name] is kind
    assert issubclass(kaskad_sdk.ForbiddenException, kaskad_sdk.CommonForbiddenException)


def test_an_error_survives_a_process_border() -> None:
    error = kaskad_sdk.RateLimitException(payload={"retryAfter": 3}, retry_after_s=3.0)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert again.__class__ is error.__class__
        assert (again.payload, again.retry_after_s, str(again)) == (
            error.payload,
            error.retry_after_s,
            str(error),
        )


def test_a_malformed_request_says_what_is_wrong_with_it() -> None:
    payload = {"fields": {"recipient": "a valid phone number", "userIp": "an IP address"}}
    error = kaskad_sdk.ValidateError("No", payload=payload, request_id="ab")
    assert str(error) == (
        "ValidateError (400): No [ab] (recipient: a valid phone number; userIp: an IP address)"
    )
    assert str(kaskad_sdk.ValidateError("No")) == "ValidateError (400): No"


def test_results_cannot_be_changed_and_no_is_not_true() -> None:
    kinds: list[Any] = [x for x in vars(models).values() if dataclasses.is_dataclass(x)]
    assert len(kinds) > 5
    for kind in kinds:
        assert kind.__dataclass_params__.frozen, kind
        assert hasattr(kind, "__slots__")
    assert not kaskad_sdk.StatusData(success=False)
    assert kaskad_sdk.StatusData(success=True)


@pytest.mark.parametrize("kind", [OtpClient, AsyncOtpClient])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"api_url": "http://a"},
        {"api_url": "a", "api_token": "t"},
        {"api_url": "ftp://a", "api_token": "t"},
        {"api_url": "http://a?x", "api_token": "t"},
        {"api_url": "http://:80", "api_token": "t"},
        {"api_url": "http://a:99999", "api_token": "t"},
        {"api_url": "http://a:x", "api_token": "t"},
        {"api_url": "https://name:secret@a", "api_token": "t"},
        {"api_url": "http://a", "api_token": "t o"},
        {"api_url": "http://a", "api_token": "t\n"},
        {"api_url": "http://a", "api_token": "т"},
        {"api_url": "http://a", "api_token": "t", "timeout": 0},
        {"api_url": "http://a", "api_token": "t", "max_retries": -1},
        {"environment": "staging"},
    ],
    ids=repr,
)
def test_settings_that_make_no_sense_are_refused(kind: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        kind(**settings)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://a", "http://a/api/n/otp-handler"),
        ("https://a:8/", "https://a:8/api/n/otp-handler"),
        ("https://a/x/", "https://a/x"),
    ],
)
def test_the_path_of_the_api_may_be_left_out(url: str, base: str) -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(200, json={"success": True})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with OtpClient(api_url=url, api_token="t", http_client=http) as client:
        assert client.check_status("a-b", "+7 900") == kaskad_sdk.StatusData(success=True)
    assert seen == [f"{base}/a-b/status?recipient=%2B7%20900"]
    assert not http.is_closed


def test_a_client_that_is_closed_says_so() -> None:
    client = OtpClient(environment="test")
    client.close()
    with pytest.raises(kaskad_sdk.NoConnectionException, match="closed") as raised:
        client.get_channel("x")
    assert raised.value.address is None


async def test_an_http_client_that_is_closed_is_no_connection() -> None:
    http = httpx2.Client()
    http.close()
    blocking = OtpClient(api_url="http://a", api_token="t", http_client=http)
    with pytest.raises(kaskad_sdk.NoConnectionException) as raised:
        blocking.get_channel("a-b")
    assert not raised.value.sent
    http_async = httpx2.AsyncClient()
    await http_async.aclose()
    client = AsyncOtpClient(api_url="http://a", api_token="t", http_client=http_async)
    with pytest.raises(kaskad_sdk.NoConnectionException) as raised:
        await client.get_channel("a-b")
    assert not raised.value.sent


def test_an_idle_connection_is_dropped_before_the_service_drops_it() -> None:
    """Else a check or a verdict may be lost on one that closes at that moment."""
    assert uvicorn.Config("app").timeout_keep_alive - KEPT_ALIVE_S >= 1.0


def test_an_unnamed_recipient_of_another_send_is_asked_for() -> None:
    with OtpClient(environment="test") as client, pytest.raises(ValueError, match="recipient"):
        client.check_status("d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6")


def test_there_is_one_dependency() -> None:
    project = tomllib.loads((ROOT / "packages/kaskad-sdk/pyproject.toml").read_text())["project"]
    assert [d.partition(">")[0] for d in project["dependencies"]] == ["httpx2"]
    assert project["requires-python"] == ">=3.11"


ALONE = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NAMES}:
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
import MODULE
print("imported")
"""


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("kaskad_sdk.captcha", {"httpx2", "kaskad", "pytest", "anyio"}),
        ("kaskad_sdk.webhooks", {"httpx2", "kaskad", "pytest", "anyio"}),
        ("kaskad_sdk.testing", {"kaskad", "pytest"}),
        ("kaskad_sdk.client", {"kaskad", "pytest", "aiohttp", "starlette", "django", "flask"}),
    ],
)
def test_a_part_does_not_need_the_others(module: str, without: set[str]) -> None:
    program = ALONE.replace("{NAMES}", repr(without)).replace("MODULE", module)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "imported\n", done.stderr


def test_a_plain_error_has_no_class_of_its_own() -> None:
    assert OtpException("x", http_status=418).http_status == 418


def test_the_reference_says_what_the_docstrings_say() -> None:
    assert PAGE.read_text() == page(), "run scripts/describe_sdk.py"


def test_the_reference_names_everything() -> None:
    text = PAGE.read_text()
    for name in EXPORTED:
        if name != "__version__":
            assert f"`{name}`" in text or f"# {name}\n" in text, name
