"""The service's HTTP interface: requests out of arguments, results and errors out of answers."""

import json
import re
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final, NoReturn, TypeVar
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from kaskad_sdk import errors
from kaskad_sdk._refusals import prefers_english
from kaskad_sdk._steps import Request, Response
from kaskad_sdk.models import (
    Channel,
    ChannelPayload,
    ChannelSettings,
    ChannelStatus,
    ChannelType,
    CodeForm,
    CodeType,
    NextMove,
    SendData,
    StatusData,
    WidgetData,
)

API_PATH: Final = "/api/n/otp-handler"
LONGEST_KEY: Final = 255
OK: Final = 200
REFUSED: Final = 300

Choice = TypeVar("Choice", bound=StrEnum)
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}").fullmatch
_ETAG: Final = re.compile(r'(?:W/)?"?(\d{1,18})"?').fullmatch


# --- requests --------------------------------------------------------------------------------


class Api:
    """Where the service is, and how it is asked."""

    def __init__(self, url: str, token: str, *, agent: str, language: str | None = None) -> None:
        if not _is_address(url):
            raise ValueError("api_url is the service's address, such as https://otp.example.com")
        parts = urlsplit(url)
        path = parts.path.rstrip("/") or API_PATH
        self.base = f"{parts.scheme}://{parts.netloc}{path}"
        self._common = {"accept": "application/json", "user-agent": agent}
        self.english = prefers_english(language or "")
        if language is not None:
            self._common["accept-language"] = language
        self.set_token(token)

    def __repr__(self) -> str:
        return f"Api({self.base!r})"

    def set_token(self, token: str) -> None:
        """Use another token from the next request on."""
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("an API token is ASCII text without spaces and line ends")
        self.authorization = f"Bearer {token}"
        self._headers = {**self._common, "authorization": self.authorization}

    def said(self, problem: errors.OtpException) -> errors.OtpException:
        """An error of ours in the language that the service's are in."""
        problem._said_in(self.english)
        return problem

    def renewed(self, request: Request) -> Request:
        """A request of ours with the token of now, for it may have been made a while ago."""
        if request.headers.get("authorization") == self.authorization:
            return request
        return replace(request, headers={**request.headers, "authorization": self.authorization})

    def get(self, path: str, *, hold_s: float = 0.0) -> Request:
        """A call that reads."""
        return Request(method="GET", url=self.base + path, headers=self._headers, hold_s=hold_s)

    def post(self, path: str, body: object = None, *, key: str | None = None) -> Request:
        """A call that does something; ``key`` is its idempotency key."""
        headers, content = self._headers, b""
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
            headers = {**headers, "content-type": "application/json"}
        if key:
            _check_key(key)
            headers = {**headers, "idempotency-key": key}
        return Request(method="POST", url=self.base + path, headers=headers, body=content)

    def forwarded(self, request: Request) -> Request:
        """The same request, whose address is below the base, with the token's authority."""
        path = request.url.partition("?")[0]
        if not path.startswith("/") or any(unquote(x) in {".", ".."} for x in path.split("/")):
            raise ValueError("a forwarded address is an absolute path below the API, without dots")
        headers = {name: text for name, text in request.headers.items() if name.lower() != "host"}
        headers = {name: text for name, text in headers.items() if name.lower() != "authorization"}
        return Request(
            method=request.method,
            url=self.base + request.url,
            headers={**headers, "authorization": self.authorization},
            body=request.body,
            hold_s=request.hold_s,
            within_s=request.within_s,
        )


