# `make help` lists what can be done. Everything runs in .venv, which is made when it is first needed.
.DEFAULT_GOAL := help
.PHONY: help demo up down status trigger logs page shell reader-address clean test test-fast test-quoting test-places test-alerts coverage bench check lint types format lock venv

PYTHON ?= python3
WORKERS ?= 2
MONITORING ?=
SYMBOLS ?=
WHAT ?=
PROCESS ?= *
PORT ?= 8090
BACKUP ?= backup
UPGRADE ?=
VERSION ?= 5.2.1
THIS_PYTHON := $(if $(filter command,$(origin PYTHON)),--this-python)
# What a person gives is data: make takes it as it is written (value), and a shell sees it as a variable only.
GIVEN := PYTHON WORKERS MONITORING SYMBOLS WHAT PROCESS PORT BACKUP UPGRADE
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)
PY := .venv/bin/python
# What a person's shell says to another Python would say it to ours: PYTHONHOME, PYTHONWARNINGS, PYTHONSTARTUP …
unexport $(filter-out PYTHON,$(filter PYTHON%,$(.VARIABLES)))
export PYTHONPATH := $(CURDIR)

help: ## List the targets
	@if [ -t 1 ] && [ -z "$$NO_COLOR" ]; then bold='\033[1m' plain='\033[0m'; fi; \
	awk -F ':.*## ' -v bold="$$bold" -v plain="$$plain" \
	  '/^[a-z-]+:.*## / {gsub(/\$$\$$/, "$$", $$2); printf "  %s%-15s%s %s\n", bold, $$1, plain, $$2}' $(MAKEFILE_LIST)

venv: ## Make or update .venv from the lock
	@"$$PYTHON" local/install.py $(THIS_PYTHON)

demo: venv ## Start the cluster, run the pipeline once, show the quotes, stop (no Docker, no key)
	@$(PY) -m local demo --workers="$$WORKERS"

up: venv ## Start the cluster and leave it running: make up WORKERS=4; MONITORING=1 starts Prometheus too
	@$(PY) -m local up --workers="$$WORKERS" --monitoring="$$MONITORING"

down: venv ## Stop the cluster; what it stored stays
	@$(PY) -m local down

status: venv ## Show each process, its health, and where the pages are
	@$(PY) -m local status

trigger: venv ## Trigger the pipeline and watch it: make trigger SYMBOLS=IBM,AAPL
	@$(PY) -m local trigger --symbols="$$SYMBOLS"

logs: venv ## Follow the logs: make logs PROCESS=worker-1
	@$(PY) -m local logs -- "$$PROCESS"

page: venv ## Show the Market page without Airflow, on 127.0.0.1: make page PORT=8090
	@$(PY) -m plugins.market --port="$$PORT"

shell: venv ## Open a shell with the cluster's settings
	@$(PY) -m local shell

reader-address: venv ## Print the address at which your own programs may read: psql "$$(make -s reader-address)"
	@$(PY) -m local reader-address

clean: venv ## Stop the cluster and delete everything that it stored
	@$(PY) -m local clean

# Each process has servers of its own. The first one takes the cluster room, the others share the rest test by test
# (tests/conftest.py).
SIDE_BY_SIDE := -n logical --maxprocesses 6
test: venv ## Run all tests (real PostgreSQL, Redis, Airflow and Celery; about ten minutes on two cores)
	@$(PY) -m pytest $(SIDE_BY_SIDE)

test-fast: venv ## Run all tests but those that start a whole cluster (about two minutes)
	@$(PY) -m pytest $(SIDE_BY_SIDE) --ignore tests/cluster

test-quoting: venv ## Pass 500 passwords and 100 paths through every program that reads one
	@QUOTED_VALUES=500 $(PY) -m pytest tests/common/test_quoting.py

test-places: venv ## Run the committed tree in odd folders, as other users and with other Pythons: make test-places WHAT="-k worst"
	@set -f; $(PY) -m pytest -m places tests/places $$WHAT

