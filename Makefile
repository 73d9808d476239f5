# Everything this project does is one of these targets; the work itself is in build/*.py.
# The first of them on PATH that is new enough makes .venv; from then on .venv's is used.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv/bin
PYTEST := $(VENV)/python -m pytest
export ORT_DISABLE_TELEMETRY := 1
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: diagnosis help environment setup native assets wasm demo test test-all sanitize lint format bench calibrate wheel lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

environment: # tools and .venv; every other target needs them
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or later is needed (Debian: apt-get install python3)." >&2; exit 1; }
	@$(PYTHON) build/setup.py

setup: native ## prepare machine and checkout: tools, .venv, npm packages, C extension
	@$(VENV)/python build/assets.py --only node_modules

native: environment ## build the C extension and install the package editable into .venv
	@$(VENV)/python build/native.py

assets: environment ## build what a packed site needs: page, Pyodide, WASM wheels
	@$(VENV)/python build/assets.py

wasm: environment ## build and check the WASM wheels only
	@$(VENV)/python build/check_wheel.py

demo: native assets ## train, pack, collect and watch real flights; ONCE=1 ends by itself
	@$(VENV)/python build/demo.py $(if $(ONCE),--once)

test: lint native assets ## lint, core under sanitizers, then every test but the slow ones
	@cd web && npm test --silent
	@$(VENV)/python build/sanitize.py tests/core tests/onnx tests/runtime/test_hostile.py
	@$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-all: lint native assets wasm sanitize ## lint, then every test, its properties with new examples
	@cd web && npm test --silent
	@$(PYTEST) --hypothesis-profile=explore $(PYTEST_ARGS)

sanitize: native ## test the core with every access and every arithmetic step checked
	@$(VENV)/python build/sanitize.py

lint: environment ## ruff, mypy --strict, clang-format, tsc --strict
	@$(VENV)/ruff check --quiet .
	@$(VENV)/ruff format --check --quiet . || { echo "error: run 'make format'." >&2; exit 1; }
	@$(VENV)/mypy --no-error-summary
	@$(VENV)/mypy --no-error-summary build/*.py
	@$(VENV)/clang-format --dry-run --Werror $$(find py/core -name '*.[ch]')
	@$(VENV)/python build/assets.py --only node_modules
	@cd web && npm run check --silent

format: environment ## let ruff and clang-format put the sources in order
	@$(VENV)/ruff check --quiet --fix-only .
	@$(VENV)/ruff format --quiet .
	@$(VENV)/clang-format -i $$(find py/core -name '*.[ch]')

bench: native assets ## native, WASM and their peers, interleaved; BENCH_ARGS are passed on
	@$(VENV)/strandline bench $(BENCH_ARGS)

diagnosis: native ## measure diagnosis and watching, report the real series: docs/diagnosis.md, drift.md, examples/
	@$(VENV)/python build/diagnosis.py

calibrate: native ## false alarms of every drift test, beside other libraries: docs/calibration.md
	@$(VENV)/python build/calibrate.py $(CALIBRATE_ARGS)

wheel: environment assets ## the release wheel, in dist/, installed and tried in a fresh environment
	@$(VENV)/python build/release.py

lock: environment ## resolve the Python packages anew (LOCK_ARGS=--upgrade for newer ones)
	@build/lock.sh $(LOCK_ARGS)

clean: ## remove everything built inside the checkout; the cache outside stays
	rm -rf .skbuild dist py/strandline/bundle/assets web/dist web/node_modules .venv
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
