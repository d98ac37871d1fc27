# Everything a person does with this project, one word each. `make help` lists the words.
# Needed: Python 3.11 or later with pip, and make. Nothing is installed outside $(VENV).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# What `gatekeeper demo` gets, e.g. make demo DEMO_ARGS=--check
DEMO_ARGS ?=
# What pytest gets, e.g. make test PYTEST_ARGS="tests/gate -x"
PYTEST_ARGS ?=
# Test processes. Two, because the end-to-end tests are several processes each already.
TEST_PROCESSES ?= 2
# What `python -m benchmarks` gets
BENCH_ARGS ?=
# The first of these that is there builds the image; all three understand `build -t`.
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(shell command -v $(engine) 2>/dev/null)))
IMAGE ?= gatekeeper:latest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check style types reference-current bench instructions format reference docs man image dist release clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## a CA, certificates, a small app and the gate in front of it, ready to try
	$(BIN)/gatekeeper demo $(DEMO_ARGS)

test: $(VENV)/.installed-dev ## the whole test suite
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

check: style types reference-current ## all that is judged without running: style, types, generated files

style: $(VENV)/.installed-dev ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev ## mypy, strict
	$(BIN)/mypy

# What is generated from gatekeeper/settings/tables.py and the parser, by the form that gatekeeper.cli.reference knows it under.
REFERENCES := toml:config/gatekeeper.toml markdown:docs/configuration.md schema:config/gatekeeper.schema.json cli:docs/cli.md

reference-current: $(VENV)/.installed ## whether the files made by `make reference` are up to date
	@set -e; for pair in $(REFERENCES); do \
	  $(BIN)/python -m gatekeeper.cli.reference $${pair%%:*} | diff -u $${pair#*:} - \
	    || { echo "$${pair#*:} is out of date: make reference" >&2; exit 1; }; \
	done

reference: $(VENV)/.installed ## the reference of configuration and commands, written anew from the code
	set -e; for pair in $(REFERENCES); do \
	  $(BIN)/python -m gatekeeper.cli.reference $${pair%%:*} > $${pair#*:}; \
	done

bench: $(VENV)/.installed-dev ## the speed of gatekeeper, nginx, HAProxy, Caddy and Traefik in one table
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

instructions: $(VENV)/.installed-dev ## whether an exchange became dearer, counted by valgrind
	$(BIN)/python -m benchmarks.instructions

format: $(VENV)/.installed-dev ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs ## the documentation as a site, in site/
	$(BIN)/mkdocs build --strict

man: $(VENV)/.installed-docs ## the manual page, build/gatekeeper.1
	mkdir -p build
	$(BIN)/argparse-manpage --module gatekeeper.cli --function make_parser --prog gatekeeper \
	  --project-name gatekeeper --description 'a gate that asks for client certificates' \
	  --manual-title 'User commands' --include config/man/sections.roff --output build/gatekeeper.1

image: ## the container image, by docker, podman or buildah
	@test -n "$(ENGINE)" || { echo "make image needs docker, podman or buildah" >&2; exit 2; }
	$(ENGINE) build -t $(IMAGE) .

dist: $(VENV)/.installed-dist ## wheel and sdist in dist/, checked, and the wheel tried in an empty environment
	rm -rf dist build/wheel-trial
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv build/wheel-trial
	build/wheel-trial/bin/pip install --quiet dist/*.whl
	build/wheel-trial/bin/gatekeeper --version
	rm -rf build/wheel-trial

release: check test dist image ## everything that must hold before a version is given away

clean: ## remove what the other words made
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find gatekeeper tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian keeps ensurepip in a package of its own; where it is missing, the outer pip puts one into the environment.
# A new pip, because dependency groups (PEP 735) came with 25.1.
$(VENV)/.made:
	rm -rf $(VENV)
	if $(PYTHON) -c 'import ensurepip' 2>/dev/null; \
	then $(PYTHON) -m venv $(VENV); \
	else $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; fi
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group $*
	touch $@
