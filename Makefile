# Every target works alone on a machine with Python >= 3.11, pip and make.
#   make demo PYTHON=python3.12     another Python
#   make demo PIP_FLAGS="…"         pass flags to pip, as --index-url
#   make abuse MODEL=smollm2        another model

PYTHON ?= python3
PIP_FLAGS ?=
MODEL ?= runs/four-senses
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo article bert senses vectors shelf classify history transcribe watch streams abuse bench bench-all plan growth page test faults lint docs clean

help:
	@echo "make demo      the tour: ask a shelf of files, then train and measure a model with four senses (about 20 minutes on 2 cores)"
	@echo "make article   train the survey article's encoder-decoder and ask its two examples"
	@echo "make bert      pretrain an encoder with masked words, fine-tune it, and print the gain"
	@echo "make senses    give an open language model eyes and ears (about an hour on 2 cores)"
	@echo "make vectors   sentence vectors, measured on Chinese and English"
	@echo "make shelf     answers quoted from files, measured: found, quoted, refused (half an hour on 2 cores, once)"
	@echo "make classify  classification and sentiment, measured from no example to all"
	@echo "make history   n-gram, CNN, LSTM and Transformer under one training loop, on one thread"
	@echo "make transcribe  speech to text, measured beside faster-whisper where it is installed"
	@echo "make watch     shot changes, memory and search of films, measured"
	@echo "make streams   sixteen answers side by side against one after the other, and the first token of a newcomer"
	@echo "make abuse     a server treated badly, measured; after make demo, or MODEL=NAME of another with senses"
	@echo "make bench     speed beside the libraries that people would pick instead, on one thread (15 minutes); bench-all: every row"
	@echo "make plan      what plans foretell beside what small models take: memory and time"
	@echo "make growth    cost as work grows: tokens, parameters, rows, requests, a million records (15 minutes on one thread)"
	@echo "make page      the page of the server in a browser, at length, with pictures of every tab in page/"
	@echo "make test      lint, types, manual, tests"
	@echo "make faults    what can go wrong, at scale and with figures"
	@echo "make docs      build the manual into site/"
	@echo "make clean     remove what these targets made, downloads and runs excepted"

demo: .venv/demo.stamp
	$(BIN)/duomo demo

article: .venv/demo.stamp
	$(BIN)/duomo demo recipes/article.yaml

bert: .venv/demo.stamp
	$(BIN)/duomo demo recipes/bert.yaml

senses: .venv/demo.stamp
	$(INSTALL) --editable '.[demo,adapt]'
	$(BIN)/duomo demo senses_eyes

vectors: .venv/demo.stamp
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/vectors.py

classify: .venv/demo.stamp
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/classify.py

history: .venv/demo.stamp
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/history.py

watch: .venv/demo.stamp
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/watch.py

shelf: .venv/demo.stamp
	OMP_NUM_THREADS=2 $(BIN)/python benchmarks/shelf.py --threads 2
	OMP_NUM_THREADS=2 $(BIN)/python benchmarks/manuals.py --threads 2

transcribe: .venv/demo.stamp
	$(BIN)/python benchmarks/transcribe.py

streams: .venv/demo.stamp
	$(INSTALL) --editable '.[serve]'
	$(BIN)/duomo fetch smollm2
	$(BIN)/python benchmarks/streams.py smollm2 --threads 2 --tokens 32 --arrivals 6

abuse: .venv/demo.stamp
	$(INSTALL) --editable '.[serve]'
	$(BIN)/python benchmarks/abuse.py $(MODEL)

# The peers; llama-cpp-python is built where it is installed, which takes a compiler and a few minutes.
.venv/bench.stamp: pyproject.toml constraints.txt .venv/demo.stamp
	$(INSTALL) --editable '.[bench]'
	@touch $@

bench bench-all: .venv/bench.stamp
	$(BIN)/duomo fetch smollm2 whisper-tiny.en asterisk wiki
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/bench.py $(if $(filter bench-all,$@),--all)

plan: .venv/demo.stamp
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/plan.py

growth: .venv/demo.stamp
	$(INSTALL) --editable '.[serve]'
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/growth.py

test: lint docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

page: .venv/develop.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_page.py tests/test_page_escapes.py tests/page_at_length.py

faults: .venv/develop.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_faults.py tests/faults_at_scale.py

lint: .venv/develop.stamp
	$(BIN)/ruff check
	$(BIN)/mypy

docs: .venv/develop.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean:
	rm -rf .venv site .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems ship venv without pip's bundle; then the system's pip fills the new environment.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("duomo needs Python 3.11 or newer: make demo PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv || { $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $@ install $(PIP_FLAGS) pip; }

# torch first: it is the big one, and a failure to get it should be the first thing seen.
.venv/torch.stamp: constraints.txt | .venv/bin/python
	$(INSTALL) torch
	@touch $@

.venv/demo.stamp: pyproject.toml constraints.txt .venv/torch.stamp
	$(INSTALL) --editable '.[demo]'
	@touch $@

.venv/develop.stamp: pyproject.toml constraints.txt .venv/torch.stamp
	$(INSTALL) --editable '.[demo,develop,docs]'
	@touch $@ .venv/demo.stamp
