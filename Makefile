# Two commands do everything on a fresh machine: `make run` and `make test`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One thing after the other, with -j too: the steps share the environment and the screen.
.NOTPARALLEL:

# Settings, each to be given on the command line: make run PORT=8600
PYTHON ?= python3#  what the environment is made with
VENV ?= .venv#      where it goes
PORT ?=#            of the app; by default 8501 or the next free one
HEADLESS ?=#        1: do not open a browser
WATCH ?=#           1: reload the app when its files change
TESTS ?=#           what `make pytest` runs, with any options; by default everything
AT_ONCE ?= 2#       so many browsers at a time, and one test more of those that need none

# No comment or blank may stay in a path.
override PYTHON := $(strip $(PYTHON))
override VENV := $(strip $(VENV))
override AT_ONCE := $(strip $(AT_ONCE))

BIN := $(VENV)/bin
# Twice quiet: errors only. What is not compiled file by file is compiled on all cores, without what nobody here imports;
# a package may hold files that are not for this Python.
PIP := $(BIN)/python -m pip install -q -q --disable-pip-version-check --no-input --no-compile -c constraints.txt
# uv puts several packages in place at a time, four times as fast. It knows nothing of pip's settings: where they name an
# index, or where uv cannot be had or fails, pip does it.
OWN_INDEX := $(BIN)/python -m pip config list 2>/dev/null | grep '[.]index-url' >/dev/null
UV := $(PIP) uv && $(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt
install = if $(OWN_INDEX); then $(PIP) $(1); else { $(UV) $(1); } || { echo "Once more, by pip" >&2; $(PIP) $(1); }; fi
UNUSED := /(tests|altair|mypy|mypyc|networkx|pip|setuptools|graph_objs|lexers)/|/ray/(rllib|tune|train|data|serve)/
UNUSED := $(UNUSED)|/torch/(_inductor/(codegen|fx_passes|kernel)|_vendor|testing/_internal)/
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '$(UNUSED)' $(VENV)/lib || true

.PHONY: help setup setup-dev data run test lint format types imports chromium pytest bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1|/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

# --- set-up: each stamp is newer than what it was made from, so nothing runs twice -----------------------

# A Python without ensurepip (Debian without python3-venv) leaves half an environment behind: take its
# python away again, so that the next attempt starts over.
$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "There is no $(PYTHON). Install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$("$(PYTHON)" -V 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making the environment in $(VENV)"
	@"$(PYTHON)" -m venv "$(VENV)" && "$(BIN)/python" -m pip --version >/dev/null || { \
	  rm -f "$(BIN)/python"; \
	  echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: requirements.txt constraints.txt | $(BIN)/python
	@echo "Installing the packages of requirements.txt (about 3 GB the first time)"
	@$(call install,-r requirements.txt)
	@$(COMPILE)
	@touch $@

# The tests start a cluster of two nodes and ask an ONNX file, so the checks need what these need.
REQUIRED := requirements.txt requirements-dev.txt requirements-cluster.txt requirements-onnx.txt
$(VENV)/.installed-dev: $(REQUIRED) constraints.txt | $(BIN)/python
	@echo "Installing the packages of $(REQUIRED) (about 3 GB the first time)"
	@$(call install,$(REQUIRED:%=-r %))
	@$(COMPILE)
	@touch $(VENV)/.installed $@

setup: $(VENV)/.installed ## the environment with all that the app needs
setup-dev: $(VENV)/.installed-dev ## and all that the checks need

data: setup ## CIFAR-10, fetched once and checked (the digits need no download)
	@$(BIN)/python -m core data cifar10 || { \
	  echo "CIFAR-10 could not be had (see above); the app runs with the digits until 'make data' succeeds." >&2; \
	  $(BIN)/python -m core data digits; }

# --- use -------------------------------------------------------------------------------------------------

# The browser opens by itself where there is a display.
run: setup data ## the app, in the browser
	@$(BIN)/python -m streamlit run app.py --server.address 127.0.0.1 \
	  $(if $(strip $(PORT)),--server.port $(strip $(PORT))) \
	  $(if $(filter 1,$(HEADLESS)),--server.headless true) \
	  $(if $(filter 1,$(WATCH)),--server.fileWatcherType auto --server.runOnSave true)

# --- checks ----------------------------------------------------------------------------------------------

test: setup-dev lint types imports chromium pytest ## all that must pass, browser tests included

lint: setup-dev ## style and likely bugs
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

format: setup-dev ## puts the style right
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

types: setup-dev ## types of core/
	@$(BIN)/python -m mypy -n auto

imports: setup-dev ## imports run one way only, and all that is imported is declared
	@$(BIN)/lint-imports
	@$(BIN)/deptry . --config .ci/deptry.toml

chromium: setup-dev ## a Chromium for the browser tests, installed if there is none
	@$(BIN)/python tests/browser/chromium.py

# A core for each browser; tests without one wait a tenth of their time. Those that drive a browser come last: each
# process starts its own app.
# Several hundred processes are started, so what they compile is kept, whatever the user has set.
pytest: setup-dev ## the tests; some of them: make pytest TESTS='tests/test_project.py -x'
ifeq ($(strip $(TESTS)),)
	@failed=0; export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1; unset PYTHONDONTWRITEBYTECODE; \
	for which in "--ignore tests/browser -n $$(( $(AT_ONCE) + 1 ))" "tests/browser -n $(AT_ONCE)"; do \
	  $(BIN)/python -m pytest $$which --dist worksteal || failed=$$?; \
	done; \
	exit $$failed
else
	@$(BIN)/python -m pytest $(TESTS)
endif

bench: setup ## every benchmark, one after the other
	@for file in benchmarks/[a-z]*.py; do \
	  [ -e "$$file" ] || { echo "There is no benchmark in benchmarks/" >&2; exit 1; }; \
	  echo "== $$file"; $(BIN)/python -m "benchmarks.$$(basename "$$file" .py)"; \
	done

# --- upkeep ----------------------------------------------------------------------------------------------

# --universal: one file for every system and every Python from 3.11. --no-config and no index in the
# output: the file names versions, not where this machine gets them.
lock: setup-dev ## constraints.txt anew, with the newest versions that the ranges allow
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --no-config --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
	  requirements.txt requirements-dev.txt requirements-cluster.txt requirements-onnx.txt --output-file constraints.txt

clean: ## removes caches and test output; keeps the environment, data and runs
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-output
	@find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
