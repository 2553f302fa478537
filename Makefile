# Verbs of this repository; `make` alone lists them.
# Paths are relative throughout, so that a checkout whose path holds blanks works.

ARGS ?=
# More than cores: much of the time goes to waiting for processes that were stopped on purpose.
JOBS ?= 4
# Each of these runs several gateways: more at once only make each other late.
LENGTHY_JOBS ?= 3

RUN := .venv/bin/python -m

.PHONY: help setup local test test-lengthy unit test-real-s3 test-real-s3-checksums test-deploy check-deploy soak check format lambda lock clean

help:  ## Show these verbs
	@echo "Verbs:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "ARGS= is handed to the program behind local, test, unit, soak, lambda and lock; PYTHON= picks the interpreter."

setup:  ## Prepare .venv with the pinned packages; quick when nothing changed
	@sh scripts/make-venv

# exec, so that a signal reaches the server itself and make repeats the server's own exit status.
local: setup  ## Run the whole gateway on this machine, with no account (ARGS="--help" tells more)
	@exec .venv/bin/tidegate local $(ARGS)

test: setup  ## Run the tests, but for the lengthy ones (ARGS="-k name" picks some)
	@$(RUN) pytest -n $(JOBS) --dist worksteal -m "not lengthy" $(ARGS)

test-lengthy: setup  ## Run the tests that are too long for make test
	@$(RUN) pytest -n $(LENGTHY_JOBS) --dist worksteal -m lengthy $(ARGS)

unit: setup  ## Run the tests that need neither server nor client
	@$(RUN) pytest tests/unit $(ARGS)

test-real-s3: setup  ## Run the S3 adapter against servers that check signatures and checksums (needs Go)
	@bash scripts/real-s3 $(ARGS)
	@bash scripts/real-s3-checksums $(ARGS)

# The second half of it alone, for where there is no Go.
test-real-s3-checksums: setup
	@bash scripts/real-s3-checksums $(ARGS)

test-deploy: setup  ## Deploy deploy/*.yaml into an emulator, ask every service, and run a gateway over it
	@bash scripts/test-deploy $(ARGS)

check-deploy: setup  ## Check deploy/ with cfn-lint, checkov and the schema of compose files
	@bash scripts/check-deploy

soak: setup  ## Send 2,000 files while gateways are killed at random (ARGS="--files 60")
	@.venv/bin/python tests/soak/soak.py $(ARGS)

check: setup  ## Lint, format check, types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

format: setup  ## Mend what the linter and the formatter can mend
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

lambda: setup  ## Build build/tidegate-lambda.zip for AWS Lambda (ARGS="--arch x86_64")
	@.venv/bin/python scripts/build-lambda $(ARGS)

# The locks keep the versions they have; ARGS=--upgrade moves them. serve.lock is what the container gets.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-header --no-annotate $(ARGS)
lock:  ## Write requirements/*.lock anew from pyproject.toml (needs uv; ARGS=--upgrade)
	@PATH="$$PATH:.venv/bin"; \
	command -v uv >/dev/null || { echo "make lock needs uv: install it with your packages or pipx" >&2; exit 1; }; \
	$(COMPILE) --all-extras --group dev --output-file requirements/dev.lock pyproject.toml && \
	$(COMPILE) --constraint requirements/dev.lock --output-file requirements/serve.lock pyproject.toml && \
	$(COMPILE) --constraint requirements/dev.lock --group pyproject.toml:build --output-file requirements/build.lock && \
	$(COMPILE) --group pyproject.toml:deploy-checks --output-file requirements/deploy-checks.lock && \
	$(COMPILE) --group pyproject.toml:deploy-emulator --output-file requirements/deploy-emulator.lock && \
	$(subst 3.11,3.13,$(COMPILE)) --group pyproject.toml:real-s3-checksums \
	    --output-file requirements/real-s3-checksums.lock

clean:  ## Remove .venv, caches, built packages and the local gateway's state
	rm -rf .venv .tidegate .clients dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
