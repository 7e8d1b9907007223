"""The errors of the public API: types, statuses and texts are a contract."""

import inspect

import pytest

from kaskad.core import errors
from kaskad.core.errors import ERRORS, KaskadError, RateLimitException, ValidateError

CONTRACT = {
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
            "Требуется сменить канал авторизации. Перезапросите текущий канал,"
            " чтобы отрисовать нужный для него компонент на frontend"
        ),
    ),
    "InvalidCodeException": (400, "Код, введенный пользователем, неправильный"),
    "ForbiddenException": (403, "Запрещено"),
    "WidgetIsBlockedException": (
        403,
        "Форма или пользователь заблокированы - обратитесь в поддержку",
    ),
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
"""What the documents of the API print, byte for byte."""

STATUSES = {
    "ValidateError": 400,
    "CaptchaNotConfirmedException": 400,
    "UnauthorizedException": 401,
    "RateLimitException": 429,
    "InternalServerErrorException": 500,
    "ServiceUnavailableException": 503,
    "NotFoundException": 404,
    "MethodNotAllowedException": 405,
}
"""Types whose texts are ours."""

BY_TYPE = {error.type: error for error in ERRORS}


def made(error: type[KaskadError]) -> KaskadError:
    return ValidateError({"code": "a string"}) if error is ValidateError else error()


@pytest.mark.parametrize("name", CONTRACT)
def test_status_and_message_are_those_of_the_documents(name: str) -> None:
    error = BY_TYPE[name]
    status, message = CONTRACT[name]
    assert error.ru.encode() == message.encode()
    assert error.http_status == status
    assert made(error).status == status


@pytest.mark.parametrize("name", STATUSES)
def test_status_is_that_of_its_type(name: str) -> None:
    assert made(BY_TYPE[name]).status == BY_TYPE[name].http_status == STATUSES[name]


def test_there_is_one_class_per_type_and_no_other() -> None:
    assert [error.type for error in ERRORS] == [error.__name__ for error in ERRORS]
    assert set(BY_TYPE) == CONTRACT.keys() | STATUSES.keys()
    assert len(ERRORS) == len(BY_TYPE)
    defined = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, KaskadError) and value is not KaskadError
    ]
    assert defined == list(ERRORS)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_says_when_it_happens_in_two_languages(error: type[KaskadError]) -> None:
    assert error.ru.strip() == error.ru != ""
    assert error.en.strip() == error.en != ""
    assert error.en.isascii()
    assert not error.ru.isascii()
    assert error.__doc__
    assert error.__doc__ != KaskadError.__doc__
    assert str(made(error)) == error.en


def test_an_error_has_a_payload_only_when_it_has_something_to_say() -> None:
    assert errors.SessionClosedException().payload is None
    assert errors.SessionClosedException({"a": 1}).payload == {"a": 1}
    assert errors.SessionClosedException().retry_after_s is None


def test_when_to_come_back_is_told_twice() -> None:
    early = RateLimitException(retry_after_s=7)
    assert (early.payload, early.retry_after_s) == ({"retryAfter": 7}, 7)
    assert RateLimitException({"a": 1}, retry_after_s=0).payload == {"a": 1, "retryAfter": 0}


def test_a_validation_error_names_its_fields() -> None:
    error = ValidateError({"recipient": "a phone number"})
    assert error.payload == {"fields": {"recipient": "a phone number"}}
    assert error.status == 400
    assert ValidateError({"body": "at most 16 KiB"}, status=413).status == 413