test-alerts: venv ## Make each fault on a real cluster, and see its alert raised, told and cleared (minutes; needs Prometheus)
	@$(PY) -m pytest -m alerts tests/cluster/test_monitoring.py

coverage: venv ## Measure what the tests reach of common/ and workers/; fails below 95 %
	@$(PY) -m pytest -q --ignore tests/cluster --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

bench: venv ## Measure everything side by side (takes hours): make bench WHAT="limiter floor"
	@.venv/bin/uv pip install --quiet --require-hashes -r requirements-bench.lock
	@set -f; $(PY) -m benchmarks $$WHAT

check: lint types ## Lint and check the types

lint: venv
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

types: venv
	@$(PY) -m mypy

format: venv ## Format the code
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

# The lock holds no index addresses, so that it works behind any mirror.
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: venv ## Compile the lock files from pyproject.toml (UPGRADE=--upgrade for newer versions)
	set -f; $(LOCK) $$UPGRADE pyproject.toml -o requirements.lock
	set -f; $(LOCK) $$UPGRADE --extra local --extra export --extra dashboards --extra test -c requirements.lock pyproject.toml -o requirements-local.lock
	set -f; $(LOCK) $$UPGRADE --extra bench -c requirements-local.lock pyproject.toml -o requirements-bench.lock

# NOTICE is not in the package: look whether the makers changed theirs. The charts' tests then say whether the page still fits.
VENDORED := $(CURDIR)/plugins/market/static/vendor
.PHONY: chart-library screenshots
screenshots: venv ## Take the pictures of the Market page for docs/ (needs Chromium)
	@SCREENSHOTS=docs/market-page $(PY) -m pytest -q tests/page/browser/test_screenshots.py

chart-library: ## Bring another version of the page's chart library (needs npm): make chart-library VERSION=5.2.1
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && cd "$$folder" && \
	npm pack --silent "lightweight-charts@$$VERSION" >/dev/null && tar -xzf ./*.tgz && \
	cp package/dist/lightweight-charts.standalone.production.js "$(VENDORED)/" && \
	cp package/LICENSE "$(VENDORED)/lightweight-charts.LICENSE" && cd "$(VENDORED)" && \
	sha256sum lightweight-charts.standalone.production.js | tee lightweight-charts.sha256

# --- Docker
.PHONY: test-compose test-images passwords reload backup restore pin-images

test-compose: venv ## Test the Compose cluster for real (needs Docker; about ten minutes)
	@$(PY) -m pytest -m compose tests/compose

test-images: venv ## Test what is too slow for every run: a registry's images, docker compose watch (needs docker-registry)
	@$(PY) -m pytest -m registry tests/compose

passwords: ## Docker: show how to log in to Airflow and Flower
	@docker compose run --rm -T secrets show

reload: ## Docker: bring changed code into every container
	@docker compose build --quiet && docker compose up --detach --wait

backup: ## Docker: dump the databases into a folder: make backup BACKUP=folder
	@config/container/backup dump "$$BACKUP"

restore: ## Docker: restore the databases from a folder: make restore BACKUP=folder
	@config/container/backup restore "$$BACKUP"

pin-images: ## Docker: print .env lines that pin the base images to today's digests (needs a registry)
	@for pair in "BASE_IMAGE=$${BASE_IMAGE:-python:3.13-slim-trixie}" "POSTGRES_IMAGE=$${POSTGRES_IMAGE:-postgres:17-bookworm}" \
	    "REDIS_IMAGE=$${REDIS_IMAGE:-redis:8-bookworm}"; do \
	  image=$${pair#*=}; repository=$$(echo "$$image" | sed -E 's/@.*//; s#:[^/]*$$##'); \
	  docker pull --quiet "$$image" >/dev/null || exit 1; \
	  echo "$${pair%%=*}=$$(docker image inspect --format '{{join .RepoDigests "\n"}}' "$$image" | grep "^$$repository@")"; done
