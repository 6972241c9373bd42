# Two commands do all the set-up: `make run` and `make test`. Everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# The photo sets that `make model` and the tests read.
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help run test lint bench model digests tools clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

run: .venv/.run ## sort real photos on a simulated belt, page on http://localhost:8080
	$(BIN)/sorter run --demo

test: .venv/.test tools ## run all tests
	$(BIN)/pytest $(PYTEST_ARGS)

lint: .venv/.test ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.test ## run the benchmarks
	$(BIN)/python benchmarks/loop.py
	$(BIN)/python benchmarks/actuation.py
	$(BIN)/python benchmarks/estop.py --change-every 5
	$(BIN)/python benchmarks/journal.py
	$(BIN)/python benchmarks/changeover.py
	$(BIN)/python benchmarks/push.py
	$(BIN)/python benchmarks/soak.py --minutes 2
	$(BIN)/python benchmarks/fuzz.py --cases 2000

model: .venv/.test ## train, quantize and measure the shipped model anew from the photo sets in $(DATA)
	$(BIN)/sorter train waste --data $(DATA) --run runs/waste
	$(BIN)/sorter convert runs/waste --data $(DATA) --out edge/model --version 1.2 --purity 0.95
	$(MAKE) digests

digests: ## have stations take the models of edge/model without a signature: their digests are added to the list
	cd edge/model && sha256sum *.sorter | sort -u -o digests.txt - digests.txt

tools: ## install the Debian packages that the tests drive (asks for root only when one is missing)
	@tests/install-tools

clean: ## remove the virtual environments
	rm -rf .venv .venv-tflite build

# A wanted extra is installed once, and again when pyproject.toml changes.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edge-sorter needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

.venv/.run: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[edge]'
	touch $@

.venv/.test: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[edge,training,converter,dev]'
	touch $@ .venv/.run
