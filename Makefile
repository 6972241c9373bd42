# Two commands do all the set-up: `make run` and `make test`. Everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# The photo sets that `make model` trains on; nothing else needs them.
DATA ?= $(or $(SORTER_DATA),../shared/data)
# pip goes by people's own settings, such as a mirror; with INSTALLER=uv, as in .ci/run, all is there in a seventh of the time.
INSTALL := $(if $(filter uv,$(INSTALLER)),$(BIN)/uv pip install --quiet --python $(BIN)/python,$(BIN)/pip install --quiet)
# What runs without TensorFlow, a browser, an SSH server, root or waiting.
FAST := tests/unit tests/contract tests/line --numprocesses auto \
    -m "not (slow or realtime or needs_tensorflow or needs_browser or needs_sshd or needs_root)"

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-oldest test-pi lint wheel docs pictures proven bench model digests photo-sets lock tools clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 15

run: .venv/.run ## sort real photos on a simulated belt, page on http://localhost:8080
	$(BIN)/sorter run --demo

test: .venv/.test tools ## run all tests: those that wait for the clock one after the other, at the end
	$(BIN)/pytest -m "not realtime and not pi" --numprocesses auto --dist loadfile --no-loadscope-reorder --junitxml=build/tests/together.xml $(PYTEST_ARGS)
	$(BIN)/pytest -m "realtime and not pi" --junitxml=build/tests/realtime.xml $(PYTEST_ARGS)

test-fast: .venv/.fast ## the tests that need no TensorFlow, browser, SSH server, root or waiting: three minutes
	$(BIN)/pytest $(FAST) $(PYTEST_ARGS)

test-oldest: .venv/.fast ## these with the oldest packages that pyproject.toml allows: what pip installs is the newest
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-oldest
	$(BIN)/uv pip install --quiet --python .venv-oldest --resolution lowest-direct --editable '.[edge,test]'
	.venv-oldest/bin/pytest $(FAST) $(PYTEST_ARGS)

# Folders of tests/pi, for one part alone: make test-pi PART=processor
PART ?=
test-pi: .venv/.fast ## as on a Pi: its processor, its camera library, a machine with its kernel (as root; keeps 8 GB in .cache/pi)
	@tests/pi/install-tools
	$(BIN)/pytest tests/pi/$(PART) --junitxml=build/tests/pi.xml $(PYTEST_ARGS)

proven: .venv/.fast ## write the tables of docs/proven-on-a-pi.md from what `make test-pi` measured
	$(BIN)/python docs/generate/proven.py

lint: .venv/.test ## ruff, mypy, and the schemas of what GitHub reads
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docs/monitoring/compose.yml

# A folder left by an earlier build would bring files that are gone.
wheel: .venv/bin/python ## build the wheel in dist
	rm -rf build dist
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

# The variable spares a banner about the successors of MkDocs.
docs: .venv/.docs ## build the documentation in build/site; warnings, broken links among them, are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict && echo "the first page is build/site/index.html"

pictures: .venv/.test tools ## take the pictures of the page in docs/images anew, from the running demo
	$(BIN)/python docs/screenshots.py

bench: .venv/.test ## run the benchmarks
	$(BIN)/python benchmarks/loop.py
	$(BIN)/python benchmarks/actuation.py
	$(BIN)/python benchmarks/estop.py --change-every 5
	$(BIN)/python benchmarks/journal.py
	$(BIN)/python benchmarks/changeover.py
	$(BIN)/python benchmarks/push.py
	$(BIN)/python benchmarks/soak.py --minutes 2
	$(BIN)/python benchmarks/hall.py --minutes 5
	$(BIN)/python benchmarks/fuzz.py --cases 2000

# Another network, another version; LEFT_OUT names runs of `sorter train waste --leave-out SOURCE`, if there are any.
MODEL_VERSION := 2.1
LEFT_OUT ?=
model: photo-sets .venv/.test ## train, quantize and measure the shipped model anew from the photo sets in $(DATA)
	$(BIN)/sorter train waste --data $(DATA) --run runs/waste
	$(BIN)/sorter convert runs/waste --data $(DATA) --out edge/model --version $(MODEL_VERSION) --purity 0.95 $(addprefix --left-out ,$(LEFT_OUT))
	find edge/model -name 'waste-*.sorter' ! -name 'waste-$(MODEL_VERSION).sorter' -delete
	$(MAKE) digests

digests: ## have stations take the models of edge/model without a signature: their digests are added to the list
	cd edge/model && sha256sum *.sorter | sort -u -o digests.txt - digests.txt

photo-sets:
	@test -f '$(DATA)/waste/train.txt' || { echo 'make model: $(DATA)/waste/train.txt is not there: fetch the photo sets that training/recipes/waste.toml lists (TrashNet is at github.com/garythung/trashnet) and name the folder that holds them, DATA=FOLDER or SORTER_DATA=FOLDER' >&2; exit 2; }

lock: .venv/.fast ## pin what a Pi installs, with hashes, in docs/install
	$(call pinned,pi-bookworm,3.11,aarch64-manylinux_2_36,numpy<2)
	$(call pinned,pi-trixie,3.13,aarch64-manylinux_2_40,numpy>=2)

tools: ## install the Debian packages that the tests drive (asks for root only when one is missing)
	@tests/install-tools

clean: ## remove the virtual environments
	rm -rf .venv .venv-* build

# A wanted extra is installed once, and again when pyproject.toml changes.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edge-sorter needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip $(filter uv,$(INSTALLER))

.venv/.run: .venv/bin/python pyproject.toml
	$(INSTALL) --editable '.[edge]'
	touch $@

.venv/.fast: .venv/bin/python pyproject.toml
	$(INSTALL) --editable '.[edge,test]'
	touch $@ .venv/.run

.venv/.docs: .venv/bin/python pyproject.toml
	$(INSTALL) --editable '.[edge,docs]'
	touch $@ .venv/.run

.venv/.test: .venv/bin/python pyproject.toml
	$(INSTALL) --editable '.[edge,training,converter,dev]'
	touch $@ .venv/.run .venv/.fast .venv/.docs

# $(1): file, $(2): Python, $(3): platform, $(4): what its picamera2 asks of NumPy. No wheel is built on a Pi.
# gpiozero's backports-strenum is for Python < 3.11 from 1.3 on; pip sees that and takes an older one, uv does not.
define pinned
	@printf '%s\n' '$(4)' 'backports-strenum<1.3' | $(BIN)/uv pip compile pyproject.toml - --extra edge --quiet --upgrade --generate-hashes --only-binary :all: \
	    --python-version $(2) --python-platform $(3) --no-emit-index-url --no-annotate --custom-compile-command 'make lock' \
	    --output-file docs/install/$(1).txt
endef
