# Every target creates the environment that it needs from Python alone; `make help` lists them.
PYTHON ?= python3
MIN_PYTHON := $(shell sed -n 's/^requires-python = ">=\(.*\)"/\1/p' pyproject.toml)
PYTHON_OLDEST ?= python$(MIN_PYTHON)
# With worksteal each process first runs neighbouring tests, which compile the same loops.
PYTEST_ARGS ?= --numprocesses=auto --dist=worksteal

VENV := .venv
OLDEST := .venv-oldest
INTEGRATIONS := .venv-integrations
WHEEL := .venv-wheel
BIN := $(VENV)/bin
PIP_INSTALL := -m pip --quiet --quiet install

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two targets must not install into one environment at the same time.
.NOTPARALLEL:
.PHONY: help demo test test-integrations test-oldest test-matrix test-wheel hunt coverage mutants examples bench lint \
  docs docs-test clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/installed-demo  ## Fit real data in raw units, search in shared passes, save the curves
	@mkdir -p demo
	@MPLBACKEND=Agg $(BIN)/python docs/examples/plot_diabetes.py demo/loss_curves.png

test: $(VENV)/installed-test  ## Run the tests and every documented example
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-integrations: $(INTEGRATIONS)/installed  ## Test with other packages, newest versions (before a release)
	@$(INTEGRATIONS)/bin/python -m pytest --numprocesses=0 tests/integrations

# `make test` runs all cases and compiles every component. With the oldest versions it is a third of
# the cases of tests that have many, and some of the compiled ones.
OLDEST_ARGS ?= --every 3
OLDEST_COMPILED ?= loss_of_the_user or cached or writable or single_precision

test-oldest: $(OLDEST)/installed-test  ## Run the tests with the oldest supported versions, first without Numba
	@$(OLDEST)/bin/python -c "import platform, numpy, sklearn; print('Python', \
	  platform.python_version(), '/ NumPy', numpy.__version__, '/ scikit-learn', sklearn.__version__)"
	@NUMBA_DISABLE_JIT=1 $(OLDEST)/bin/python -m pytest $(PYTEST_ARGS) $(OLDEST_ARGS)
	@$(OLDEST)/bin/python -m pytest $(PYTEST_ARGS) tests/solvers/compiled/test_compiled.py -k "$(OLDEST_COMPILED)"

test-matrix:  ## Run the tests on every installed Python, with the oldest and the newest dependencies
	@PYTEST_ARGS="$(PYTEST_ARGS)" .ci/matrix

WHEEL_TESTS ?= tests/test_package.py tests/test_public_api.py tests/solvers/test_stopping.py

