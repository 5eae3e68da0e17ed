# make demo    install, compile the shipped digits network, run its test images, check against the float network
# make test    the test suite, with the tests against Lava
# make lint    ruff and mypy
# make lava    the separate environment for Lava (Python 3.10)
# make nengo   the separate environment for nengo-loihi's emulator (Python 3.9), for the benchmark
# make neurobench  the separate environment for NeuroBench, and the comparison of counts with it
# make benchmark  train the benchmark's networks and time them beside the float frameworks, fills docs/performance.md
# make wheel   build the wheel and try it in an empty environment
# make extras  each framework alone in a fresh environment, with its frontend tests (EXTRAS=norse for one)
# make clean   remove what was built;  make distclean: the environments as well
#
# PYTHON, LAVA_PYTHON and NENGO_PYTHON choose the interpreters; PIP_ARGS is passed to pip; PYTEST_ARGS to pytest.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
LAVA := .venv-lava
NEUROBENCH := .venv-neurobench
NENGO := .venv-nengo
BIN := $(VENV)/bin
PIP_ARGS ?=
PYTEST_ARGS ?=
BENCHMARK_ARGS ?=
EXTRAS ?=
PYTEST_WORKERS ?= 2
DEMO := digits-conv

.PHONY: help demo test lint lava nengo neurobench benchmark wheel extras clean distclean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

demo: $(VENV)/.stamp-all
	rm -rf build/$(DEMO)
	$(BIN)/compile models/weights/$(DEMO).pt --target loihi-sim -o build/$(DEMO)
	$(BIN)/seamount run build/$(DEMO) --data digits
	$(BIN)/seamount check models/weights/$(DEMO).pt --data digits

test: $(VENV)/.stamp-dev $(LAVA)/.stamp-lava
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) $(PYTEST_ARGS)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lava: $(LAVA)/.stamp-lava

nengo: $(NENGO)/.stamp-nengo

neurobench: $(VENV)/.stamp-dev $(NEUROBENCH)/.stamp-neurobench
	$(BIN)/python -m pytest -m slow tests/energy/test_neurobench.py

benchmark: $(VENV)/.stamp-dev
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e '.[all,bench]'
	$(BIN)/python -m benchmarks $(BENCHMARK_ARGS)

wheel: $(VENV)/.stamp-dev
	$(BIN)/python -m pytest -m slow tests/test_packaging.py

extras:
	.ci/extras $(EXTRAS)

$(VENV)/bin/python:
	@python="$$(.ci/find-python -o "$(PYTHON)" 3.11 3.12 3.13 3.14)"; "$$python" -m venv $(VENV)

$(VENV)/.stamp-all: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e '.[all]'
	touch $@

$(VENV)/.stamp-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e '.[all,dev]'
	touch $@ $(VENV)/.stamp-all

$(LAVA)/bin/python:
	@python="$$(.ci/find-python -o "$(LAVA_PYTHON)" 3.10)" || { \
	  echo "Lava (lava-nc 0.10.0) needs Python 3.10. Install one (uv python install 3.10, or pyenv install 3.10)" >&2; \
	  echo "or name one: make lava LAVA_PYTHON=/path/to/python3.10" >&2; exit 1; }; \
	"$$python" -m venv $(LAVA)

$(LAVA)/.stamp-lava: constraints-lava.txt | $(LAVA)/bin/python
	$(LAVA)/bin/python -m pip install --quiet $(PIP_ARGS) -c constraints-lava.txt lava-nc
	$(LAVA)/bin/python -c 'import lava.magma.core.run_configs'
	touch $@

$(NENGO)/bin/python:
	@python="$$(.ci/find-python -o "$(NENGO_PYTHON)" 3.9)" || { \
	  echo "nengo-loihi 1.1.0 needs Python 3.9. Install one (uv python install 3.9, or pyenv install 3.9)" >&2; \
	  echo "or name one: make nengo NENGO_PYTHON=/path/to/python3.9" >&2; exit 1; }; \
	"$$python" -m venv $(NENGO)

$(NENGO)/.stamp-nengo: constraints-nengo.txt | $(NENGO)/bin/python
	$(NENGO)/bin/python -m pip install --quiet $(PIP_ARGS) -c constraints-nengo.txt nengo-loihi
	$(NENGO)/bin/python -c 'import nengo_loihi.emulator'
	touch $@

$(NEUROBENCH)/bin/python:
	@python="$$(.ci/find-python -o "$(PYTHON)" 3.11 3.12 3.13)"; "$$python" -m venv $(NEUROBENCH)

$(NEUROBENCH)/.stamp-neurobench: constraints-neurobench.txt | $(NEUROBENCH)/bin/python
	$(NEUROBENCH)/bin/python -m pip install --quiet $(PIP_ARGS) -c constraints-neurobench.txt neurobench torch
	$(NEUROBENCH)/bin/python -c 'import neurobench.metrics.workload'
	touch $@

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find compiler frontends backends models tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(LAVA) $(NEUROBENCH) $(NENGO)
