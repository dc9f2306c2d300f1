# Two commands on a fresh machine: `make demo` and `make test`. Everything lives in ./.venv and ./out.
PYTHON ?= python3
# The build of torch. This one is the small CPU build where it is offered; `make install TORCH=torch` takes the newest.
TORCH  ?= torch==2.13.0
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell printf '%s' '$(TORCH)' | cksum | cut -d' ' -f1)
OUT    := out/demo
EDITS  := --edit smile=+2 --edit age=+2 --edit yaw=+1.5
PORT   ?= 4200
# Processes that run tests, each with servers of its own and up to 2 GB.
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)

# Settings of other Prefect or Ray installations must not leak into the demo and the tests.
CLEAN  := env $(shell env | sed -nE 's/^((PREFECT|RAY)_[A-Za-z0-9_]*)=.*/-u \1/p') PREFECT_HOME=$(CURDIR)/out/prefect

.PHONY: install demo ui test slow check clean

install: $(STAMP)

$(STAMP): pyproject.toml
	@echo "installing into ./$(VENV) (about 3.7 GB, one to three minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar off '$(TORCH)' -e '.[dev]'
	@rm -f $(VENV)/.installed-*
	@touch $@

demo: install
	$(CLEAN) $(BIN)/oodinv augment --source examples/photos --target $(OUT) --format png --keep masks $(EDITS)
	@echo "look at: $$(ls -t $(OUT)/runs/*/contact_sheet.jpg | head -1)"

# The demo with a Prefect server whose UI is open until Ctrl-C.
ui: install
	$(CLEAN) $(BIN)/python -m flows.ui --port $(PORT) -- --source examples/photos --target out/ui --keep masks $(EDITS)

test: install
	$(CLEAN) $(BIN)/pytest -q -n $(WORKERS) --maxprocesses 8

# One after another: they kill processes and watch clocks.
slow: install
	$(CLEAN) $(BIN)/pytest -q -m slow

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(CLEAN) $(BIN)/pytest -q -n $(WORKERS) --maxprocesses 8

clean:
	rm -rf out .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
