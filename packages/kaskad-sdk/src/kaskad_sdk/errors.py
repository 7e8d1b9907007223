"""The exceptions: one class for each ``type`` of the service, and two of the client's own.

Catch :class:`OtpException` for all of them. Each instance keeps everything that came with the
refusal; a ``type`` that this version does not know becomes a plain :class:`OtpException`.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final


class OtpException(Exception):
    """Base of everything that a call raises, and the class of what has none of its own.

    ``http_status`` is 0 when there was no answer.
    """

    type: str = ""
    http_status: int = 0
    ru: ClassVar[str] = ""
    """The service's text in Russian."""
    en: ClassVar[str] = ""
    """The service's text in English."""

    def __init__(
        self,
        message: str | None = None,
        *,
        type: str | None = None,  # noqa: A002  # the name on the wire
        http_status: int | None = None,
        payload: Mapping[str, object] | None = None,
        request_id: str | None = None,
        session_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.message: str = self.ru if message is None else message
        """The text, for people; decide by the class or by ``type``."""
        self.type = self.type if type is None else type
        self.http_status = self.http_status if http_status is None else http_status
        self.payload: Mapping[str, object] = {} if payload is None else payload
        """What the refusal says beside its text; empty for most."""
        self.request_id: str | None = request_id
        """The answer's ``X-Request-Id``, by which the service's log knows it."""
        self.session_id: str | None = session_id
        """The ``request_id`` of the verification that the call was about; ``None`` for sends."""
        self.retry_after_s: float | None = retry_after_s
        """Seconds until the call may succeed, when the service says so."""
        super().__init__(self.message)

    def __str__(self) -> str:
        """The text with what is needed to find the call in the service's log."""
        told = f"{self.type or 'HTTP'} ({self.http_status})" if self.http_status else self.type
        found = f" [{self.request_id}]" if self.request_id else ""
        return f"{told}: {self.message}{found}"

    def _said_in(self, english: bool) -> None:  # noqa: FBT001  # a private one
        """Put a text of our own into the language of the client's errors."""
        if english and self.message == self.ru:
            self.message = self.en
            self.args = (self.message,)

    def __reduce__(self) -> "tuple[object, ...]":
        """Errors cross process borders whole."""
        return (_restored, (self.__class__, self.message, self.__dict__.copy()))


def _restored(kind: type[OtpException], message: str, state: dict[str, object]) -> OtpException:
    error = kind(message)
    error.__dict__.update(state)
    return error


class ValidateError(OtpException):
    """The request is malformed: a field is missing, of the wrong type, no UUID or no number.

    ``fields`` names each field with what was expected. Do not repeat the call as it is.
    """

    type = "ValidateError"
    http_status = 400
    ru = "Некорректные данные запроса"
    en = "The request is not valid"

    def __str__(self) -> str:
        """The text with the fields at fault; what was given in them is not told."""
        told = super().__str__()
        expected = "; ".join(f"{name}: {form}" for name, form in self.fields.items())
        return f"{told} ({expected})" if expected else told

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields at fault, and what each should have been."""
        found = self.payload.get("fields")
        if not isinstance(found, Mapping):
            return {}
        return {str(name): str(expected) for name, expected in found.items()}


class NoAvailableChannelsException(OtpException):
    """No channel can reach this number, or all have been tried: begin a new verification."""

    type = "NoAvailableChannelsException"
    http_status = 400
    ru = "Нет подходящих каналов для отправки сообщения, запустите попытку авторизации заново"
    en = "No channel can reach this number, start the verification again"


class ResendChannelException(OtpException):
    """The current message has had its time: call ``resend`` when the person asks for another."""

    type = "ResendChannelException"
    http_status = 400
    ru = "Перезапустите канал"
    en = "Restart the channel"


class AttemptsExpiredException(OtpException):
    """The attempts to type the code are used up: begin a new verification."""

    type = "AttemptsExpiredException"
    http_status = 400
    ru = "Количество попыток ввода кода исчерпано, запустите попытку авторизации заново"
    en = "No attempts to enter the code are left, start the verification again"


class SessionClosedException(OtpException):
    """The verification was completed or cancelled, or has outlived its time."""

    type = "SessionClosedException"
    http_status = 400
    ru = "Сессия закрыта"
    en = "The session is closed"


class ChannelChangedException(OtpException):
    """The verification goes over another channel now: read it, draw it, ask again."""

    type = "ChannelChangedException"
    http_status = 400
    ru = (
        "Требуется сменить канал авторизации. Перезапросите текущий канал, "
        "чтобы отрисовать нужный для него компонент на frontend"
    )
    en = "The channel has changed. Request the current channel to draw the component it needs"


class InvalidCodeException(OtpException):
    """The code is wrong, or nothing has been sent yet. Ask again; never repeat the call itself."""

    type = "InvalidCodeException"
    http_status = 400
    ru = "Код, введенный пользователем, неправильный"
    en = "The code is wrong"


class CaptchaNotConfirmedException(OtpException):
    """A captcha is required for this send and was not passed: show it, send with its token."""

    type = "CaptchaNotConfirmedException"
    http_status = 400
    ru = "Капча не подтверждена"
    en = "The captcha was not passed"


class UnauthorizedException(OtpException):
    """The API token is missing, mistyped, revoked or expired. Repeating does not help."""

    type = "UnauthorizedException"
    http_status = 401
    ru = "Требуется авторизация"
    en = "Authorization is required"


class CommonForbiddenException(OtpException):
    """The service, or something before it, forbids the call and does not say more."""

    type = "CommonForbiddenException"
    http_status = 403
    ru = "Запрещено"
    en = "Forbidden"


class ForbiddenException(CommonForbiddenException):
    """The API token may not use this widget or this verification."""

    type = "ForbiddenException"
    http_status = 403
    ru = "Запрещено"
    en = "Forbidden"


class WidgetIsBlockedException(OtpException):
    """The widget is blocked or inactive. Verifications that have begun go on."""

    type = "WidgetIsBlockedException"
    http_status = 403
    ru = "Форма или пользователь заблокированы - обратитесь в поддержку"
    en = "The form or the user is blocked, contact support"


class IsCodelessChannelException(OtpException):
    """There is no code to check: the person confirms elsewhere. Wait for that instead."""

    type = "IsCodelessChannelException"
    http_status = 403
    ru = "Канал безкодовый"
    en = "The channel has no code"


class WidgetNotFoundException(OtpException):
    """There is no widget of this id."""

    type = "WidgetNotFoundException"
    http_status = 404
    ru = "Форма не существует"
    en = "The form does not exist"


class SessionNotFoundException(OtpException):
    """There is no verification of this id, or it ended more than an hour ago."""

    type = "SessionNotFoundException"
    http_status = 404
    ru = "Сессия не найдена"
    en = "The session was not found"


class LongPollingTimeoutException(OtpException):
    """Nothing happened until the deadline of a wait. ``http_status`` is 408 in any case."""

    type = "LongPollingTimeoutException"
    http_status = 408
    ru = "Истек timeout long-polling запроса. Запустие long-polling запрос заново"
    en = "Nothing happened while the call was held, start it again"


class PhoneNumberMismatchException(OtpException):
    """The number is not the one that is being verified: an attack, or a mistake of ours."""

    type = "PhoneNumberMismatchException"
    http_status = 409
    ru = "Номер телефона не совпадает с привязанным к текущей сессии."
    en = "The phone number is not the one of this session"


class RestartCooldownActiveException(OtpException):
    """It is too early to resend; ``retry_after_s`` says how many seconds too early."""

    type = "RestartCooldownActiveException"
    http_status = 409
    ru = "Перезапуск недоступен: требуется подождать."
    en = "It is too early to restart, wait a little"


class SessionAlreadyConfirmedException(OtpException):
    """There is nothing to resend: the number is proven. Collect the verdict."""

    type = "SessionAlreadyConfirmedException"
    http_status = 409
    ru = "Сессия уже подтверждена"
    en = "The session is already confirmed"


class RateLimitException(OtpException):
    """A limit has no room; ``retry_after_s`` says in how many seconds it has."""

    type = "RateLimitException"
    http_status = 429
    ru = "Слишком много запросов, повторите попытку позже"
    en = "Too many requests, try again later"


class InternalServerErrorException(OtpException):
    """The service failed, or answered something that makes no sense."""

    type = "InternalServerErrorException"
    http_status = 500
    ru = "Внутренняя ошибка сервера"
    en = "Internal server error"


class ServiceUnavailableException(OtpException):
    """The service, or a proxy before it, cannot serve now; the client has retried already."""

    type = "ServiceUnavailableException"
    http_status = 503
    ru = "Сервис временно недоступен, повторите попытку позже"
    en = "The service is temporarily unavailable, try again later"


class NotFoundException(OtpException):
    """There is no such path: look at ``api_url``."""

    type = "NotFoundException"
    http_status = 404
    ru = "Метод не найден"
    en = "There is no such path"


class MethodNotAllowedException(OtpException):
    """The path does not take this method: look at ``api_url``."""

    type = "MethodNotAllowedException"
    http_status = 405
    ru = "Метод не поддерживается"
    en = "The method is not allowed"


class NoConnectionException(OtpException):
    """No answer came: no connection, broken off, too late, or the client was closed.

    The service may have got the request unless ``sent`` is false. ``address`` says who was asked,
    ``reason`` what is known of why; both are in its ``str`` and neither in ``message``.
    """

    type = "NoConnectionException"
    http_status = 0
    ru = "Нет связи с сервисом"
    en = "There is no connection to the service"

    sent: bool = True
    """Whether the service may have got the request."""
    address: str | None = None
    """Who did not answer, such as ``http://127.0.0.1:8480``: the service, or a captcha's vendor.
    Without path, query and credentials. ``None`` when nobody was asked."""
    reason: str = ""
    """For whoever runs the application, such as ``ConnectError: Connection refused``."""

    def __str__(self) -> str:
        """What to put right, without anything of the request."""
        where = f"{self.address}: " if self.address else ""
        return f"{self.type}: {where}{self.reason or self.message}"


FormNotFoundException = WidgetNotFoundException
FormIsBlockedException = WidgetIsBlockedException
SessionTimeoutException = SessionClosedException
AttempsExpiredException = AttemptsExpiredException
RequestNotFoundException = SessionNotFoundException

OLD_NAMES: Final[Mapping[str, type[OtpException]]] = {
    "FormNotFoundException": FormNotFoundException,
    "FormIsBlockedException": FormIsBlockedException,
    "SessionTimeoutException": SessionTimeoutException,
    "AttempsExpiredException": AttempsExpiredException,
    "RequestNotFoundException": RequestNotFoundException,
}
"""Names of earlier versions of the API, each the same class as its successor."""


def _below(kind: type[OtpException]) -> Iterator[type[OtpException]]:
    for found in kind.__subclasses__():
        yield found
        yield from _below(found)


BY_TYPE: Final[Mapping[str, type[OtpException]]] = {
    **{kind.type: kind for kind in _below(OtpException)},
    **OLD_NAMES,
}
"""The class of each ``type`` on the wire."""

BY_STATUS: Final[Mapping[int, type[OtpException]]] = {
    401: UnauthorizedException,
    403: CommonForbiddenException,
    404: NotFoundException,
    405: MethodNotAllowedException,
    408: LongPollingTimeoutException,
    429: RateLimitException,
    500: InternalServerErrorException,
    502: ServiceUnavailableException,
    503: ServiceUnavailableException,
    504: ServiceUnavailableException,
}
"""The class of an answer that has no ``type``: from a proxy, or garbage."""
