# Every target works alone on a machine with Python >= 3.11, pip and make.
#   make demo PYTHON=python3.12     another Python
#   make demo PIP_FLAGS="…"         pass flags to pip, as --index-url

PYTHON ?= python3
PIP_FLAGS ?=
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo article bert senses vectors shelf classify history transcribe watch test faults lint docs clean

help:
	@echo "make demo      fetch, train, evaluate and ask one model with four senses (about 15 minutes on 2 cores)"
	@echo "make article   train the survey article's encoder-decoder and ask its two examples"
	@echo "make bert      pretrain an encoder with masked words, fine-tune it, and print the gain"
	@echo "make senses    give an open language model eyes and ears (about an hour on 2 cores)"
	@echo "make vectors   sentence vectors, measured on Chinese and English"
	@echo "make shelf     answers quoted from files, measured: found, quoted, refused (half an hour on 2 cores, once)"
	@echo "make classify  classification and sentiment, measured from no example to all"
	@echo "make history   n-gram, CNN, LSTM and Transformer under one training loop, on one thread"
	@echo "make transcribe  speech to text, measured beside faster-whisper where it is installed"
	@echo "make watch     shot changes, memory and search of films, measured"
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

transcribe: .venv/demo.stamp
	$(BIN)/python benchmarks/transcribe.py

test: lint docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

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
