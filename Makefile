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
# What builds the image: the first of docker, podman and buildah that answers. A docker command without its daemon does not.
ENGINE ?=
IMAGE ?= gatekeeper:$(VERSION)
# Where `make image-push` and `make chart-push` publish, e.g. ghcr.io/OWNER, and for which processors.
REGISTRY ?=
PLATFORMS ?= linux/amd64,linux/arm64
# The tag that `make release-check` compares with the version
TAG ?=
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' gatekeeper/__init__.py)
# The Debian of `make core-on-debian`
SUITE ?= trixie
# The tests that start no other program and need no network: what runs on each version of Python.
IN_MEMORY := tests/config tests/gate tests/process tests/proxy tests/refusal tests/settings tests/telemetry tests/tls tests/wire
# What depends on the versions of other packages: settings (pydantic), pages (jinja2), parser (httptools), loop
# (uvloop), certificates and keys (cryptography), assertions (pyjwt), OCSP, health checks, files and status (aiohttp),
# orders (acme), codes (segno), completions (shtab), passphrases (zxcvbn), tables (rich).
LOWEST := tests/config tests/process tests/refusal tests/settings tests/wire tests/gate/test_gate_ocsp.py \
  tests/acme tests/admin tests/embedded $(addprefix tests/ca/test_ca_,bundle.py keys.py ml_dsa.py) \
  $(addprefix tests/cli/test_cli_,completion.py passphrases.py qr.py terminal.py top.py) \
  $(wildcard tests/gate/test_gate_revocation*.py) $(addprefix tests/tls/test_tls_,build.py connection.py floods.py) \
  $(wildcard tests/proxy/test_proxy_client_*.py tests/proxy/test_proxy_upstream_*.py) tests/proxy/test_proxy_ocsp.py

# Where the compiled form is made
COMPILED := build/compiled
# What runs on the compiled form beside them.
ON_BOTH_FORMS := $(addprefix tests/e2e/test_,http2_clients_are_served.py large_bodies_cost_no_memory.py metrics_and_status_tell.py \
  real_clients_are_served.py reload_loses_no_request.py revoked_is_out_within_a_second.py streams_are_passed_on_at_once.py)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test core core-compiled core-on-debian test-lowest check style types reference-current bench instructions instructions-compiled format reference docs man image image-push dist compiled wheels sbom chart chart-push sign stamp notes release-check release clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## a CA, certificates, a small app and the gate in front of it, ready to try
	$(BIN)/gatekeeper demo $(DEMO_ARGS)

test: $(VENV)/.installed-dev $(VENV)/.installed-apps ## the whole test suite
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

core: $(VENV)/.installed-dev ## the tests that need no other program, on the Python of $(PYTHON)
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(IN_MEMORY) $(PYTEST_ARGS)

# trixie has Python 3.13 with OpenSSL 3.5; sid has whatever is new.
core-on-debian: ## the tests of `make core` in another Debian, e.g. SUITE=sid (needs root, debootstrap and git)
	sh releasing/core_on_debian.sh $(SUITE)

# An environment of its own, so that the one of all other words stays as it is.
test-lowest: $(VENV)/.made ## tests in memory on the lowest version of each dependency that pyproject.toml allows
	$(MAKE) VENV=build/lowest build/lowest/.made
	build/lowest/bin/python -m pip install --quiet packaging
	build/lowest/bin/python releasing/lowest.py > build/lowest/constraints.txt
	build/lowest/bin/python -m pip install --quiet --constraint build/lowest/constraints.txt --editable . --group dev
	build/lowest/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(LOWEST) $(PYTEST_ARGS)

check: style types reference-current ## all that is judged without running: style, types, generated files

style: $(VENV)/.installed-dev ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev ## mypy, strict
	$(BIN)/mypy

# What is generated from gatekeeper/settings/ and the parser, by the form that gatekeeper.cli.reference knows it under.
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

# On the distribution's Python, which is what is measured. Without a compiler the compiled form is left out.
bench: $(VENV)/.installed-dev ## the speed of gatekeeper, nginx, HAProxy, Caddy, Traefik and Envoy in one table
	-$(MAKE) $(COMPILED)/.made $(if $(wildcard /usr/bin/python3),PYTHON=/usr/bin/python3 VENV=build/python)
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

instructions: $(VENV)/.installed-dev ## whether an exchange became dearer, counted by valgrind
	$(BIN)/python -m benchmarks.instructions

instructions-compiled: $(COMPILED)/.made ## the same of the compiled form
	cd $(COMPILED) && $(abspath $(BIN))/python -m benchmarks.instructions

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

image: ## the container image, by the first of docker, podman and buildah that answers
	@for engine in $(or $(ENGINE),docker podman buildah); do \
	  if [ -n "$(ENGINE)" ] || $$engine info >/dev/null 2>&1; then \
	    echo "$$engine build -t $(IMAGE) ."; exec $$engine build --build-arg VERSION=$(VERSION) -t $(IMAGE) .; \
	  fi; \
	done; echo "make image needs docker, podman or buildah, and none of them answers" >&2; exit 2