def _is_address(url: str) -> bool:
    """Whether it names a service and nothing besides; white space is a slip of whoever wrote it."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    bare = not parts.query and "@" not in parts.netloc and not re.search(r"\s", url)
    return parts.scheme in {"http", "https"} and named and bare


def _check_key(key: str) -> None:
    """What no header can carry is refused here, as the service refuses what it does not take."""
    if not (len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        expected = f"1 to {LONGEST_KEY} printable ASCII characters"
        raise errors.ValidateError(payload={"fields": {"Idempotency-Key": expected}})


def widget_path(widget_id: str) -> str:
    """Where a widget is; what cannot be an id is refused without asking."""
    known = _text_of("widgetId", widget_id)
    if not _ID(known):
        raise errors.WidgetNotFoundException
    return f"/widget/{known}"


def session_path(request_id: str, what: str, *, held: bool = False) -> str:
    """Where something of a verification is; what cannot be an id is refused without asking."""
    known = _text_of("requestId", request_id)
    if not _ID(known):
        raise errors.SessionNotFoundException(session_id=known)
    return f"/longPolling/{known}/{what}" if held else f"/{known}/{what}"


def plain(given: object) -> object:
    """A UUID as text; everything else as it is."""
    return str(given) if isinstance(given, UUID) else given


def _text_of(name: str, given: object) -> str:
    """An id as text: it may have come from a page, which sends anything, or be parsed already.

    Raises ``ValidateError`` for what is neither text nor a UUID.
    """
    known = plain(given)
    if isinstance(known, str):
        return known
    raise errors.ValidateError(payload={"fields": {name: "a UUID"}})


def query(**given: str | int | None) -> str:
    """A query of what is not ``None``, with its question mark."""
    parts = [
        # JSON may have halves of characters, which have no encoding: what is left is no number
        f"{k}={quote(str(v), safe='', errors='replace')}"
        for k, v in given.items()
        if v is not None
    ]
    return "?" + "&".join(parts) if parts else ""


# --- errors ----------------------------------------------------------------------------------


def refusal(answer: Response, session_id: str | None = None) -> errors.OtpException | None:
    """The error that an answer is; ``None`` when it is a success."""
    if OK <= answer.status < REFUSED:
        return None
    body = _object(answer)
    name = _text(body.get("type")) or ""
    kind = errors.BY_TYPE.get(name)
    if kind is None:
        fallback = errors.BY_STATUS.get(answer.status, errors.OtpException)
        kind = errors.OtpException if name else fallback
    payload = body.get("payload")
    message = _text(body.get("message"))
    if message is None and kind is errors.OtpException:
        message = f"HTTP status {answer.status}"
    return kind(
        message,
        type=name or None,
        http_status=answer.status,
        payload=payload if isinstance(payload, dict) else None,
        request_id=answer.headers.get("x-request-id"),
        session_id=session_id,
        retry_after_s=retry_after(answer),
    )


def retry_after(answer: Response) -> float | None:
    """The seconds that an answer asks to wait."""
    text = answer.headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    payload = _object(answer).get("payload")
    told = payload.get("retryAfter") if isinstance(payload, dict) else None
    is_number = isinstance(told, (int, float)) and not isinstance(told, bool)
    return float(told) if is_number and told >= 0 else None  # type: ignore[arg-type, operator]  # it is a number


def unreadable(answer: Response) -> NoReturn:
    """The answer says that all is well, and then makes no sense."""
    raise errors.InternalServerErrorException(
        "the service's answer makes no sense",
        http_status=answer.status,
        request_id=answer.headers.get("x-request-id"),
    )


# --- results ---------------------------------------------------------------------------------


def widget_data(answer: Response) -> WidgetData:
    """The result of ``getWidget``."""
    body = _object(answer)
    name, active, blocked = body.get("name"), body.get("isActive"), body.get("isBlocked")
    if not isinstance(name, str) or not isinstance(active, bool) or not isinstance(blocked, bool):
        unreadable(answer)
    return WidgetData(
        name=name,
        is_active=active,
        is_blocked=blocked,
        captcha_is_required=body.get("captchaIsRequired") is True,
        captcha_provider=_text(body.get("captchaProvider")),
        captcha_site_key=_text(body.get("captchaSiteKey")),
        captcha_version=_number(body.get("captchaVersion")),
        captcha_action=_text(body.get("captchaAction")),
        captcha_challenge_url=_text(body.get("captchaChallengeUrl")),
    )


def send_data(answer: Response) -> SendData:
    """The result of ``send``."""
    body = _object(answer)
    request_id = body.get("requestId")
    if not isinstance(request_id, str) or not _ID(request_id):
        unreadable(answer)
    return SendData(request_id=request_id, recipient=_text(body.get("recipient")))


def status_data(answer: Response) -> StatusData:
    """The result of every call that answers yes or no."""
    success = _object(answer).get("success")
    if not isinstance(success, bool):
        unreadable(answer)
    return StatusData(success=success)


def channel(answer: Response) -> Channel:
    """The result of ``getChannel``."""
    body = _object(answer)
    kind, status, label = body.get("type"), body.get("status"), body.get("label")
    code_type, left = body.get("codeType"), body.get("remainingCodeAttempts")
    if not (isinstance(kind, str) and isinstance(status, str) and isinstance(code_type, str)):
        unreadable(answer)
    return Channel(
        type=_choice(ChannelType, kind),
        status=_choice(ChannelStatus, status),
        label=label if isinstance(label, str) else "",
        code_type=_choice(CodeType, code_type),
        remaining_code_attempts=_number(left) or 0,
        payload=_payload(body.get("payload")),
        settings=_settings(body.get("settings")),
        version=version(answer),
    )


def version(answer: Response) -> int | None:
    """The view version of a channel call's answer, be it an error or not."""
    found = _ETAG(answer.headers.get("etag", ""))
    return int(found[1]) if found else None


def _payload(given: object) -> ChannelPayload:
    body = given if isinstance(given, dict) else {}
    return ChannelPayload(
        now=_instant(body.get("now")),
        expires_at=_instant(body.get("expiresAt")),
        resend_at=_instant(body.get("resendAt")),
        next=_move(body.get("next")),
        another=_move(body.get("another")),
        help=_text(body.get("help")),
        url=_text(body.get("url")),
        qr=_text(body.get("qr")),
        caller_id_mask=_text(body.get("callerIdMask")),
        phone=_text(body.get("phone")),
        raw=body,
    )


def _move(body: object) -> NextMove | None:
    if not isinstance(body, dict):
        return None
    return NextMove(
        action=_text(body.get("action")) or "",
        type=_choice(ChannelType, _text(body.get("type")) or ""),
        label=_text(body.get("label")) or "",
    )


def _settings(given: object) -> ChannelSettings:
    body = given if isinstance(given, dict) else {}
    code = body.get("code")
    length = _number(code.get("length")) if isinstance(code, dict) else None
    form = None
    if isinstance(code, dict) and length is not None:
        form = CodeForm(length=length, beautify=code.get("beautify") is True)
    return ChannelSettings(
        code=form,
        lifetime_s=_number(body.get("lifetime")),
        number_of_tries=_number(body.get("numberOfTries")),
        number_of_restart=_number(body.get("numberOfRestart")),
        restart_cooldown_s=_number(body.get("restartCooldown")),
    )


def _object(answer: Response) -> dict[str, object]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(given: object) -> str | None:
    return given if isinstance(given, str) else None


def _number(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) else None


def _choice(kind: type[Choice], text: str) -> Choice | str:
    try:
        return kind(text)
    except ValueError:
        return text


def _instant(given: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
