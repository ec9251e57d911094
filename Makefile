# Pulssi: every command a person or CI needs. `make` alone lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
SOURCES := dashboards deploy schemas sinks streams tests

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test test-all lint types format bench chaos kills compiled plain wheel sbom image compose-up compose-down bare-up lock schemas messages pictures dashboards clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Pulssi needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check uv==$(UV_VERSION) 2>/dev/null || \
		{ $(BIN)/python -m ensurepip >/dev/null && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }

$(VENV)/.runtime: $(BIN)/uv locks/runtime.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r locks/runtime.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m deploy.bytecode # a stack is many processes: each starts sooner
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime locks/dev.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r locks/dev.txt
	@touch $@

install: $(VENV)/.runtime ## a virtual environment in .venv with locked versions and .venv/bin/pulssi

install-dev: $(VENV)/.dev

demo: install ## the whole of Pulssi on this machine, with a simulated contact centre (Ctrl-C ends it; make demo ARGS='--rate 20')
	$(BIN)/pulssi demo $(ARGS)

# Each process has its own broker and ClickHouse; a file's tests stay in one process, since they share a stack. Many tests
# wait for a server, so one process more than there are cores keeps these busy.
PROCESSES ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
PYTEST := $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations 20

test: install-dev ## the tests of a change, at most ten minutes on two cores (one: make test ARGS='tests/core -k wrap')
	$(PYTEST) -m 'not long' $(ARGS)

test-all: install-dev ## all tests, those that take long too (these alone: make test-all ARGS='-m long')
	$(PYTEST) $(ARGS)

lint: install-dev ## ruff: rules and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: install-dev ## put the code in order
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: install-dev ## mypy, strict
	$(BIN)/mypy

kills: install-dev ## kill -9 of each part of `pulssi up`, ten times, while events flow (make kills ARGS='--parts worker --rounds 3')
	$(BIN)/python -m tests.chaos.kills $(ARGS)

compiled: install-dev ## compile the hot path to C, next to its sources: the same numbers in about two thirds of the time
	$(BIN)/python -m deploy.compiled

plain: install ## remove what `make compiled` made
	$(BIN)/python -m deploy.compiled --remove

wheel: install-dev ## a wheel for this platform whose hot path is C, in dist/ (cibuildwheel: for all)
	rm -rf dist
	HATCH_BUILD_HOOKS_ENABLE=true $(BIN)/hatchling build --target wheel --directory dist

SBOM ?= dist/pulssi.cdx.json
sbom: install-dev ## what the image holds, as CycloneDX (make sbom SBOM=FILE)
	@mkdir -p $(dir $(SBOM))
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o $(SBOM) locks/image.txt

IMAGE ?= pulssi:latest
image: sbom ## the container image (needs Docker); IMAGE=registry.example/pulssi:1 names it
	docker build --file deploy/container/Dockerfile --build-arg REVISION="$$(git rev-parse HEAD)" --tag $(IMAGE) .

COMPOSE := docker compose --file deploy/compose/compose.yaml
compose-up: image ## all of Pulssi in containers (needs Docker); PROFILES=demo adds a simulated contact centre
	@# Folders as Compose reads them, from its file's; readable by the containers' user.
	@umask 022 && cd deploy/compose && ./make-secrets.sh "$${PULSSI_SECRETS_FOLDER:-./secrets}" && \
		{ [ -d "$${PULSSI_CONFIG_FOLDER:-./config}" ] || "$(CURDIR)/$(BIN)/pulssi" init "$${PULSSI_CONFIG_FOLDER:-./config}" > /dev/null; }
	PULSSI_IMAGE=$(IMAGE) $(COMPOSE) $(foreach profile,$(PROFILES),--profile $(profile)) up --detach

compose-down: ## end the containers; what they have written stays
	$(COMPOSE) --profile '*' down

bare-up: install ## the containers' topology as processes, without Docker (make bare-up ARGS='--config config --profile demo')
	$(BIN)/python -m deploy.bare $(ARGS)

bench: install-dev ## events a second, next to idiomatic Faust in the same run
	$(BIN)/python -m tests.bench $(ARGS)

chaos: install-dev ## faults of every kind while events flow, and no number differs (make chaos ARGS='--seed 7 --events 50000')
	$(BIN)/python -m tests.chaos $(ARGS)

lock: $(BIN)/uv ## write locks/ again from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra embedded -o locks/runtime.txt locks/build.in pyproject.toml $(ARGS)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra embedded --extra sqlserver --extra mysql --extra postgresql --group dev -o locks/dev.txt pyproject.toml $(ARGS)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra sqlserver --extra mysql --extra postgresql -c locks/dev.txt -o locks/image.txt pyproject.toml $(ARGS)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -c locks/dev.txt -o locks/image-build.txt locks/image-build.in $(ARGS)

schemas: install ## write schemas/json and the generated docs again from the models
	$(BIN)/python -m deploy.contract_files

messages: install-dev ## take the page's words into the PO files, and compile these to what the page loads
	$(BIN)/python -m deploy.translations

pictures: install-dev ## pictures of the wallboard in docs/pictures: boards, languages, screens (make pictures ARGS='/tmp/there default-en')
	$(BIN)/python -m tests.dashboards.pictures $(ARGS)

dashboards: install ## write dashboards/grafana again from the definitions
	$(BIN)/pulssi dashboards build

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
