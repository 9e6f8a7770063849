# Firmground: `make demo` and `make test` each set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.PHONY: setup demo test lint packages bench fuzz recorded picture clean

setup: $(STAMP)

# Python 3.11 and its venv module are all that is needed beside make; both are checked by name.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; try: make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' || sh deploy/install-venv.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

demo: setup
	$(BIN)/firmground demo $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint packages
	$(BIN)/pytest -n 2 $(ARGS)

packages:
	@sh deploy/install-test-packages.sh

recorded: setup
	$(BIN)/pytest -m recorded $(ARGS)

bench: setup
	$(BIN)/python -m tests.bench $(ARGS)

# ARGS="--seconds 300 --target gnss": each decoder under a coverage-guided fuzzer, 30 s each unless said.
fuzz: setup
	@$(BIN)/python -m tests.fuzz $(ARGS)

# The README's picture, taken anew: run it whenever the console looks different.
picture: setup packages
	$(BIN)/python docs/screenshot.py docs/console.png

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
