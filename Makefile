# `make demo` and `make test` do all their own set-up, in .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint

demo: $(BIN)/chainrule
	$(BIN)/chainrule train vae

# One BLAS thread for each of the test processes, which use the cores already.
test: $(BIN)/chainrule
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto

lint: $(BIN)/chainrule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/chainrule: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@
