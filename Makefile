# Account Credit. `make` alone lists the commands.
#
# PORT, DATABASE_URL and REDIS_URL reach the server from the environment or the command line:
#   make run PORT=9000 DATABASE_URL=postgres://…
# The tests never touch those: they start a PostgreSQL and a Redis of their own, or use the
# throwaway servers that TEST_DATABASE_URL and TEST_REDIS_URL name.

BIN := .venv/bin
# Every process that tests or benchmarks start sees none of the real databases. It keeps what it has
# compiled, even where containers say not to: hundreds of processes would compile all modules anew.
OWN_SERVERS := env -u DATABASE_URL -u REDIS_URL -u PORT -u PYTHONDONTWRITEBYTECODE
# More than there are processors: tests wait for servers, disks and locks most of the time.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# A file stays on one worker, and with it the servers that it starts; the longest come first.
PYTEST := $(OWN_SERVERS) $(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" pyproject.toml $(UPGRADE)

.PHONY: help run setup quick test soak check bench lock
.DEFAULT_GOAL := help

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

run: setup ## set up, migrate, fill an empty database with demo data and serve on 127.0.0.1:8000
	@exec $(BIN)/account-credit serve --demo

setup: ## make .venv with exactly what the lock pins, build the portal, install Pango where that is allowed
	@.ci/setup

QUICK := tests/test_project.py tests/test_readmes.py tests/models/test_money.py \
	tests/models/journal/test_deciding.py tests/models/invoices/test_deposit.py \
	tests/models/invoices/test_order.py tests/models/payments/test_settlement.py \
	tests/schema/test_contract.py \
	tests/schema/test_mutations.py tests/schema/test_queries.py tests/schema/engine/test_limits.py \
	tests/journeys/test_adding_funds.py

quick: setup ## what a change most likely breaks: the rules, the schema, one journey, on SQLite
	@$(PYTEST) --database sqlite $(QUICK) $(ARGS)

test: check ## set up, check the code and run the tests on SQLite and on PostgreSQL
	@echo "Testing on SQLite"
	@$(PYTEST) --database sqlite $(ARGS)
	@echo "Testing on PostgreSQL"
	@$(PYTEST) --database postgres $(ARGS)

soak: setup ## the hostile tests in their long form, on both databases: races, crashes, load
	@echo "Soaking on SQLite"
	@SOAK=1 $(PYTEST) --database sqlite tests/hostile $(ARGS)
	@echo "Soaking on PostgreSQL"
	@SOAK=1 $(PYTEST) --database postgres tests/hostile $(ARGS)
	@echo "Running on PostgreSQL what make test runs on SQLite alone"
	@SOAK=1 $(PYTEST) --database postgres -m once --ignore tests/hostile tests $(ARGS)

check: setup ## check style, types and the direction of imports
	@echo "Checking style"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@echo "Checking types"
	@$(BIN)/mypy
	@echo "Checking the direction of imports"
	@$(BIN)/lint-imports --no-logo
	@echo "Checking the pages' sources"
	@$(BIN)/python api/web/build.py check

bench: setup ## measure requests, live push, start-up and PDF on both databases; prints, never fails
	@echo "Measuring on both databases"
	-@$(OWN_SERVERS) $(BIN)/python -m tests.bench $(ARGS)

lock: setup ## write the hashed requirement files again (UPGRADE=--upgrade takes newer releases)
	@echo "Locking what runs, what develops and what sets up"
	@$(LOCK) --output-file requirements.txt
	@$(LOCK) --constraints requirements.txt --group dev --output-file requirements-dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --constraints requirements-dev.txt \
		--group build --output-file requirements-build.txt
