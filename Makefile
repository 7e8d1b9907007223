# The entry points of the repository. Each makes what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup setup-check run test check web docs manual bench soak screenshots lock

PY := .venv/bin/python
CODE := $(wildcard conftest.py packages/*/src packages/*/tests tests bench scripts examples)
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

check: setup-check ## Format, lint, types, import rules, the widget, documentation
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/ruff check $(CODE)
	$(PY) -m mypy $(CODE)
	scripts/web.sh run pyright
	.venv/bin/lint-imports --no-logo --cache-dir .cache/import-linter
	@$(MAKE) --no-print-directory web
	@$(MAKE) --no-print-directory manual
	$(if $(DOCS_TESTS),$(PY) -m pytest -q -m "not acceptance" $(DOCS_TESTS))

web:
	scripts/web.sh run npm run --silent check --workspace web/widget
	scripts/web.sh run npm run --silent test --workspace web/widget
	scripts/web.sh run npm run --silent size --workspace web/widget

manual:
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict
	$(PY) scripts/check_site.py build/manual

docs: setup-check manual ## Build the manual
	@echo "the manual is build/manual/index.html"

bench: setup-check ## Measure: ARGS="scenario ..."
	@exec $(PY) -m bench $(ARGS)

soak: setup ## Run the long tests
	KASKAD_SOAK=1 HYPOTHESIS_PROFILE=soak $(PY) -m pytest -m soak --timeout 0 $(ARGS)

screenshots: setup ## Take pictures of every state of the widget and the demo: ARGS="state ..."
	@exec $(PY) -m scripts.take_screenshots build/screenshots $(ARGS)

lock: setup-check ## Resolve requirements/*.in again, with the newest releases
	@scripts/lock.sh
