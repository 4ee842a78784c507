# `make demo` sets up and shows a first job; `make test` sets up and passes the tests.
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9
export UV_PYTHON_DOWNLOADS := never
# One thread per job process: two cores are shared by everything the tests start.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-all check format bench bench-accuracy bench-emulator bench-mitigation sanitize torture lock clean setup
demo: setup
	$(BIN)/python examples/demo.py

test: check
	$(BIN)/python -m pytest -q

test-all: check
	$(BIN)/python -m pytest -q -m "slow or not slow"

# the native kernel under ASan and UBSan; part of test-all
sanitize: setup
	$(BIN)/python -m pytest -q -m slow tests/sanitize

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/make_coverage.py --check

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks $(BENCH)

# MITIQ_PYTHON names an interpreter that has mitiq, to be compared with.
bench-accuracy: setup
	$(BIN)/python -m benchmarks.accuracy

bench-mitigation: setup
	$(BIN)/python -m benchmarks.mitigation --peers

# Harm for a minute and all that has to follow: two in all. MINUTES=120 SEED=7 as wanted; MUTANTS=1 for the mistakes
# that it has to find.
MINUTES ?= 1
torture: setup
	$(BIN)/python -m torture --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(MUTANTS),--mutants)

# ratios beside Aer and the official client's local mode; ROUNDS=1 for a first look, THREADS=2 for two threads each
bench-emulator: setup
	$(BIN)/python -m benchmarks emulator --rounds $(or $(ROUNDS),3) --threads $(or $(THREADS),1)

setup: .venv/ready

.venv/ready: requirements/dev.txt pyproject.toml CMakeLists.txt $(wildcard src/coldplate/kernel/native/*)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q uv==$(UV_VERSION)
	$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	touch $@

# Exact versions with hashes for every Python and platform; index-neutral on purpose.
lock: setup
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
	  --python-version 3.11 pyproject.toml --group dev -o requirements/dev.txt

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache
