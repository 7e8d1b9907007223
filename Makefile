# The entry points of the repository. Each makes what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup setup-check run test check bench soak lock

PY := .venv/bin/python
CODE := $(wildcard packages/kaskad/src packages/kaskad/tests tests bench scripts)
DOCS_TESTS := $(wildcard packages/kaskad/tests/docs)

help: ## List these commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

setup: ## Make .venv with the kaskad command and everything the checks and tests need
	@scripts/setup.sh test

setup-check:
	@scripts/setup.sh check

run: ## Start a demo on this machine: ARGS="--port 9000"
	@scripts/setup.sh run
	@exec .venv/bin/kaskad demo $(ARGS)

test: setup ## Run all tests, then hold the coverage to its thresholds
	@scripts/test.sh $(ARGS)

check: setup-check ## Format, lint, types, import rules, documentation
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/ruff check $(CODE)
	$(PY) -m mypy $(CODE)
	.venv/bin/lint-imports --no-logo --cache-dir .cache/import-linter
	$(if $(DOCS_TESTS),$(PY) -m pytest -q $(DOCS_TESTS))

bench: setup-check ## Measure: ARGS="scenario ..."
	@exec $(PY) -m bench $(ARGS)

soak: setup ## Run the long tests
	KASKAD_SOAK=1 HYPOTHESIS_PROFILE=soak $(PY) -m pytest -m soak --timeout 0 $(ARGS)

lock: setup-check ## Resolve requirements/*.in again, with the newest releases
	@scripts/lock.sh
