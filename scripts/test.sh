#!/usr/bin/env bash
# All tests in parallel under branch coverage, then the coverage thresholds.
# Arguments go to pytest; with any, the thresholds are not applied. JOBS sets the number of workers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python

mkdir -p .cache/coverage
$python -m coverage erase
$python -m coverage run -m pytest --numprocesses "${JOBS:-3}" --dist worksteal "$@"
$python -m coverage combine --quiet
if (($# == 0)); then
    $python -m coverage json --quiet
    $python scripts/coverage_gate.py .cache/coverage/report.json
fi
