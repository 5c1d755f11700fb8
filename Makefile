# Every target creates and fills .venv when needed, with plain python3 and pip.
PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
# Music for the demo; empty for twelve Creative Commons excerpts.
MUSIC ?=
# The version of beets for test-wheel: lowest, newest or main.
BEETS ?= newest
# The tag of a release; empty for a dry run.
TAG ?=

.PHONY: demo pictures test test-browser test-cluster test-wheel test-beets lint model bench compare dist release clean

demo: $(VENV)/.installed
	$(BIN)/python -m demo $(if $(MUSIC),"$(MUSIC)")

pictures: $(VENV)/.model $(VENV)/.browser
	$(BIN)/python -m docs.pictures

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

# The review page in Chromium: `chromium` of the path, or CHROMIUM.
test-browser: $(VENV)/.browser
	$(BIN)/python -m pytest --browser $(ARGS) tests/browser

# Schedulers and workers of Dask on this machine.
test-cluster: $(VENV)/.cluster
	$(BIN)/python -m pytest --cluster $(ARGS) tests/cluster

# The built wheel with a version of beets, in a virtual environment of its own.
test-wheel: $(VENV)/pyvenv.cfg
	$(BIN)/python -m tests.wheel_suite $(BEETS) $(ARGS)

# beets' own tests beside this plugin, in virtual environments of their own.
test-beets: $(VENV)/pyvenv.cfg
	$(BIN)/python -m tests.beets_suite

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.wording

# One set of kernels, so that processors with AVX-512 export the same networks as others.
model: export OPENBLAS_CORETYPE = Haswell
model: $(VENV)/.model
	$(BIN)/python -m training build

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks $(ARGS)

compare: $(VENV)/.compare $(VENV)/.model
	$(BIN)/python -m training compare $(ARGS)

dist: $(VENV)/.release
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m check_wheel_contents dist/*.whl

# Show the metadata and files of a release, and fail if it is not ready. Uploads nothing.
release: dist
	$(BIN)/python -m tests.release dist

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.installed: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# One dependency group each: make test installs what the tests need, and so on.
$(VENV)/.%: pyproject.toml | $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

clean:
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
