# Two commands on a fresh machine: `make demo` and `make test`. Everything lives in ./.venv and ./out.
PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell printf '%s' '$(TORCH)' | cksum | cut -d' ' -f1)

.PHONY: install demo ui test check clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --progress-bar off '$(TORCH)' -e '.[dev]'
	rm -f $(VENV)/.installed-*
	touch $@