image-push: ## the image for all PLATFORMS, with SBOM and provenance, to REGISTRY (docker buildx)
	@test -n "$(REGISTRY)" || { echo "make image-push REGISTRY=ghcr.io/OWNER" >&2; exit 2; }
	mkdir -p build
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) --sbom=true --provenance=mode=max \
	  --metadata-file build/image.json --push -t $(REGISTRY)/gatekeeper:$(VERSION) -t $(REGISTRY)/gatekeeper:latest .

dist: $(VENV)/.installed-dist ## wheel and sdist in dist/, checked, and the wheel tried in an empty environment
	rm -rf dist build/wheel-trial
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv build/wheel-trial
	build/wheel-trial/bin/pip install --quiet dist/*.whl
	build/wheel-trial/bin/gatekeeper --version
	rm -rf build/wheel-trial

compiled: $(VENV)/.installed-dist ## a compiled wheel in dist/, for this Python and processor (needs a C compiler)
	HATCH_BUILD_HOOKS_ENABLE=1 $(BIN)/python -m build --wheel

wheels: $(VENV)/.installed-wheels ## compiled wheels in dist/, for each Python and processor (cibuildwheel, needs docker)
	$(BIN)/cibuildwheel --output-dir dist

# A copy of the checkout with the extension modules in it: the checkout itself stays interpreted.
$(COMPILED)/.made: $(VENV)/.installed-dev $(VENV)/.installed-compiling $(shell git ls-files --cached --others --exclude-standard 2>/dev/null)
	rm -rf $(COMPILED)
	mkdir -p $(COMPILED)
	git ls-files -z --cached --others --exclude-standard | tar -cf - --null --files-from=- | tar -xf - -C $(COMPILED)
	$(BIN)/python $(COMPILED)/releasing/compiled.py $(COMPILED)
	touch $@

core-compiled: $(COMPILED)/.made ## the tests of `make core` on the compiled form, and that it says what the source says
	cd $(COMPILED) && EXPECTED_FORM=compiled PYTHONPATH=$(abspath $(COMPILED)) $(abspath $(BIN))/python -m pytest \
	  -n $(TEST_PROCESSES) --dist loadfile $(IN_MEMORY) $(ON_BOTH_FORMS) $(PYTEST_ARGS)

sbom: $(VENV)/.installed-dist ## what the wheel in dist/ brings with it, as CycloneDX, dist/gatekeeper-VERSION.cdx.json
	rm -rf build/sbom
	$(BIN)/python -m venv build/sbom
	build/sbom/bin/pip install --quiet dist/mtls_gatekeeper-$(VERSION)-py3-none-any.whl
	build/sbom/bin/pip uninstall --quiet --yes setuptools pip
	$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file \
	  dist/gatekeeper-$(VERSION).cdx.json build/sbom/bin/python
	rm -rf build/sbom

chart: $(VENV)/.installed-dev ## the Helm chart, dist/gatekeeper-VERSION.tgz
	mkdir -p dist
	$(BIN)/python releasing/release.py chart dist $(REGISTRY)

chart-push: ## the packed chart to REGISTRY/charts, as an OCI artifact (helm)
	@test -n "$(REGISTRY)" || { echo "make chart-push REGISTRY=ghcr.io/OWNER" >&2; exit 2; }
	helm push dist/gatekeeper-$(VERSION).tgz oci://$(REGISTRY)/charts

sign: $(VENV)/.installed-sign ## a Sigstore bundle beside each file in dist/; asks who you are, or runs in a workflow
	$(BIN)/python -m sigstore sign $(filter-out %.sigstore.json,$(wildcard dist/*))

stamp: $(VENV)/.made ## write the version of gatekeeper/__init__.py into chart, manifests and Dockerfile
	$(BIN)/python releasing/release.py stamp

notes: $(VENV)/.made ## the section of CHANGELOG.md about this version
	@$(BIN)/python releasing/release.py notes

release-check: $(VENV)/.made ## whether version, TAG, changelog, chart and manifests agree
	@$(BIN)/python releasing/release.py check $(TAG)

release: release-check check test dist sbom chart image ## everything that must hold before a version is given away

clean: ## remove what the other words made
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find gatekeeper tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian keeps ensurepip in a package of its own; where it is missing, the outer pip puts one into the environment.
# A new pip, because dependency groups (PEP 735) came with 25.1.
$(VENV)/.made:
	@echo "making a Python environment, $(VENV) …" >&2
	rm -rf $(VENV)
	if $(PYTHON) -c 'import ensurepip' 2>/dev/null; \
	then $(PYTHON) -m venv $(VENV); \
	else $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; fi
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "installing gatekeeper and its dependencies into $(VENV), which takes a while …" >&2
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-%: $(VENV)/.installed
	@echo "installing what is needed for $*, as pyproject.toml lists it, into $(VENV), which takes a while …" >&2
	$(BIN)/python -m pip install --quiet --group $*
	touch $@
