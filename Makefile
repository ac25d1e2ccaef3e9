# Every target sets up what it needs: git, make and Python 3.11 or newer are enough.
.DEFAULT_GOAL := help
.PHONY: help demo test lint check bench docs nightly fresh clean
BIN := .venv/bin
# The documents' examples say `python` and `penstock`, as in an environment that is active.
# Each worker has servers of its own; tests marked `serial` come last, alone (tests/workers.py). A quarter of the time
# of a test is waiting, so three workers keep two cores busy: 40 s of unit tests, 47 with two.
WORKERS ?= 3
TEST = PATH="$(CURDIR)/.venv/bin:$$PATH" $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=25

ON_NEWER_POSTGRES := tests/exporter/postgres tests/exporter/test_reads_exactly.py tests/loader \
	-k "postgres and not mysql and not mariadb and not sqlite"

help:           ## Say what can be made
	@sed -n 's/^\([a-z]*\): *.*## \(.*\)/  make \1\t\2/p' Makefile

demo:           ## Make a small shop on SQLite and bring one of its days to its revenue table
	@.ci/setup demo
	@$(BIN)/penstock demo --folder .demo

lint:           ## Format, lint, types, import contracts
	@.ci/setup all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint     ## Format, lint, types, import contracts, unit tests
	$(TEST) --durations=0 --durations-min=5 -m "not integration and not nightly"

test:           ## Run all tests; servers they need are installed where that needs no question (make test ARGS="-k fence")
	@.ci/setup all
	@$(BIN)/python -m tests.servers.install
	$(TEST) $(ARGS)

nightly:        ## Run all tests, those that take too long for every day, and all on bare Debian
	@.ci/setup all
	@$(BIN)/python -m tests.servers.install nightly
	@failed=0; \
	$(TEST) -m "nightly or not nightly" $(ARGS) || failed=1; \
	PENSTOCK_TEST_POSTGRES=newer $(TEST) -m "nightly or not nightly" $(ON_NEWER_POSTGRES) || failed=1; \
	$(BIN)/python -m tests.fresh --if-possible $(ARGS) || failed=1; \
	exit $$failed

fresh:          ## Run demo and tests on bare Debian 12 and 13 (debootstrap, as root; make fresh FRESH=13 ARGS="-k fence")
	@.ci/setup all
	@FRESH="$(FRESH)" $(BIN)/python -m tests.fresh $(ARGS)

bench:          ## Measure against other tools and write docs/benchmarks.md
	@.ci/setup all
	@$(BIN)/python -m tests.servers.install
	$(BIN)/python -m bench $(ARGS)

docs:           ## Build the documentation as a site, with search, into site/ (open site/index.html)
	@.ci/setup all
	@$(BIN)/python docs/site/build.py site

clean:          ## Remove everything that was set up, built or cached here
	rm -rf .venv .tools .cache .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist site
	find . -name __pycache__ -prune -exec rm -rf {} +
