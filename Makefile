# Few verbs. `lab` and `test` set up .venv in the checkout by themselves.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: lab test test-vllm check soak bench docs clean

lab: $(READY)
	$(BIN)/outcrop lab

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The conformance tests over vLLM's CPU build too, in an environment of its own that is made once (minutes, 6 GB).
test-vllm: $(READY)
	OUTCROP_TEST_VLLM="$$($(BIN)/python benchmarks/environments.py vllm)" \
	$(BIN)/python -m pytest -m both_engines --timeout 1200 tests/conformance

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/docs

soak: $(READY)
	OUTCROP_COUNTS=full $(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(READY)
	$(BIN)/python benchmarks/control_plane.py --quick
	$(BIN)/python benchmarks/dataset_check.py --quick
	$(BIN)/python benchmarks/training.py --quick
	$(BIN)/python benchmarks/serving.py --quick

docs: $(READY)
	$(BIN)/python -m outcrop.cli.reference docs/reference

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,check]'
	touch $@
