# make help says what there is. Everything lives in .venv, which is made on first use.

PYTHON ?= $(shell .ci/find-python)
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
# A test waits for processes as often as it computes: more workers than processors.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 2)))
EXAMPLES ?= 40
MUTATIONS ?= 1/4
CORNER ?= 3.13+6.1+18
# Killed processes, poolers, brokers and browsers take long, and are the same in each corner:
# `make matrix` has them, and the long tests, there too.
ONCE ?= $(addprefix --ignore=tests/,acceptance dashboard deployments faults live operated) \
	--ignore-glob=tests/integration/test_kafka_*
SOAK_CHANGES ?= 1000000
SOAK_SEED ?= 1
SOAK_STORE ?= postgres
SOAK_NEAR ?=
SOAK_POOLER ?=

python = .venv/bin/python
pip = $(python) -m pip install --disable-pip-version-check -q

pytest = $(python) -m pytest -rs -n $(WORKERS) --dist worksteal

.PHONY: help demo test test-all soak soak-kafka lint docs docs-serve release-check matrix mutations bench bench-quick sql
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile
	@printf '  %s\n' 'make bench-read, -http, -push, -write, -drain, -growth ...: one of them' \
		'DEMO_ARGS, TEST_ARGS, BENCH_ARGS are passed on; PYTHON=... picks the interpreter' \
		'WORKERS=... tests at once; EXAMPLES=..., MUTATIONS=1/1, CORNER=...: how much test-all does' \
		'SOAK_CHANGES=..., SOAK_SEED=..., SOAK_STORE=postgres|redis, SOAK_NEAR=1, SOAK_POOLER=1 say how to soak'

demo: .venv/.has-demo ## the live departure boards, with a PostgreSQL of their own
	@$(python) -m example_app.demo $(DEMO_ARGS)

# A test starts processes that import the library: compiled once, whatever the shell would have.
test test-all: export PYTHONDONTWRITEBYTECODE =
test: .venv/.has-test ## every promise, against a throw-away PostgreSQL (minutes)
	$(pytest) -m 'not long' $(TEST_ARGS)

test-all: .venv/.has-test ## what make test leaves out: long tests, other corner, some mutations
	$(pytest) -m long $(TEST_ARGS)
	$(if $(MUTATIONS),$(python) -m tests.mutations --jobs 2 --share $(MUTATIONS))
	@KCK_TEST_EXAMPLES=$(EXAMPLES) MATRIX_ARGS='-m not(long) $(ONCE)' TEST_ARGS='$(TEST_ARGS)' \
		WORKERS='$(WORKERS)' .ci/matrix $(CORNER)

soak: .venv/.has-test ## a million changes with faults at random, everything compared
	$(python) -m tests.soak --changes $(SOAK_CHANGES) --seed $(SOAK_SEED) --store $(SOAK_STORE) \
		$(if $(SOAK_NEAR),--near) $(if $(SOAK_POOLER),--pgbouncer)

soak-kafka: .venv/.has-test ## 100,000 changes and 10,000 rows of a two-way sync over a broker, with kills
	KCK_TEST_KAFKA_CHANGES=100000 KCK_TEST_KAFKA_ROWS=10000 $(python) -m pytest -n 0 \
		tests/faults/test_kafka_kills.py tests/integration/test_kafka_two_way.py $(TEST_ARGS)

lint: .venv/.has-lint .venv/.has-test ## ruff and mypy
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

docs: .venv/.has-docs ## the site, into docs/_build/html; a warning is an error
	$(python) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

docs-serve: docs ## the site on http://127.0.0.1:8100
	$(python) -m http.server --bind 127.0.0.1 --directory docs/_build/html 8100

release-check: .venv/.has-docs ## build the wheel and the sdist, check both, install and use the wheel
	$(python) -m tests.release

matrix: ## all tests on the oldest and the newest Python, Django and PostgreSQL
	@TEST_ARGS='$(TEST_ARGS)' WORKERS='$(WORKERS)' .ci/matrix

mutations: .venv/.has-test ## take out each guard of docs/guards.md: its test must fail (minutes)
	$(python) -m tests.mutations

bench: .venv/.has-bench ## side by side with the peers; writes docs/benchmarks.md
	$(python) -m benchmarks --write $(BENCH_ARGS)

bench-quick: .venv/.has-bench ## a few figures in minutes, beside those of a saved run
	$(python) -m benchmarks.quick

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
	@test ! -L .venv || { echo "Not ours to make anew: .venv is a link to $$(readlink .venv)" >&2; exit 1; }
	@echo "Making .venv with $(PYTHON) ..." >&2
	@'$(PYTHON)' -m venv --clear .venv || { echo "On Debian: apt install python3-venv" >&2; exit 1; }
	@$(pip) --upgrade 'pip>=25.1'
	@$(pip) -e .
	@touch $@
