# One set-up for everything: .venv, made once and again when requirements change.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(VENV)/bin/pip install --disable-pip-version-check -q
# Threads of the linear-algebra libraries; anode spreads over processes instead.
export OMP_NUM_THREADS ?= 1

.PHONY: run test test-all lint docs wheel dataset reproduce benchmark clean

run: $(VENV)/installed
	$(RUN) -m anode run experiment=anode run_dir=results/anode/default

test: $(VENV)/installed-dev
	$(RUN) -m pytest -n 2 --dist loadfile -m "not slow"

test-all: $(VENV)/installed-dev
	$(RUN) -m pytest -n 2 --dist loadfile

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/installed-dev
	$(RUN) -m sphinx -W -b html docs docs/_build/html

wheel: $(VENV)/installed
	rm -rf build dist
	$(VENV)/bin/pip wheel --disable-pip-version-check -q --no-deps -w dist .

dataset: $(VENV)/installed-dev
	$(RUN) -m anode generate

reproduce: $(VENV)/installed
	$(RUN) -m anode reproduce

benchmark: $(VENV)/installed-dev
	$(RUN) -m anode benchmark

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt pyproject.toml setup.py | $(VENV)/bin/python
	$(PIP) -r requirements.txt -e .
	touch $@

$(VENV)/installed-dev: requirements.txt requirements-dev.txt pyproject.toml setup.py | $(VENV)/bin/python
	$(PIP) -r requirements-dev.txt -e '.[dev]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist docs/_build .mypy_cache .ruff_cache .pytest_cache
