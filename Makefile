# Every target works from a bare clone: Python 3.11 or newer, gcc or clang, make; `make help` lists them.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
PARALLEL := --numprocesses auto
BENCH   ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: demo test test-torch lint fmt ci docs fuzz kill-test bench clean help

demo: $(VENV)/.demo ## train on scikit-learn's digits; IR, C and plots land in demo/
	$(BIN)/python examples/digits.py

test: $(VENV)/.test ## the default suite: pytest, and lit for the .mlir files
	$(BIN)/python -m pytest $(PARALLEL)

test-torch: $(VENV)/.torch ## compare training with PyTorch (a large download)
	$(BIN)/python -m pytest tests/torch $(PARALLEL)

lint: $(VENV)/.dev ## ruff and pyright, nothing changed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

fmt: $(VENV)/.dev ## format, and apply ruff's safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

ci: ## what continuous integration runs
	.ci/run

docs: $(VENV)/.test ## write the pages and pictures that are made from the code
	PYTHONPATH=tests/support $(BIN)/python docs/ops.py
	$(BIN)/python docs/levels.py

fuzz: $(VENV)/.test ## 5000 random programs, or EXAMPLES=n; one that fails is left as reproducer-*.mlir
	$(BIN)/python -m pytest tests/numeric/test_random_graphs.py -k "keep or slopes or compiled or emulated" \
		--hypothesis-profile=fuzz $(PARALLEL)

kill-test: $(VENV)/.test ## kill a training 50 times at random moments, or KILLS=n; it ends with the same bits
	KILLS=$${KILLS:-50} $(BIN)/python -m pytest -s tests/programs/test_kill_and_resume.py

bench: $(VENV)/.test ## time nnc beside the peers that are installed: benchmarks/README.md
	$(BIN)/python benchmarks/bench.py --threads 2 $(BENCH)
	$(BIN)/python benchmarks/bench.py --threads 1 $(BENCH)

clean: ## remove the environment, caches and demo output
	rm -rf $(VENV) demo .pytest_cache .ruff_cache build dist src/*.egg-info

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One stamp per extra of pyproject.toml, so that each target installs what it needs and no more.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nnc needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
