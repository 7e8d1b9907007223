from typing import Any

from scripts.coverage_gate import violations


def measured(
    *, lines: tuple[int, int] = (9, 9), branches: tuple[int, int] = (4, 4), **missing: Any
) -> dict[str, Any]:
    return {
        "summary": {
            "covered_lines": lines[0],
            "num_statements": lines[1],
            "covered_branches": branches[0],
            "num_branches": branches[1],
        },
        "missing_lines": missing.get("missing_lines", []),
        "missing_branches": missing.get("missing_branches", []),
    }


def test_full_coverage_has_no_violations() -> None:
    files = {"src/kaskad/core/codes.py": measured(), "src/kaskad/cli.py": measured()}
    assert list(violations(files)) == []


def test_each_hole_in_the_core_is_one_line() -> None:
    holes = measured(missing_lines=[7], missing_branches=[[3, 5], [4, -1], [7, 8]])
    assert list(violations({"src/kaskad/core/codes.py": holes})) == [
        "src/kaskad/core/codes.py:7: never run",
        "src/kaskad/core/codes.py:3: never goes on to line 5",
        "src/kaskad/core/codes.py:4: never goes on to the end",
    ]


def test_the_rest_is_judged_together() -> None:
    good, bad = measured(branches=(95, 100)), measured(branches=(75, 100))
    assert list(violations({"kaskad/cli.py": good, "kaskad/config.py": bad})) == []


def test_the_rest_may_not_fall_below_the_minimum() -> None:
    files = {"kaskad/cli.py": measured(lines=(84, 100), branches=(849, 1000))}
    assert list(violations(files)) == [
        "outside core/: 84.90 % of branches, wanted 85 %",
        "outside core/: 84.00 % of lines, wanted 85 %",
    ]


def test_an_empty_report_is_a_violation() -> None:
    assert list(violations({})) == ["nothing was measured"]
