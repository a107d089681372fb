# Everything a person or a machine does with this repository; bare `make` prints the list.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
SEED ?= 1
BROKERS ?= 1
ARGS ?=
KAFKA_LIBS := build/kafka/libs/.complete

.DEFAULT_GOAL := help
.PHONY: help setup stubs run run-kafka test lint format simulate research soak vectors bench-log bench-orders bench-margin bench-listings bench-pulse compiled \
	tools kafka kafka-stop kafka-status lock wheel clean

help: ## this list
	@echo "Vigil, an exchange in which margin never sleeps. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed stubs ## virtual environment, locked dependencies, protobuf stubs (the others do it themselves)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3 setup"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "The venv module is missing; on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(VENV)/.locked: requirements/dev.txt | $(VENV)/bin/python
	@echo "setup: installing the locked dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.installed: pyproject.toml setup.py $(VENV)/.locked
	@$(PY) protos/generate.py
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

stubs: $(VENV)/.locked ## Python modules of protos/vigil/v1 into protos/gen, importable as vigil.v1
	@$(PY) protos/generate.py

run: setup ## the exchange in one process on the embedded log, under ./run; options in ARGS
	@$(PY) -m services.local run $(ARGS)

run-kafka: setup tools ## the same services as processes on a real Kafka broker; options in ARGS
	@$(PY) -m services.local run-kafka $(ARGS)

test: setup ## every part of the test-suite, one after the other, with times
	@$(PY) tests/run_parts.py $(ARGS)

lint: setup ## ruff, mypy strict, import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

format: setup ## format and repair what ruff can
	@$(VENV)/bin/ruff check --fix --quiet . ; $(VENV)/bin/ruff format .

simulate: setup ## one simulated history with faults: SEED=7
	@$(PY) -m tests.simulation --seed $(SEED) $(ARGS)

research: setup ## what pools and pulses change, on a recorded month (MARKET_DATA names its folder); files in build/research; ARGS="--days 3"
	@$(PY) -m services.local research pulse $(ARGS)

soak: setup ## simulated histories without end; with MINUTES=10 the whole venue with participants instead
	@$(PY) $(if $(MINUTES),-m tests.soak --minutes $(MINUTES),-m tests.simulation --soak) $(ARGS)

vectors: setup ## write tests/vectors anew; review the difference
	@$(PY) -m tests.vectors $(ARGS)

bench-log: setup tools ## throughput and latency of the logs and the host; figures in build/bench/log.json
	@$(PY) -m bench.log $(ARGS)

bench-orders: setup tools ## orders per second and latency end to end; figures in build/bench/orders.json; ARGS=--quick
	@$(PY) -m bench.orders $(ARGS)

bench-margin: setup ## what margin costs with up to a million positions, and the end of a market; build/bench/margin.json; ARGS=--quick
	@$(PY) -m bench.margin $(ARGS)

bench-listings: setup ## a thousand markets of one file against ten; figures in build/bench/listings.json; ARGS=--quick
	@$(PY) -m bench.listings $(ARGS)

bench-pulse: setup ## one pulse of a market with up to a million positions, along a recorded hour; build/bench/pulse.json; ARGS=--quick
	@$(PY) -m bench.pulse $(ARGS)

compiled: setup ## machines, formulas and the book compiled with mypyc, as a copy of the services in build/compiled
	@$(PY) deploy/compiled.py $(ARGS)

tools: | $(VENV)/bin/python ## what the full test-suite needs beyond Python: Java, jars of Kafka, Prometheus, npm packages
	@$(PY) deploy/kafka/tools.py
	@$(PY) protos/examples/tools.py
	@$(PY) deploy/tools.py

kafka: tools ## a Kafka broker of our own on port 19092; BROKERS=3 starts three
	@$(PY) deploy/kafka/broker.py start --brokers $(BROKERS) $(ARGS)

kafka-stop: ## stop it; its data stays under build/kafka/data
	@$(PYTHON) deploy/kafka/broker.py stop $(ARGS)

kafka-status: ## say whether it runs
	@$(PYTHON) deploy/kafka/broker.py status $(ARGS)

lock: $(VENV)/.locked ## resolve requirements/*.txt anew from pyproject.toml
	@VENV=$(VENV) requirements/lock.sh

wheel: setup ## build/dist/vigil_exchange-*.whl
	@$(PY) -m build --quiet --wheel --no-isolation --outdir build/dist

clean: kafka-stop ## remove everything that was generated, fetched or written by running
	rm -rf $(VENV) build dist run protos/gen protos/examples/node_modules *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
