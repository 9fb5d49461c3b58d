# The verbs of the project. Each sets up what it needs: nothing has to be installed by hand first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
UI := classroom/web/ui
CLIENTS := tests/clients
UI_SOURCES := $(shell find $(UI) -path '*/node_modules' -prune -o -path '*/dist' -prune -o -type f -print 2>/dev/null)

# Tests that wait for nobody, on all cores. The others hold lessons in real time: one that fills a core, two that mostly
# wait (tests/conftest.py).
PURE := tests/unit tests/sim tests/fuzz

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header

.PHONY: run test check format bench fuzz lock clean

run: .venv/.ready $(UI)/dist/index.html  ## a whole lesson on this machine: server, capture agent, recorder
	@$(BIN)/classroom demo $(if $(CAMERA),--camera "$(CAMERA)") $(if $(SLIDES),--slides "$(SLIDES)") $(if $(MIC),--mic "$(MIC)") $(if $(PORT),--port $(PORT)) $(if $(LOOP),--loop)

test: .venv/.dev-ready $(UI)/dist/index.html $(CLIENTS)/node_modules/.ready  ## everything that can fail
	@sh tests/prepare
	@$(BIN)/python -m compileall -q classroom  # hundreds of servers are started: also where Python may keep nothing compiled
	cd $(UI) && npm test
ifdef ARGS
	$(BIN)/pytest $(ARGS)
else
	$(BIN)/pytest -n logical --maxprocesses 8 --dist worksteal $(PURE)
	$(BIN)/pytest -n 3 --dist loadgroup $(PURE:%=--ignore=%)
endif

check: .venv/.dev-ready $(UI)/node_modules/.ready  ## style, types, import contracts, Dockerfile
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/hadolint docker/Dockerfile
	cd $(UI) && npm run check

format: .venv/.dev-ready $(UI)/node_modules/.ready
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . ; cd $(UI) && npm run format

bench: .venv/.dev-ready  ## figures for docs/benchmarks.md
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: .venv/.dev-ready  ## a long hunt for inputs that break something: docs/fuzzing.md
	$(BIN)/python -m tests.fuzz $(ARGS)

lock:  ## after a change of the dependencies in pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet uv
	$(LOCK) --group build pyproject.toml -o requirements.lock
	$(LOCK) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv $(UI)/node_modules $(UI)/dist $(CLIENTS)/node_modules

.venv/.ready: requirements.lock pyproject.toml hatch_build.py classroom/sfu/transport/kernel.c
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes --no-deps -r requirements.lock
	$(PIP) --no-build-isolation --no-deps -e .
	@touch $@

.venv/.dev-ready: .venv/.ready requirements-dev.lock
	$(PIP) --require-hashes --no-deps -r requirements-dev.lock
	@touch $@

%/node_modules/.ready: %/package-lock.json
	cd $* && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

$(UI)/dist/index.html: $(UI)/node_modules/.ready $(UI_SOURCES)
	cd $(UI) && npm run build
