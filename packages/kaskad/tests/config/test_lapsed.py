"""A day that has passed is told with its place, and does not make a file wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from kaskad.config import lapsed
from packages.kaskad.tests.config.files import GOOD, NOW, WIDGET, load, spoiled, write

RECIPIENT = f'kaskad.toml: widgets[0] (id "{WIDGET}"): test_recipients[0].until: over since '
MEANS = (
    ": the number has no fixed code any more and is sent messages like any other;"
    " expected a later day, 2027-06-01 at most"
)


def told(folder: Path, text: str) -> list[str]:
    _, declared = load(write(folder, text))
    return [line.replace(f"{folder}/", "") for line in lapsed(declared, NOW)]


@pytest.mark.parametrize(
    ("until", "since"),
    [
        ("2026-05-31", "2026-06-01 00:00 UTC"),
        ("2026-06-01T12:00:00Z", "2026-06-01 12:00 UTC"),
        ("2020-02-29T23:30:00+03:00", "2020-02-29 20:30 UTC"),
    ],
)
def test_a_test_number_that_is_none_any_more(tmp_path: Path, until: str, since: str) -> None:
    assert told(tmp_path, spoiled("2027-01-31", until)) == [RECIPIENT + since + MEANS]


def test_every_one_is_told_with_its_own_place(tmp_path: Path) -> None:
    second = '}, { number = "+79990000002", code = "1234", until = 2026-05-30 }'
    lines = told(tmp_path, spoiled("until = 2027-01-31 }", f"until = 2027-01-31 {second}"))
    assert len(lines) == 1
    assert "test_recipients[1].until: over since 2026-05-31" in lines[0]


def test_a_token_that_is_refused(tmp_path: Path) -> None:
    text = spoiled('token = "env:DEMO_TOKEN"', 'token = "env:DEMO_TOKEN"\nexpires = 2026-05-31')
    assert told(tmp_path, text) == [
        (
            'kaskad.toml: tokens[0] (name "demo"): expires: over since 2026-06-01 00:00 UTC:'
            " calls with it are refused; expected a later day"
        )
    ]


def test_what_is_still_good_is_not_told(tmp_path: Path) -> None:
    assert told(tmp_path, GOOD) == []
    today = spoiled("2027-01-31", "2026-06-01")
    assert told(tmp_path, today) == []
    in_a_second = (NOW + timedelta(seconds=1)).isoformat()
    assert told(tmp_path, spoiled("2027-01-31", in_a_second)) == []
