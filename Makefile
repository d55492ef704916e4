# Everything here needs Python 3.11-3.13 and make, nothing else. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run demo test lint format bench faults lock clean
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
PACKAGES := hub rooms billing store config sandbox bench tests
# Expanded only by recipes, so listing the targets starts no Python.
FIND = for p in .venv/bin/python python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$p && break; done
PYTHON = $(or $(shell $(FIND)),$(error Python 3.11, 3.12 or 3.13 with its venv module is needed, and none was found))
# The tests of one file stay together: they share stores and processes that take a while to start. In the order of
# their folders, so that whole files of quick tests fill up the end, rather than a slow one being waited for.
WORKERS ?= 3
INSTALL = $(PYTHON) -m sandbox.install
# One lock for every system and Python that we support; it names no index, so each machine uses its own.
COMPILE = .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: ## start everything on this machine: stores, sandbox, hub; PORT, SANDBOX_PORT, DATA_DIR are heeded
	@$(INSTALL) requirements.txt
	@exec $(PY) -m sandbox.up

demo: ## play one paid session with two real clients against a running hub
	@$(INSTALL) requirements.txt
	@exec $(PY) -m sandbox.demo

test: ## install what the suite needs, then run all of it on WORKERS cores; ARGS go to pytest
	@$(INSTALL) requirements-dev.txt --node tests/acceptance/node
	@exec $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: ## ruff, mypy, import directions
	@$(INSTALL) requirements-dev.txt
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy $(PACKAGES)
	.venv/bin/lint-imports

format: ## let ruff sort imports and lay out the code
	@$(INSTALL) requirements-dev.txt
	$(PY) -m ruff check --select I --fix .
	$(PY) -m ruff format .

bench: ## the benchmarks, against the hub and its peers
	@$(INSTALL) requirements-dev.txt
	@if [ -f bench/__main__.py ]; then exec $(PY) -m bench $(ARGS); else echo "no benchmarks yet"; fi

faults: ## the long fault campaign
	@$(INSTALL) requirements-dev.txt --node tests/acceptance/node
	@if [ -d tests/faults ]; then exec $(PY) -m pytest tests/faults -m campaign $(ARGS); \
	else echo "no fault campaign yet"; fi

lock: ## resolve the lock files anew from pyproject.toml; UPGRADE=--upgrade takes newer releases
	@$(INSTALL) requirements-lock.txt
	@$(COMPILE) pyproject.toml -o requirements.txt $(UPGRADE)
	@$(COMPILE) pyproject.toml --group test --group lint -c requirements.txt -o requirements-dev.txt $(UPGRADE)
	@$(COMPILE) --group pyproject.toml:lock -o requirements-lock.txt $(UPGRADE)

clean: ## remove the environment, caches and built files; data under DATA_DIR stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf tests/acceptance/node/node_modules web/node_modules web/dist
	find $(PACKAGES) -name __pycache__ -type d -prune -exec rm -rf {} +
