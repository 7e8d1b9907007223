"""What a service says of its configuration when it starts."""

import json
from pathlib import Path

import pytest

from kaskad.telemetry.lag import BLOCKED
from tests.acceptance.harness import CONFIG, Kaskad

pytestmark = pytest.mark.acceptance

LAPSED = 'test_recipients = [{{ number = "+79990000001", code = "123456", until = 2020-01-31 }}]'


def warnings(kaskad: Kaskad) -> list[dict[str, str]]:
    """What it warns of, except that a busy machine made it wait."""
    lines = [json.loads(line) for line in kaskad.log().splitlines()]
    told = [line for line in lines if line["level"] == "warning"]
    return [line for line in told if line["event"] != BLOCKED]


def test_a_service_without_widgets_says_so(tmp_path: Path) -> None:
    with Kaskad(tmp_path, config=CONFIG.partition("[[widgets]]")[0]) as kaskad:
        [warning] = warnings(kaskad)
    assert warning["event"] == "no_widgets"
    assert "`kaskad apply FILE`" in warning["hint"]


def test_a_test_number_whose_day_has_passed_does_not_keep_the_service_down(tmp_path: Path) -> None:
    config = CONFIG.replace('channels = ["sms"]', f'channels = ["sms"]\n{LAPSED}')
    with Kaskad(tmp_path, config=config) as kaskad:
        [warning] = warnings(kaskad)
    assert warning["event"] == "declared_in_vain"
    assert "test_recipients[0].until: over since 2020-02-01" in warning["problem"]


def test_a_mistyped_variable_is_told_and_does_not_keep_the_service_down(tmp_path: Path) -> None:
    kaskad = Kaskad(tmp_path)
    kaskad.env |= {"KASKAD_LOGLEVEL": "debug"}
    with kaskad:
        [warning] = warnings(kaskad)
    assert warning["event"] == "variable_in_vain"
    assert "did you mean KASKAD_LOG_LEVEL?" in warning["problem"]
