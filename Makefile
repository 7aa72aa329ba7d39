# Every target sets up its own .venv first; PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

# Real recordings, where they lie beside the project.
ifneq ($(wildcard ../shared/data),)
export ECGTUNE_DATA ?= $(abspath ../shared/data)
endif

.PHONY: demo test test-all lint bench bench-results train-default docs-tables clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ecgtune needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# Stamps: the runtime alone, and everything that tests and training need.
$(VENV)/.runtime: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.all: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable ".[test]"
	touch $@ $(VENV)/.runtime

demo: $(VENV)/.runtime
	$(BIN)/ecgtune demo

test: $(VENV)/.all
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/.all
	$(BIN)/python -m pytest

lint: $(VENV)/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-results: $(VENV)/.all
	$(BIN)/python benchmarks/store.py

bench: $(VENV)/.all
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# On one thread sums keep their order: the same weights again.
train-default: $(VENV)/.all
	$(BIN)/ecgtune train default --threads 1 --out runs/default
	$(BIN)/ecgtune train strict --threads 1 --out runs/strict
	$(BIN)/python -m ecgtune.training.ship runs/default runs/strict

docs-tables: $(VENV)/.runtime
	$(BIN)/ecgtune results update

clean:
	rm -rf $(VENV) demo-out
