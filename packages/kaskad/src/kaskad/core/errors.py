"""The tree of errors that the public API can answer: one class per wire ``type``.

Messages in Russian are part of the contract and never change; the English ones
are given to callers that prefer them. What went wrong inside is never in them.
"""

from typing import ClassVar, Final

Payload = dict[str, object]


class KaskadError(Exception):
    """Base of everything that the public API refuses with."""

    type: ClassVar[str]
    http_status: ClassVar[int]
    ru: ClassVar[str]
    en: ClassVar[str]

    def __init__(self, payload: Payload | None = None, *, retry_after_s: int | None = None) -> None:
        self.payload = payload
        self.retry_after_s = retry_after_s
        if retry_after_s is not None:
            self.payload = {**(payload or {}), "retryAfter": retry_after_s}
        super().__init__(self.en)

    @property
    def status(self) -> int:
        """The HTTP status of this occurrence."""
        return self.http_status


class ValidateError(KaskadError):
    """The request is malformed; ``payload`` names each field and what it should be."""

    type = "ValidateError"
    http_status = 400
    ru = "Некорректные данные запроса"
    en = "The request is not valid"

    def __init__(self, fields: dict[str, str], *, status: int = 400) -> None:
        super().__init__({"fields": fields})
        self._status = status

    @property
    def status(self) -> int:
        """400, or 413 when the body is too large."""
        return self._status


class NoAvailableChannelsException(KaskadError):
    """No channel suits, or the cascade is at its end: start a new session."""

    type = "NoAvailableChannelsException"
    http_status = 400
    ru = "Нет подходящих каналов для отправки сообщения, запустите попытку авторизации заново"
    en = "No channel can reach this number, start the verification again"


class ResendChannelException(KaskadError):
    """The current launch has ended; call resend for a restart or the next channel."""

    type = "ResendChannelException"
    http_status = 400
    ru = "Перезапустите канал"
    en = "Restart the channel"


class AttemptsExpiredException(KaskadError):
    """The attempts to type the code are used up: start a new session."""

    type = "AttemptsExpiredException"
    http_status = 400
    ru = "Количество попыток ввода кода исчерпано, запустите попытку авторизации заново"
    en = "No attempts to enter the code are left, start the verification again"


class SessionClosedException(KaskadError):
    """The session was completed or cancelled, or its lifetime is over."""

    type = "SessionClosedException"
    http_status = 400
    ru = "Сессия закрыта"
    en = "The session is closed"


class ChannelChangedException(KaskadError):
    """The channel is another one than the caller last read: read it again and redraw."""

    type = "ChannelChangedException"
    http_status = 400
    ru = (
        "Требуется сменить канал авторизации. Перезапросите текущий канал, "
        "чтобы отрисовать нужный для него компонент на frontend"
    )
    en = "The channel has changed. Request the current channel to draw the component it needs"


class InvalidCodeException(KaskadError):
    """The code is wrong, or there is nothing yet to compare it with."""

    type = "InvalidCodeException"
    http_status = 400
    ru = "Код, введенный пользователем, неправильный"
    en = "The code is wrong"


class CaptchaNotConfirmedException(KaskadError):
    """A captcha is required for this send and was not passed."""

    type = "CaptchaNotConfirmedException"
    http_status = 400
    ru = "Капча не подтверждена"
    en = "The captcha was not passed"


class UnauthorizedException(KaskadError):
    """There is no token, or it is unknown, revoked or expired."""

    type = "UnauthorizedException"
    http_status = 401
    ru = "Требуется авторизация"
    en = "Authorization is required"


class ForbiddenException(KaskadError):
    """The token may not use this widget or session of its own tenant."""

    type = "ForbiddenException"
    http_status = 403
    ru = "Запрещено"
    en = "Forbidden"


class WidgetIsBlockedException(KaskadError):
    """The widget is blocked or inactive."""

    type = "WidgetIsBlockedException"
    http_status = 403
    ru = "Форма или пользователь заблокированы - обратитесь в поддержку"
    en = "The form or the user is blocked, contact support"


class IsCodelessChannelException(KaskadError):
    """There is no code to type: the person confirms elsewhere."""

    type = "IsCodelessChannelException"
    http_status = 403
    ru = "Канал безкодовый"
    en = "The channel has no code"


class WidgetNotFoundException(KaskadError):
    """No widget of the token's tenant has this id."""

    type = "WidgetNotFoundException"
    http_status = 404
    ru = "Форма не существует"
    en = "The form does not exist"


class SessionNotFoundException(KaskadError):
    """No session of the token's tenant has this id, or it is long gone."""

    type = "SessionNotFoundException"
    http_status = 404
    ru = "Сессия не найдена"
    en = "The session was not found"


class LongPollingTimeoutException(KaskadError):
    """Nothing happened while the call was held: call again."""

    type = "LongPollingTimeoutException"
    http_status = 408
    ru = "Истек timeout long-polling запроса. Запустие long-polling запрос заново"
    en = "Nothing happened while the call was held, start it again"


class PhoneNumberMismatchException(KaskadError):
    """The number is not the one that this session verifies."""

    type = "PhoneNumberMismatchException"
    http_status = 409
    ru = "Номер телефона не совпадает с привязанным к текущей сессии."
    en = "The phone number is not the one of this session"


class RestartCooldownActiveException(KaskadError):
    """A resend came too early; ``payload.retryAfter`` says when it may come."""

    type = "RestartCooldownActiveException"
    http_status = 409
    ru = "Перезапуск недоступен: требуется подождать."
    en = "It is too early to restart, wait a little"


class SessionAlreadyConfirmedException(KaskadError):
    """There is nothing to resend: the number is confirmed."""

    type = "SessionAlreadyConfirmedException"
    http_status = 409
    ru = "Сессия уже подтверждена"
    en = "The session is already confirmed"


class RateLimitException(KaskadError):
    """A limit is reached; ``payload.retryAfter`` says when it has room again."""

    type = "RateLimitException"
    http_status = 429
    ru = "Слишком много запросов, повторите попытку позже"
    en = "Too many requests, try again later"


class InternalServerErrorException(KaskadError):
    """Something unforeseen happened; the log knows it by the request id."""

    type = "InternalServerErrorException"
    http_status = 500
    ru = "Внутренняя ошибка сервера"
    en = "Internal server error"


class ServiceUnavailableException(KaskadError):
    """A store is away or full, or the service is shutting down: try again."""

    type = "ServiceUnavailableException"
    http_status = 503
    ru = "Сервис временно недоступен, повторите попытку позже"
    en = "The service is temporarily unavailable, try again later"


class NotFoundException(KaskadError):
    """There is no such path."""

    type = "NotFoundException"
    http_status = 404
    ru = "Метод не найден"
    en = "There is no such path"


class MethodNotAllowedException(KaskadError):
    """The path exists, the method does not; ``Allow`` names those that do."""

    type = "MethodNotAllowedException"
    http_status = 405
    ru = "Метод не поддерживается"
    en = "The method is not allowed"


ERRORS: Final[tuple[type[KaskadError], ...]] = tuple(KaskadError.__subclasses__())
"""Every error of the public API, in the order of this file."""
