"""Logs: one JSON object a line, whoever logs, and no phone number however it comes."""

import errno
import io
import json
import logging
import sys

import pytest
import structlog

from kaskad.telemetry import logs
from kaskad.telemetry.logs import mask_numbers

NUMBER = "+79001234567"
SHOWN = "+7900***4567"


def masked(value: object) -> object:
    return mask_numbers(None, "info", {"value": value})["value"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (NUMBER, SHOWN),
        (f"from {NUMBER} to {NUMBER}.", f"from {SHOWN} to {SHOWN}."),
        ("+7 900 123-45-67", SHOWN),
        ("+7 (900) 1234567", SHOWN),
        ("/status?recipient=%2B79001234567&x=1", f"/status?recipient={SHOWN}&x=1"),
        ("subscriber 79001234567 is barred", f"subscriber {SHOWN} is barred"),
        ("no route to 79001234567.", f"no route to {SHOWN}."),
        ("no route to 79001234567... 79001234567-", f"no route to {SHOWN}... {SHOWN}-"),
        ("Barred.79001234567", f"Barred.{SHOWN}"),
        (79001234567, SHOWN),
        (["a", NUMBER], ["a", SHOWN]),
        ((1, (NUMBER,)), [1, [SHOWN]]),
        ({"to": {"number": NUMBER}}, {"to": {"number": SHOWN}}),
        ({NUMBER: 1}, {SHOWN: 1}),
        (ValueError(NUMBER), f"ValueError('{SHOWN}')"),
    ],
)
def test_a_number_is_masked_however_it_comes(value: object, shown: object) -> None:
    assert masked(value) == shown


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        1_000_000,
        1.5,
        12345678901.25,
        "2026-01-01T12:00:00.123456Z",
        "123634df-ddfe-4dda-b31d-123456789012",
        "default/sms-provider",
        "a+b=c",
        "+12",
        "took 123456789 ms",
        "deadbeef1234567890",
    ],
)
def test_what_is_no_number_is_left_alone(value: object) -> None:
    assert masked(value) == value


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_are_masked_and_show_no_values(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    logs.configure(level="info", form=form)

    def fail(code: str, number: str) -> None:
        raise RuntimeError(number)

    for log in (structlog.get_logger(), logging.getLogger("a library")):
        try:
            fail(str(135790 + 1), NUMBER)
        except RuntimeError:
            log.exception("it broke")
    printed = capsys.readouterr().err
    assert printed.count("RuntimeError") >= 2
    assert printed.count(SHOWN) >= 2
    assert NUMBER not in printed
    assert "135791" not in printed
    if form == "json":
        for line in printed.splitlines():
            assert json.loads(line)["event"] == "it broke"


def test_a_line_is_json_whatever_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", form="json")
    structlog.get_logger().info(
        'quote " and \n newline', obj=object(), many={1, 2}, data=b"\xff", number=79001234567
    )
    [line] = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert entry["event"] == 'quote " and \n newline'
    assert entry["number"] == SHOWN


def test_calls_are_not_logged_at_the_default_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", form="json")
    logging.getLogger("uvicorn.access").info("GET /x?recipient=%s", NUMBER)
    logging.getLogger("asyncio").debug("poll")
    assert capsys.readouterr().err == ""


def test_only_what_is_as_grave_as_the_level_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="error", form="json")
    structlog.get_logger().warning("no")
    logging.getLogger("library").warning("no")
    structlog.get_logger().error("yes")
    logging.getLogger("library").error("yes")
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["yes", "yes"]


def test_a_log_that_cannot_be_written_is_nobodys_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, "no space left")
            return super().write(text)

        def flush(self) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "no space left")

    stream = Full()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(level="info", form="json")
    complaints: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda _, record: complaints.append(record))
    loggers = (structlog.get_logger(), logging.getLogger("a library"))
    for log in loggers:
        log.warning("nobody reads this")
    stream.full = False
    for log in loggers:
        log.warning("the disk has room again")
    assert stream.getvalue().count("room again") == 2
    stream.close()
    for log in loggers:
        log.warning("the terminal is gone")
    assert not complaints
