"""Holds a coverage report (the output of `coverage json`) to the thresholds of this repository.

The core has every line run and every branch taken both ways. In the rest, taken together, at least
85 % of the branches are taken and 85 % of the lines run. One line is printed for each violation.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

CORE = "/kaskad/core/"
REST_MINIMUM_PERCENT = 85.0


def violations(files: dict[str, Any]) -> Iterator[str]:
    """Yield one line of text for each threshold that the measured files miss."""
    core = {path: file for path, file in files.items() if CORE in "/" + path}
    rest = [file["summary"] for path, file in files.items() if path not in core]
    if not files:
        yield "nothing was measured"
    for path, file in sorted(core.items()):
        yield from _holes(path, file)
    yield from _too_low("branches", rest, "covered_branches", "num_branches")
    yield from _too_low("lines", rest, "covered_lines", "num_statements")


def _holes(path: str, file: dict[str, Any]) -> Iterator[str]:
    for line in file["missing_lines"]:
        yield f"{path}:{line}: never run"
    for start, end in file["missing_branches"]:
        if start not in file["missing_lines"]:
            target = f"line {end}" if end > 0 else "the end"
            yield f"{path}:{start}: never goes on to {target}"


def _too_low(
    what: str, summaries: Iterable[dict[str, int]], covered: str, total: str
) -> Iterator[str]:
    counts = [(summary[covered], summary[total]) for summary in summaries]
    possible = sum(count for _, count in counts)
    percent = 100 * sum(count for count, _ in counts) / possible if possible else 100.0
    if percent < REST_MINIMUM_PERCENT:
        yield f"outside core/: {percent:.2f} % of {what}, wanted {REST_MINIMUM_PERCENT:g} %"


def main(report: Path) -> int:
    """Print the violations; return the exit status."""
    lines = list(violations(json.loads(report.read_text())["files"]))
    for line in lines:
        print(f"coverage: {line}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
