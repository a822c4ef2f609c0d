# Everything a newcomer needs: each target does its own set-up.
VENV ?= .venv
PYTHON = $(VENV)/bin/python
READY = $(VENV)/.complete
COMPILED = build/compiled

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs conformance bench compiled image lock clean

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

$(READY): requirements.lock pyproject.toml tools/setup.sh
	@tools/setup.sh $(VENV)

demo: $(READY)  ## Run sandbox and gateway together, make calls, stay up to be tried
	@$(PYTHON) -m gateway demo $(ARGS)

test: $(READY)  ## Run the tests
	@tools/debian.sh curl node=nodejs npm prometheus chromium buildah debootstrap systemd-analyze=systemd || true
	@$(PYTHON) -m pytest $(ARGS)
	@[ -n "$(ARGS)" ] || TESTS_FAST_PATH=false $(PYTHON) -m pytest tests/conformance tests/faults tests/canary
	@[ -n "$(ARGS)" ] || tools/debian.sh gcc || { echo "SKIPPED: the tests of the compiled gateway need gcc: apt-get install gcc"; exit 0; }; \
		[ -n "$(ARGS)" ] || $(MAKE) --no-print-directory compiled test-compiled

compiled: $(COMPILED)/.complete  ## Make build/compiled/bin/gateway, whose hot modules are compiled
$(COMPILED)/.complete: $(READY) setup.py tools/compiled.sh $(shell find gateway -name '*.py')
	@tools/compiled.sh $(VENV) $(COMPILED)

test-compiled: $(COMPILED)/.complete
	@TESTS_COMPILED=true $(COMPILED)/bin/python -P -m pytest -o pythonpath= tests/test_compiled.py tests/fastpath tests/faults tests/canary

lint: $(READY)  ## Check style, types and import contracts
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet . || { echo "make format brings the files above into form"; exit 1; }
	@$(PYTHON) -m mypy
	@$(VENV)/bin/lint-imports --no-logo
	@$(PYTHON) -m tools.docs --check
	@$(PYTHON) -m tools.dashboards --check

format: $(READY)  ## Bring the files into form
	@$(PYTHON) -m ruff check --fix --quiet . ; $(PYTHON) -m ruff format .

docs: $(READY)  ## Write the tables of the documentation and the dashboards anew from the code
	@$(PYTHON) -m tools.docs
	@$(PYTHON) -m tools.dashboards

bench: $(READY)  ## Compare with other proxies, measure memory, write docs/speed.md
	@tools/debian.sh wrk || true
	@$(PYTHON) -m bench $(ARGS)

conformance: $(READY)  ## Measure the cache by the suite of cache-tests.fyi and write docs/cache-conformance.md
	@$(PYTHON) -m tools.conformance

image: $(READY)  ## Build the container image with Docker, Podman or buildah
	@PYTHON=$(PYTHON) tools/image.sh $(TAG)

lock: $(READY)  ## Lock the newest packages that pyproject.toml allows
	@$(PYTHON) -m pip install --quiet pip-tools
	@$(PYTHON) -m piptools compile --quiet --upgrade --extra test --generate-hashes --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --strip-extras --no-header --no-annotate --allow-unsafe -o requirements.lock pyproject.toml
	@$(PYTHON) -m piptools compile --quiet --extra tracing -c requirements.lock --generate-hashes --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --strip-extras --no-header --no-annotate --allow-unsafe -o requirements-runtime.lock pyproject.toml

clean:  ## Remove what the other targets made
	@rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
