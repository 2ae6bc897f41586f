# One set-up for everything: .venv, made once and again when requirements change.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Threads of the linear-algebra libraries; anode spreads over processes instead.
export OMP_NUM_THREADS ?= 1

.PHONY: run test lint docs dataset reproduce benchmark clean

run: $(VENV)/installed
	$(RUN) scripts/run.py experiment=anode run_dir=results/anode/default

test: $(VENV)/installed-dev
	$(RUN) -m pytest -n 2 --dist loadfile

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/installed-dev
	$(RUN) -m sphinx -W -b html docs docs/_build/html

dataset: $(VENV)/installed-dev
	$(RUN) scripts/generate.py

reproduce: $(VENV)/installed
	$(RUN) scripts/reproduce.py

benchmark: $(VENV)/installed-dev
	$(RUN) scripts/benchmark.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/pip install --disable-pip-version-check -q -e .
	touch $@

$(VENV)/installed-dev: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/pip install --disable-pip-version-check -q -e '.[dev]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
