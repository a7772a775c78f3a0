# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
NHI := $(BIN)/nhi-upload
DEMO := out/demo
STORE := out/store
INTO := --store $(STORE) --receipts out/receipts
SAMPLE := --records 5000 --uploads 100 --seed 7
YESTERDAY := $(shell TZ=Asia/Taipei date -d yesterday +%F 2>/dev/null || TZ=Asia/Taipei date -v-1d +%F)
RECEIVED := $(YESTERDAY)T21:00+08:00
PRECHECKED := 2024-03-20T21:00+08:00

.PHONY: run serve test machine lint bench docs lock clean

run: $(READY)  ## check, merge and store sample uploads; leaves tables and receipts under out/
	rm -rf $(DEMO)
	$(NHI) generate $(SAMPLE) --faults 0.05 --as-of $(RECEIVED) --out $(DEMO)/day
	$(NHI) run $(DEMO)/day $(INTO) --received-at $(RECEIVED)
	@echo; echo "健保卡 1.0 與 2.0 預檢的一週 a week of 1.0 beside its 2.0 pre-checks"
	$(NHI) generate --dual $(SAMPLE) --faults 0.02 --as-of $(PRECHECKED) --out $(DEMO)/week
	$(NHI) run $(DEMO)/week/v1 $(INTO) --received-at $(PRECHECKED)
	$(NHI) run $(DEMO)/week/precheck/web-api $(INTO) --received-at $(PRECHECKED) --mode precheck
	$(NHI) run $(DEMO)/week/precheck/vpn $(INTO) --received-at $(PRECHECKED) --mode precheck --channel vpn
	@echo; echo "下一步 next: make serve  (= $(NHI) serve)"

serve: run  ## the web service on the samples, with sign-ins made up and shown
	$(NHI) serve

test: $(READY) machine lint  ## every test
	$(BIN)/python -m pytest -n 2 --dist worksteal

machine:  ## what tests need besides Python: Chromium, PostgreSQL
	ops/test-machine.sh

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nhi-upload rules docs --check
	$(BIN)/python -m schemas.xsd --check
	$(BIN)/python -m pipeline.configuration --check

bench: $(READY)  ## side by side with peers; writes the table of bench/README.md
	$(BIN)/python -m bench.table --write

docs: $(READY)  ## regenerate what is generated
	$(BIN)/nhi-upload rules docs
	$(BIN)/python -m schemas.xsd
	$(BIN)/python -m pipeline.configuration

$(READY): pyproject.toml requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

lock:  ## pin every dependency again (needs uv)
	uv pip compile pyproject.toml --extra traces --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/run.txt
	uv pip compile pyproject.toml --extra traces --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/dev.txt
	uv pip compile --group pyproject.toml:build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q -o requirements/build.txt

clean:
	rm -rf .venv out dist build
