# make demo    train a small text VAE, measure it, sample from it: on a fresh machine, in minutes
# make test    the test suite                 make check   lint, types, import contracts, documentation
# make setup   only the environment           make clean   remove the environment and what tools left behind
# make cookbook    run every command of docs/cookbook and compare what is printed with what the pages show, in minutes
# make screenshots RUNS='...'    pictures of the page that `latentia serve RUNS` shows
# make verify  the server against its own description, 500 requests an operation: half an hour
# make chaos   kill training, fail the disk, damage files, pass hostile ones: at most an hour on two cores
#
# Variables: PYTHON (interpreter of the environment), VENV, TORCH (auto, cpu, cuda, skip: scripts/get-torch.sh),
# DEMO_ARGS, PYTEST_ARGS, COOKBOOK_ARGS (--write puts the output into the pages), RUNS, CHAOS_ARGS (as --scale 0.1).

PYTHON      ?= python3
VENV        ?= .venv
DEMO_ARGS   ?=
PYTEST_ARGS ?=
CHAOS_ARGS  ?=
COOKBOOK_ARGS ?=
RUNS        ?= runs/demo-grammar-1

BIN     := $(VENV)/bin
INSTALL := $(BIN)/python scripts/install.py
PYTEST  := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

.DELETE_ON_ERROR:
.PHONY: setup demo cookbook screenshots test chaos check verify lint types contracts docs clean

setup: $(VENV)/.core

demo: $(VENV)/.core
	$(BIN)/latentia demo $(DEMO_ARGS)

cookbook: $(VENV)/.core
	$(BIN)/python scripts/cookbook.py $(COOKBOOK_ARGS)

# Documentation is executed by `make check`.
test: $(VENV)/.test
	$(PYTEST) --ignore=tests/docs $(PYTEST_ARGS)

chaos: $(VENV)/.test
	OMP_NUM_THREADS=1 PYTHONPATH=src $(BIN)/python -m tests.chaos $(CHAOS_ARGS)

check: lint types contracts docs

verify: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/serving_contract.py

lint: $(VENV)/.check
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.check
	$(BIN)/mypy

contracts: $(VENV)/.check
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.check
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	$(PYTEST) tests/docs

screenshots: $(VENV)/.test
	$(BIN)/python scripts/screenshots.py $(RUNS)

# Each stamp marks one finished step of the set-up: it is newer than what it was made from.
$(VENV)/.torch: scripts/get-torch.sh constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "latentia needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	sh scripts/get-torch.sh $(BIN)/python
	@touch $@

$(VENV)/.core: $(VENV)/.torch pyproject.toml scripts/install.py
	$(INSTALL)
	@touch $@

$(VENV)/.test: $(VENV)/.core
	$(INSTALL) hf plots metrics serve --group test
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(INSTALL) hf plots metrics serve --group dev
	@touch $@

clean:
	rm -rf $(VENV) build dist docs/_build screenshots .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