test-wheel:  ## Build the distributions and test the wheel in a new environment
	@$(call require,$(PYTHON),>=,PYTHON)
	@rm -rf dist build $(WHEEL) && $(PYTHON) -m venv $(WHEEL)
	@echo "Building the source archive and the wheel"
	@$(WHEEL)/bin/python $(PIP_INSTALL) build
	@$(WHEEL)/bin/python -m build > $(WHEEL)/build.log 2>&1 || { cat $(WHEEL)/build.log; exit 1; }
	@mkdir -p build/wheel && cp -r pyproject.toml tests build/wheel
	@echo "Installing the wheel in $(WHEEL)"
	@$(WHEEL)/bin/python $(PIP_INSTALL) dist/*.whl
	@cd build/wheel && ../../$(WHEEL)/bin/python -W error -c "import skgd; \
	  print('skgd', skgd.__version__, 'from', skgd.__file__); \
	  assert 'site-packages' in skgd.__file__; \
	  classes = skgd.BatchGDRegressor, skgd.MiniBatchGDRegressor, skgd.SGDRegressor; \
	  models = [cls().fit([[-1.0], [0.0], [1.0]], [1.0, 3.0, 5.0]) for cls in classes]; \
	  errors = [abs(model.predict([[2.0]])[0] - 7) for model in models]; \
	  assert max(errors[:2]) < 1e-6 and errors[2] < 2, errors"
	@echo "Installing the packages that the tests need"
	@$(WHEEL)/bin/python $(PIP_INSTALL) "$$(ls dist/*.whl)[test]"
	@cd build/wheel && ../../$(WHEEL)/bin/python -m pytest $(PYTEST_ARGS) $(WHEEL_TESTS)

hunt: $(VENV)/installed-test  ## Test the contracts on thousands of new random tables
	@HYPOTHESIS_PROFILE=hunt $(BIN)/python -m pytest $(PYTEST_ARGS) tests/regressors/test_contracts.py tests/regressors/test_faults.py

coverage: $(VENV)/installed-test  ## Run the tests and list the lines that they do not run
	@$(BIN)/coverage erase
	@NUMBA_DISABLE_JIT=1 $(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

mutants: $(VENV)/installed-test  ## Mutation testing of the components and the descent loop
	@echo "Installing the mutation tester"
	@$(BIN)/python $(PIP_INSTALL) --group mutation
	@NUMBA_DISABLE_JIT=1 $(BIN)/mutmut run
	@$(BIN)/mutmut results

examples: $(VENV)/installed-examples  ## Run the scripts of the gallery
	@for script in docs/examples/plot_*.py; do \
	  echo "$$script"; MPLBACKEND=Agg $(BIN)/python "$$script" || exit 1; \
	done

bench: $(VENV)/installed-test  ## Compare the run times of skgd and other libraries (many minutes)
	@for script in $(filter-out benchmarks/measure.py,$(wildcard benchmarks/*.py)); do \
	  echo "$$script"; $(BIN)/python "$$script" || exit 1; \
	done

lint: $(VENV)/installed-lint  ## Check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: $(VENV)/installed-docs  ## Build the documentation in docs/_build/html
	@rm -rf docs/generated docs/_build/html  # pages of removed modules would remain
	@echo "Running the gallery and building the pages (minutes)"
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going $(if $(CI),--quiet) -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

docs-test: $(VENV)/installed-docs-test  ## Test links, images and formulas of the built documentation in Chromium
	@test -f docs/_build/html/index.html || $(MAKE) --no-print-directory docs
	@$(call chromium)
	@$(BIN)/python -m pytest --quiet --numprocesses=0 docs/test_site.py

clean:  ## Delete everything that the other targets created
	rm -rf $(VENV) $(OLDEST) $(INTEGRATIONS) $(WHEEL) .venv-matrix build dist mutants skgd.egg-info .hypothesis \
	  .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov \
	  demo docs/_build docs/auto_examples docs/generated
	find . -name __pycache__ -type d -exec rm -rf {} +

$(VENV)/created:
	@$(call require,$(PYTHON),>=,PYTHON)
	@echo "Creating $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@echo "Updating pip"
	@$(BIN)/python $(PIP_INSTALL) --upgrade pip
	@touch $@

$(OLDEST)/created:
	@$(call require,$(PYTHON_OLDEST),==,PYTHON_OLDEST)
	@echo "Creating $(OLDEST) (once)"
	@$(PYTHON_OLDEST) -m venv $(OLDEST)
	@echo "Updating pip"
	@$(OLDEST)/bin/python $(PIP_INSTALL) --upgrade pip
	@touch $@

$(VENV)/installed-lint: pyproject.toml $(VENV)/created
	@echo "Installing the linters (once)"
	$(call install,$(BIN)/python,--group lint)

# installed-EXTRA: an editable installation of skgd with an extra of pyproject.toml.
$(VENV)/installed-%: pyproject.toml setup.cfg $(VENV)/created
	@echo "Installing skgd[$*] (once)"
	$(call install,$(BIN)/python,--editable ".[$*]")

$(OLDEST)/installed-test: pyproject.toml setup.cfg $(OLDEST)/created
	@echo "Installing skgd[test] with its oldest dependencies (once)"
	@$(OLDEST)/bin/python -c "import tomllib; \
	  project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
	  print(*project['dependencies'], *project['optional-dependencies']['fast'], sep='\n')" \
	  > $(OLDEST)/bounds.txt
	@sed 's/>=/==/' $(OLDEST)/bounds.txt > $(OLDEST)/constraints.txt
	@echo 'pyarrow<22' >> $(OLDEST)/constraints.txt  # later versions need NumPy 2 but do not declare it
	$(call install,$(OLDEST)/bin/python,--constraint $(OLDEST)/constraints.txt --editable ".[test]")

$(INTEGRATIONS)/installed: pyproject.toml setup.cfg
	@$(call require,$(PYTHON),>=,PYTHON)
	@echo "Installing skgd[integrations] in $(INTEGRATIONS) (once)"
	@$(PYTHON) -m venv $(INTEGRATIONS)
	$(call install,$(INTEGRATIONS)/bin/python,--editable ".[integrations]")

# $(call install,INTERPRETER,ARGUMENTS): install with a line per package, with the size of each
# download, except in CI, and create $@.
define install
@rm -f $@; { $(1) -m pip install $(2) 2> $@.log && touch $@; } | \
  $(if $(CI),cat > /dev/null,grep --line-buffered -Eo $(PROGRESS_LINES)); \
  test -e $@ || { cat $@.log; exit 1; }
endef

PROGRESS_LINES := "^(Collecting|Processing) [^ ]+|^ *Downloading [^/ ]+ \([^)]+\)|^Building .*|^Installing .*packages"

# $(call require,INTERPRETER,COMPARISON,VARIABLE): stop unless the interpreter is Python $(MIN_PYTHON).
define require
$(1) -c "import sys; sys.exit(not sys.version_info[:2] $(2) tuple(map(int, '$(MIN_PYTHON)'.split('.'))))" \
  2>/dev/null || { echo "$(1) is not Python $(2) $(MIN_PYTHON). Use: make $(3)=/path/to/python"; exit 1; }
endef

# Stop unless there is a browser; on Debian and its derivatives, root installs one.
define chromium
command -v chromium chromium-browser google-chrome >/dev/null \
  || { test "$$(id -u)" = 0 && echo "Installing Chromium (once)" >&2 && apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
       apt-get -qq install -y --no-install-recommends chromium; } >/dev/null \
  || $(BIN)/python -c "import os; from playwright.sync_api import sync_playwright; \
       p = sync_playwright().start(); is_installed = os.path.exists(p.chromium.executable_path); \
       p.stop(); raise SystemExit(not is_installed)" \
  || { echo "Needs Chromium: install the package chromium, or run $(BIN)/playwright install chromium"; exit 1; }
endef
