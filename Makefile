PYTHON ?= python
PACKAGES := ir passes targets tools

.PHONY: help ns dev lint types docs test slow check dist wheel release integrations oldest newest

help:              ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/ -/'

ns:                ## what the type checkers read: a link to each folder under one name
	@mkdir -p build/ns/irquant
	@for p in $(PACKAGES); do ln -sfn ../../../$$p build/ns/irquant/$$p; done
	@for p in tools/package/*.py tools/package/py.typed; do ln -sfn ../../../$$p build/ns/irquant/$${p##*/}; done

dev: ns            ## an editable install with everything that the checks need
	$(PYTHON) -m pip install --quiet -e '.[dev]'

lint:              ## ruff, both halves
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: ns          ## mypy --strict and pyright strict
	$(PYTHON) -m mypy
	$(PYTHON) -m pyright --pythonpath "$$($(PYTHON) -c 'import sys; print(sys.executable)')"

docs: ns           ## the documentation as a site, in build/site; broken links and directives are errors
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

test:              ## the suite against the tree, but for what takes minutes
	$(PYTHON) -m pytest

slow:              ## what takes minutes: generated networks, corpora, killed processes, documents, browsers
	$(PYTHON) -m pytest -m slow

check: lint types docs test slow

dist:              ## the wheel, and the tests away from the source
	rm -rf build/lib build/wheel
	$(PYTHON) -m build --outdir build/wheel .
	mkdir build/wheel/run && cp -r tests pyproject.toml build/wheel/run/

wheel: dist        ## the suite against the built wheel, away from the source
	$(PYTHON) -m pip install --quiet --no-deps --target build/wheel/site build/wheel/*.whl
	cd build/wheel/run && PYTHONPATH=../site $(PYTHON) -m pytest -p no:cacheprovider

release:           ## sdist and wheel in dist/, checked and tried; publishes nothing
	.ci/release $(PYTHON)

integrations:      ## irquant in Olive and with Optimum Intel, in a venv of their own
	rm -rf build/integrations && $(PYTHON) -m venv build/integrations
	build/integrations/bin/pip install --quiet -e '.[dev,olive]' optimum-intel
	build/integrations/bin/python -m pytest -m "slow or not slow" tests/integrations

oldest:            ## the suite with the lowest versions that pyproject.toml names, in a venv of their own
	rm -rf build/oldest && $(PYTHON) -m venv build/oldest
	grep -o '"[a-z][a-z0-9-]*>=[0-9.]*"' pyproject.toml | tr -d '"' | sed 's/>=/==/' >build/oldest/constraints.txt
	build/oldest/bin/pip install --quiet -c build/oldest/constraints.txt -e '.[dev]'
	build/oldest/bin/python -m pytest $(TESTS)

newest:            ## the suite with the newest versions that there are, pre-releases too, in a venv of their own
	rm -rf build/newest && $(PYTHON) -m venv build/newest
	build/newest/bin/pip install --quiet --pre --upgrade -e '.[dev]'
	build/newest/bin/python -m pytest $(TESTS)
