# make help says what there is. Everything lives in .venv, which is made on first use.

PYTHON ?= $(shell .ci/find-python)
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
WORKERS ?= auto
SOAK_CHANGES ?= 1000000
SOAK_SEED ?= 1
SOAK_STORE ?= postgres
SOAK_NEAR ?=

python = .venv/bin/python
pip = $(python) -m pip install --disable-pip-version-check -q

.PHONY: help demo test soak lint matrix mutations bench sql
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile
	@printf '  %s\n' 'make bench-read, -http, -push, -write, -drain, -growth ...: one of them' \
		'DEMO_ARGS, TEST_ARGS, BENCH_ARGS are passed on; PYTHON=... picks the interpreter' \
		'SOAK_CHANGES=..., SOAK_SEED=..., SOAK_STORE=postgres|redis, SOAK_NEAR=1 say how to soak'

demo: .venv/.has-demo ## the live departure boards, with a PostgreSQL of their own
	@$(python) -m example_app.demo $(DEMO_ARGS)

test: .venv/.has-test ## the whole suite, against a throw-away PostgreSQL
	$(python) -m pytest -n $(WORKERS) $(TEST_ARGS)

soak: .venv/.has-test ## a million changes with faults at random, everything compared
	$(python) -m tests.soak --changes $(SOAK_CHANGES) --seed $(SOAK_SEED) --store $(SOAK_STORE) \
		$(if $(SOAK_NEAR),--near)

lint: .venv/.has-lint .venv/.has-test ## ruff and mypy
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

matrix: ## the suite on the oldest and the newest Python, Django and PostgreSQL
	@TEST_ARGS='$(TEST_ARGS)' WORKERS='$(WORKERS)' .ci/matrix

mutations: .venv/.has-test ## take out each guard of docs/guards.md: its test must fail (minutes)
	$(python) -m tests.mutations

bench: .venv/.has-bench ## side by side with the peers; writes docs/benchmarks.md
	$(python) -m benchmarks --write $(BENCH_ARGS)

bench-%: .venv/.has-bench
	$(python) -m benchmarks --write $*

sql: .venv/.has-demo ## write migrations/*.sql anew from the Django migrations
	$(python) migrations/render.py

# One mark a dependency group, so that the demo does not wait for linters.
.venv/.has-%: .venv/.made
	@echo "Installing what make $* needs ..." >&2
	@$(pip) --group $*
	@touch $@

# An old pip (before 25.1) knows no dependency groups: the environment gets a new one first.
.venv/.made: pyproject.toml
	@test -n '$(PYTHON)' || exit 1
	@echo "Making .venv with $(PYTHON) ..." >&2
	@'$(PYTHON)' -m venv --clear .venv || { echo "On Debian: apt install python3-venv" >&2; exit 1; }
	@$(pip) --upgrade 'pip>=25.1'
	@$(pip) -e .
	@touch $@
