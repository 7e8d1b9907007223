"""Figures count what happened, and neither they nor logs tell numbers."""

import json
import logging

import pytest
import structlog

from kaskad.core.inputs import Accepted, CheckCode, Complete
from kaskad.core.session import advance
from kaskad.telemetry import logs
from kaskad.telemetry.metrics import Metrics
from kaskad.testing import START
from packages.kaskad.tests.builders import begin, code_of, context


def test_figures_count_what_happened() -> None:
    metrics = Metrics()
    metrics.watch(lambda: {"sessions": 3})
    session = begin().session
    metrics.started(session)
    for event in (
        Accepted(launch=1),
        CheckCode(code="000000"),
        CheckCode(code=code_of(session)),
        Complete(),
    ):
        step = advance(session, event, START, context())
        metrics.happened(event, session, step)
        session = step.session
    metrics.handed_over("default/sms-provider", "taken", 0.02)
    metrics.passed_over("default/sms-provider")
    metrics.resting("default/sms-provider", begins=True)
    metrics.resting("default/voice-provider", begins=True)
    metrics.resting("default/voice-provider", begins=False)
    metrics.dead_letter("default/sms-provider")
    metrics.answered("send", 201, 0.004)
    metrics.answered("send", 201, 99.0)
    metrics.held(2)
    metrics.held(-1)

    text = metrics.render().decode()
    widget = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
    for line in (
        f'kaskad_sessions_total{{widget="{widget}"}} 1.0',
        'kaskad_launches_total{channel="sms",type="sms"} 1.0',
        'kaskad_checks_total{result="InvalidCodeException"} 1.0',
        'kaskad_checks_total{result="success"} 1.0',
        'kaskad_confirmed_total{type="sms"} 1.0',
        f'kaskad_completed_total{{widget="{widget}"}} 1.0',
        'kaskad_handovers_total{outcome="taken",provider="default/sms-provider"} 1.0',
        'kaskad_handovers_total{outcome="resting",provider="default/sms-provider"} 1.0',
        'kaskad_provider_resting{provider="default/sms-provider"} 1.0',
        'kaskad_dead_letters_total{provider="default/sms-provider"} 1.0',
        'kaskad_provider_resting{provider="default/voice-provider"} 0.0',
        'kaskad_requests_total{call="send",status="201"} 2.0',
        'kaskad_request_seconds_bucket{call="send",le="0.005"} 1.0',
        'kaskad_request_seconds_bucket{call="send",le="+Inf"} 2.0',
        'kaskad_request_seconds_count{call="send"} 2.0',
        "kaskad_held_polls 1.0",
        "kaskad_store_sessions 3.0",
    ):
        assert line in text.splitlines()
    assert "900123" not in text


@pytest.mark.parametrize("form", ["json", "auto"])
def test_logs_are_json_with_numbers_masked(capsys: pytest.CaptureFixture[str], form: str) -> None:
    logs.configure(level="info", form=form)
    structlog.get_logger().info("sent", to="call +79001234567 now", count=3)
    structlog.get_logger().debug("not at this level")
    logging.getLogger("library").warning("for +79001234567")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["to"] == "call +7900***4567 now"
    assert (first["event"], first["level"], first["count"]) == ("sent", "info", 3)
    assert second["event"] == "for +7900***4567"


def test_logs_for_people_are_lines_with_numbers_masked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="debug", form="console")
    structlog.get_logger().debug("sent", to="+79001234567")
    said = capsys.readouterr().err
    assert "+7900***4567" in said
    assert "+79001234567" not in said
