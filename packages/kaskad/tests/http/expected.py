"""What the reference documents promise, as literals: messages, and the errors of every call."""

from typing import Final

BASE: Final = "/api/n/otp-handler"
PAGE_BASE: Final = "/sdk"

MESSAGES: Final[dict[str, tuple[int, str]]] = {
    "NoAvailableChannelsException": (
        400,
        "Нет подходящих каналов для отправки сообщения, запустите попытку авторизации заново",
    ),
    "ResendChannelException": (400, "Перезапустите канал"),
    "AttemptsExpiredException": (
        400,
        "Количество попыток ввода кода исчерпано, запустите попытку авторизации заново",
    ),
    "SessionClosedException": (400, "Сессия закрыта"),
    "ChannelChangedException": (
        400,
        (
            "Требуется сменить канал авторизации. Перезапросите текущий канал, "
            "чтобы отрисовать нужный для него компонент на frontend"
        ),
    ),
    "InvalidCodeException": (400, "Код, введенный пользователем, неправильный"),
    "WidgetIsBlockedException": (
        403,
        "Форма или пользователь заблокированы - обратитесь в поддержку",
    ),
    "ForbiddenException": (403, "Запрещено"),
    "IsCodelessChannelException": (403, "Канал безкодовый"),
    "WidgetNotFoundException": (404, "Форма не существует"),
    "SessionNotFoundException": (404, "Сессия не найдена"),
    "LongPollingTimeoutException": (
        408,
        "Истек timeout long-polling запроса. Запустие long-polling запрос заново",
    ),
    "PhoneNumberMismatchException": (
        409,
        "Номер телефона не совпадает с привязанным к текущей сессии.",
    ),
    "RestartCooldownActiveException": (409, "Перезапуск недоступен: требуется подождать."),
    "SessionAlreadyConfirmedException": (409, "Сессия уже подтверждена"),
}
"""Status and message of each error that the reference shows with its text."""

OWN_MESSAGES: Final[dict[str, tuple[int, str]]] = {
    "ValidateError": (400, "Некорректные данные запроса"),
    "CaptchaNotConfirmedException": (400, "Капча не подтверждена"),
    "UnauthorizedException": (401, "Требуется авторизация"),
    "NotFoundException": (404, "Метод не найден"),
    "MethodNotAllowedException": (405, "Метод не поддерживается"),
    "RateLimitException": (429, "Слишком много запросов, повторите попытку позже"),
    "InternalServerErrorException": (500, "Внутренняя ошибка сервера"),
    "ServiceUnavailableException": (503, "Сервис временно недоступен, повторите попытку позже"),
}
"""The same for the errors whose text the reference leaves to us."""

ALL_MESSAGES: Final = MESSAGES | OWN_MESSAGES

_OVER = {"ResendChannelException", "AttemptsExpiredException", "NoAvailableChannelsException"}
_SESSION = {"ForbiddenException", "SessionNotFoundException"}
_CHANNEL = {*_OVER, "SessionClosedException", *_SESSION}

REFERENCE: Final[dict[str, set[str]]] = {
    "getWidget": {"ForbiddenException", "WidgetNotFoundException"},
    "send": {
        "NoAvailableChannelsException",
        "WidgetIsBlockedException",
        "ForbiddenException",
        "WidgetNotFoundException",
    },
    "getChannel": _CHANNEL,
    "getChannelLongPolling": {*_CHANNEL, "LongPollingTimeoutException"},
    "getStatus": {*_CHANNEL, "ChannelChangedException", "PhoneNumberMismatchException"},
    "getStatusLongPolling": {
        *_OVER,
        *_SESSION,
        "LongPollingTimeoutException",
        "PhoneNumberMismatchException",
    },
    "checkCode": {*_CHANNEL, "InvalidCodeException", "IsCodelessChannelException"},
    "checkStatusAndComplete": {*_OVER, *_SESSION, "PhoneNumberMismatchException"},
    "complete": _SESSION,
    "resend": {
        *_OVER,
        *_SESSION,
        "RestartCooldownActiveException",
        "SessionAlreadyConfirmedException",
    },
}
"""What the reference's table of each call lists, 401 aside."""

ANYWHERE: Final = {
    "ValidateError",
    "UnauthorizedException",
    "RateLimitException",
    "InternalServerErrorException",
    "ServiceUnavailableException",
}

ADDED: Final[dict[str, set[str]]] = {
    "send": {"CaptchaNotConfirmedException"},
    "getStatusLongPolling": {"ChannelChangedException", "SessionClosedException"},
    "getChallenge": {"ForbiddenException", "WidgetNotFoundException", "NotFoundException"},
    "cancel": _SESSION,
    "events": _SESSION,
}
"""What a call may answer besides: known from elsewhere, or a call of our own."""

METHODS: Final[dict[str, tuple[str, str, int]]] = {
    "getWidget": ("GET", "/widget/{widgetId}", 200),
    "getChallenge": ("GET", "/widget/{widgetId}/challenge", 200),
    "send": ("POST", "/", 201),
    "getChannel": ("GET", "/{requestId}/channel", 200),
    "getChannelLongPolling": ("GET", "/longPolling/{requestId}/channel", 200),
    "getStatus": ("GET", "/{requestId}/status", 200),
    "getStatusLongPolling": ("GET", "/longPolling/{requestId}/status", 200),
    "checkCode": ("POST", "/{requestId}/checkCode", 201),
    "checkStatusAndComplete": ("POST", "/{requestId}/checkStatusAndComplete", 201),
    "complete": ("POST", "/{requestId}/complete", 201),
    "resend": ("POST", "/{requestId}/resend", 201),
    "cancel": ("POST", "/{requestId}/cancel", 201),
    "events": ("GET", "/{requestId}/events", 200),
}
"""Method, path and status of success."""


NOT_FOR_PAGES: Final = {"complete", "checkStatusAndComplete"}
"""The verdict is for the back end."""


def allowed(call: str) -> set[str]:
    """Every error that the call may answer."""
    return REFERENCE.get(call, set()) | ADDED.get(call, set()) | ANYWHERE
