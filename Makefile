# Every target creates and fills .venv when needed, with plain python3 and pip.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Music for the demo; empty for twelve Creative Commons excerpts.
MUSIC ?=

.PHONY: demo pictures test test-beets lint model bench compare clean

demo: $(VENV)/.installed
	$(BIN)/python -m demo $(if $(MUSIC),"$(MUSIC)")

pictures: $(VENV)/.model
	$(BIN)/python -m docs.pictures

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

# beets' own tests beside this plugin, in virtual environments of their own.
test-beets: $(VENV)/bin/python
	$(BIN)/python -m tests.beets_suite

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.wording

model: $(VENV)/.model
	$(BIN)/python -m training build

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks
	$(BIN)/python -m training documents

compare: $(VENV)/.compare $(VENV)/.model
	$(BIN)/python -m training compare $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# One dependency group each: make test installs what the tests need, and so on.
$(VENV)/.%: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

clean:
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
