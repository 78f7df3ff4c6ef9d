# `make run` is all a new machine needs. Every path here is relative, so the checkout may lie in a path with spaces.

PYTHON ?= python3
TEST_WORKERS ?= 2
ARGS ?=

PY := .venv/bin/python
LAUNCHER := $(PY) -m launcher
STAMP := .venv/installed.stamp
LOCK_FLAGS := --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	--strip-extras --allow-unsafe --no-header --quiet

.DEFAULT_GOAL := help
.PHONY: help install run serve test bench bench-quick bench-scaleout screenshots lint format types migrate makemigrations manage shell messages lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## prepare .venv with the locked packages (every other target does this first; PYTHON=python3.11)

$(STAMP): requirements/all.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 ...' >&2; exit 2; }
	@$(PY) -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv || \
		{ echo 'Could not make .venv; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 2; }
	@echo 'Installing the locked packages into .venv; this happens once and may take a minute.'
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/all.txt
	@touch $@

run: install ## start everything with a demo; Ctrl-C ends it (WEB_PORT=8000 CIS_PORT=8101 HEADEND_PORT=8102)
	@$(LAUNCHER) run

serve: install ## start web, worker and beat, configured by the environment and .env
	@$(LAUNCHER) serve

test: install ## run the tests on throw-away services (ARGS="-k pattern" TEST_WORKERS=2)
	@$(LAUNCHER) with-services -- $(PY) -m pytest -n $(TEST_WORKERS) $(ARGS)

bench: install ## measure floors, peers and the project (ARGS="settlement --rounds 5"; DATABASE_URL or its own server)
	@$(LAUNCHER) with-services --durable -- $(PY) -m benchmarks $(ARGS)

bench-quick: install ## the same at small sizes: minutes
	@$(LAUNCHER) with-services --durable -- $(PY) -m benchmarks --quick $(ARGS)

bench-scaleout: install ## senders on several hosts (network namespaces: Linux, root), one cut off; needs RabbitMQ
	@$(PY) -m benchmarks scaleout $(ARGS)

screenshots: install ## take the pictures in docs/images from a running `make run` (DEMO_PASSWORD=… as it prints)
	@$(PY) -m tests.browser.screenshots $(ARGS)

lint: install ## check style and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: install ## format, and mend what can be mended automatically
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: install ## check the types
	@DEBUG=true $(PY) -m mypy .

migrate: install ## bring the database's tables up to date
	@$(LAUNCHER) manage migrate $(ARGS)

makemigrations: install ## write migrations for changed models (ARGS="app --name what")
	@$(LAUNCHER) manage makemigrations $(ARGS)

manage: install ## run manage.py on the running services, or on its own (ARGS="settle --through 2026-01-01")
	@$(LAUNCHER) manage $(ARGS)

shell: install ## open a Python shell on the services
	@$(LAUNCHER) manage shell $(ARGS)

messages: install ## collect and compile translations (needs gettext)
	@$(LAUNCHER) manage makemessages --all --no-location --ignore '.venv/*' --ignore 'var/*' $(ARGS)
	@msgen locale/en/LC_MESSAGES/django.po -o locale/en/LC_MESSAGES/django.po
	@$(LAUNCHER) manage compilemessages --ignore '.venv/*'

lock: ## resolve pyproject.toml anew into requirements/ (ARGS="--upgrade")
	@test -x .venv/pip-tools/bin/python || $(PYTHON) -m venv .venv/pip-tools
	@.venv/pip-tools/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	@.venv/pip-tools/bin/python -m piptools compile $(LOCK_FLAGS) $(ARGS) \
		--all-extras --output-file requirements/all.txt pyproject.toml
	@.venv/pip-tools/bin/python -m piptools compile $(LOCK_FLAGS) $(ARGS) \
		--constraint requirements/all.txt --output-file requirements/runtime.txt pyproject.toml

clean: ## remove .venv and caches; the data of `make run` stays
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info staticfiles
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
