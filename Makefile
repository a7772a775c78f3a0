# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DEMO := out/demo
STORE := out/store
RECEIPTS := out/receipts
RECEIVED := 2025-11-20T21:00+08:00

.PHONY: run test lint bench docs lock clean

run: $(READY)  ## check, merge and store sample uploads; leaves tables and receipts under out/
	$(BIN)/nhi-upload generate --records 5000 --uploads 100 --seed 7 --faults 0.05 --as-of $(RECEIVED) --out $(DEMO)
	$(BIN)/nhi-upload run $(DEMO) --store $(STORE) --receipts $(RECEIPTS) --received-at $(RECEIVED)

test: $(READY) lint  ## every test
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nhi-upload rules docs --check
	$(BIN)/python -m schemas.xsd --check

bench: $(READY)  ## side by side with peers; writes the table of bench/README.md
	$(BIN)/python -m bench.table --write

docs: $(READY)  ## regenerate what is generated
	$(BIN)/nhi-upload rules docs
	$(BIN)/python -m schemas.xsd

$(READY): pyproject.toml requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

lock:  ## pin every dependency again (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/run.txt
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/dev.txt

clean:
	rm -rf .venv out dist build
