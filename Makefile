# `make demo` and `make test` do all their own set-up, in .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-browser test-ptx test-gpu lint docs imports

demo: $(BIN)/chainrule
	$(BIN)/chainrule demo

# The test processes use the cores already: one BLAS thread for each, and OpenMP's are not to wait
# awake. The CUDA kernels run in Numba's simulator, which a process is in from its start.
test: $(BIN)/chainrule
	OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/pytest --numprocesses auto
	NUMBA_ENABLE_CUDASIM=1 $(BIN)/pytest --numprocesses auto tests/cuda

# The pages in Debian's chromium (apt-get install chromium), by doing what a person does.
test-browser: $(BIN)/chainrule
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,browser]'
	OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/pytest --numprocesses auto tests/browser

# The CUDA kernels compiled, without a GPU.
test-ptx: $(BIN)/chainrule
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,ptx]'
	$(BIN)/pytest --numprocesses auto tests/ptx

# On a machine with a GPU, in an environment that has the extras test and cuda13 or cuda12, whose
# libraries may warn of what is not ours.
test-gpu:
	$(PYTHON) -m pytest -W default tests/gpu tests/cuda

lint: $(BIN)/chainrule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The API reference, a page a module, from the docstrings: open api/index.html. A package lists its
# own modules again, which is the only warning that is no error.
docs: $(BIN)/chainrule
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	$(BIN)/python -W error -W "ignore:The module specification" -m pdoc --output-directory api \
		$$(find autograd kernels models -name '*.py' ! -name '__main__.py' \
		| sed 's#/__init__##; s#\.py$$##; s#/#.#g' | sort)

# The drawing of the imports in CONTRIBUTING.md.
imports: $(BIN)/chainrule
	$(BIN)/python -m tests.imports

$(BIN)/chainrule: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@
