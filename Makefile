# Firmground: `make demo` and `make test` each set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := $(VENV)/peers
ARGS ?=

.PHONY: setup demo test lint packages peers bench fuzz seeds coverage curves recorded picture clean

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

test: lint packages peers
	$(BIN)/pytest -n 2 $(ARGS)

packages:
	@sh deploy/install-test-packages.sh

# MAVProxy, for the tests with a real ground station: in a folder of its own, beside the environment's pymavlink, without
# the plotting, 3D and vision packages that it declares and that no part of it used here imports.
peers: setup
	@test -x $(PEERS)/bin/mavproxy.py || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(PEERS) 'MAVProxy>=1.8.71' || \
		echo "Some tests will be skipped; MAVProxy could not be installed in $(PEERS)" >&2

recorded: setup
	$(BIN)/pytest -m recorded $(ARGS)

bench: setup
	$(BIN)/python -m tests.bench $(ARGS)

# ARGS="--seconds 300 --target gnss": each decoder under a coverage-guided fuzzer, 30 s each unless said.
fuzz: setup
	@$(BIN)/python -m tests.fuzz $(ARGS)

# N=1000: so many simulated runs, each judged by the oracle; ends with one line, and the command that repeats a failure.
N ?= 100
seeds: setup
	$(BIN)/python -m sim seeds --count $(N) $(ARGS)

# Every branch of what credit and alarms stand on, by the core's own tests; exits with 2 below 100 %. Some six minutes.
PROVEN := rules rulebook coverage mapping passes tile_map checks check_requests check_events alarms alarm_events \
	decisions requests density speed reasons
comma := ,
empty :=
coverage: setup
	$(BIN)/python -m coverage run --branch --source=controller/core -m pytest -q tests/controller/core $(ARGS)
	$(BIN)/python -m coverage report --show-missing --fail-under=100 \
		--include="$(subst $(empty) $(empty),$(comma),$(PROVEN:%=controller/core/%.py))"

# What the instant alarm finds on simulated fields, beside its rivals: figures, and docs/curves.png; about three minutes.
curves: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'matplotlib>=3.8'
	$(BIN)/python docs/draw_curves.py docs/curves.png

# The README's picture, taken anew: run it whenever the console looks different.
picture: setup packages
	$(BIN)/python docs/screenshot.py docs/console.png

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
