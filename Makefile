# Every target sets up what it needs in .venv; a second run finds it there and is quick.
PYTHON ?= python3
# One environment for each Python that is asked for.
VENV := .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# As set up with the rest, or the one of the machine.
UV = $(or $(shell command -v uv),$(BIN)/uv)
# Two a core of a small machine: many tests wait for a process or a moment.
PYTEST := $(BIN)/python -m pytest -q -n 4 --dist worksteal

# What is compiled is kept, also where it is not by default: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-times check soak docs wheel bench format schemas lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@echo "==> setting up $(VENV) from requirements.lock (first run only)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.11") if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null 2>&1 || test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv 2>/dev/null || echo "    uv is not to be had; pip it is, which takes a little longer"
	@UV=$$(command -v uv || echo $(BIN)/uv); \
	if test -x "$$UV"; then \
	  VIRTUAL_ENV=$(VENV) "$$UV" pip install -q --python $(BIN)/python --require-hashes -r requirements.lock && \
	  VIRTUAL_ENV=$(VENV) "$$UV" pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

demo: $(READY) ## health check, directory sync and a host on a schedule, against a fake authentik; asks nothing, ends by itself
	@$(BIN)/openlane-authentik demo

test: $(READY) ## the tests, with seeded samples of what is long
	@echo "==> tests"
	@$(PYTEST) -m "not soak"

test-times: $(READY) ## the tests, and which twenty took longest
	@$(PYTEST) -m "not soak" --durations=20

check: $(READY) ## everything a commit must pass: format, lint, types, import directions, tests
	@echo "==> ruff, mypy, import-linter"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

soak: $(READY) ## everything long, seeded
	@echo "==> soak"
	@$(PYTEST) -m soak

docs: $(READY) ## the documentation as a site in site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

wheel: $(READY) ## a wheel and a source archive in dist/
	@$(BIN)/python -m hatchling build

bench: $(READY) ## time, memory and requests against the official client and the floor, and of the host; about 30 minutes
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.host
	@$(BIN)/python -m benchmarks.hostile

format: $(READY) ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schemas: $(READY) ## write schemas/ anew from the models
	@$(BIN)/python -m openlane_authentik.schema_files schemas

lock: $(READY) ## resolve requirements.lock anew, with hashes and without addresses, and of it what an image needs
	@$(UV) pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev pyproject.toml -o requirements.lock
	@$(UV) pip compile -q --universal --generate-hashes --no-annotate --no-emit-index-url --no-header --python-version 3.11 --extra host --constraint requirements.lock pyproject.toml -o requirements-host.lock

clean: ## remove the environment and all caches
	@rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache demo-output site dist
