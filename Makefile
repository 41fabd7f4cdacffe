.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check bench archive clean

# The CPU build of torch (2 GB instead of 6 on Linux): make demo TORCH_INDEX=<address of PyTorch's CPU index>
export TORCH_INDEX ?=
# The interpreter for a new virtual environment: make demo PYTHON=/path/to/python3.12
PYTHON ?=
# A virtual environment elsewhere: make demo VENV=<directory>
export VENV ?= .venv
export BENCH_VENV ?= .venv-bench

BIN := $(VENV)/bin
WITH_JAVA = JAVA_HOME="$$(cat $(VENV)/claimlens-java-home)"

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Virtual environment, tested versions, Java, Delta jars; does nothing the second time
	@PYTHON="$(PYTHON)" ./set_up.sh

demo: setup ## Render claims with photos, classify, index and report them; then say where to look
	@$(WITH_JAVA) $(BIN)/claimlens run --config demo
	@echo
	@echo "Look at   .claimlens/demo/report.html"
	@echo "Search    $(BIN)/claimlens search 'a red car with a dented door' --config demo --html .claimlens/demo/search.html"
	@echo "Runs      $(BIN)/mlflow ui --backend-store-uri sqlite:///.claimlens/demo/mlflow/mlflow.db"

test: setup ## Run the tests; one of them: ARGUMENTS="tests/unit/settings"
	@$(WITH_JAVA) $(BIN)/python -m pytest -n 3 -m "not slow" $(ARGUMENTS)

test-slow: setup ## Run what takes long: a real cluster, Spark Connect, a killed driver, every job on a finished place
	@$(WITH_JAVA) $(BIN)/python -m pytest -n 3 -m slow $(ARGUMENTS)

check: setup ## Lint, formatting, types, and the arrows between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit/test_architecture.py

bench: setup ## Measure against other engines, in an environment of its own; two and a half hours. More: ARGUMENTS=--help
	@tests/benchmarks/set_up.sh
	@$(WITH_JAVA) $(BENCH_VENV)/bin/python -m tests.benchmarks --memory --residency \
		--output tests/benchmarks/results \
		--update tests/benchmarks/README.md --ratios README.md $(ARGUMENTS)

archive: setup ## Build dist/claimlens.zip, which spark-submit --py-files takes
	@$(BIN)/python -m jobs.spark.archive dist/claimlens.zip
	@echo dist/claimlens.zip

clean: ## Remove what the demo and the tests made; the virtual environment stays
	@rm -rf .claimlens .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build spark-warehouse metastore_db derby.log
