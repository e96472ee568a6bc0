# Everything a person does here, one word each. `make help` lists it.
SHELL  := /bin/bash
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARMS   := greedy,random,restart,anneal,tpe,cmaes,wolf

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all bench-scoring check format bench bench-landscapes bench-truth bench-stuck bench-ablations bench-engine scale bench-engines bench-noise bench-training bench-judges bench-unseen train-readers faults soak coverage mutants docs wheel sbom clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "making $(VENV): a minute or two"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(VENV)/.ready  ## a virtual environment with pinned dependencies

demo: setup  ## evolve a real training script on the CPU and report what was gained (about 4 minutes)
	$(BIN)/wolf run val_bpb_cpu
	$(BIN)/wolf report

test: setup  ## all tests
	$(BIN)/python -m pytest -q -n auto

test-all: setup  ## the tests above and the slow ones
	$(BIN)/python -m pytest -q -n auto -m ''

check: setup  ## format, lint, types, import direction
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

format: setup  ## put the code in house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: bench-engine bench-scoring bench-noise bench-truth bench-stuck bench-ablations bench-landscapes bench-engines  ## every benchmark (hours); figures go to docs/measurements.md and docs/engine.md by hand

$(VENV)/.bench: $(VENV)/.ready
	$(BIN)/pip install --quiet -c constraints.txt -e '.[bench,engines]'
	@touch $@

bench-landscapes: $(VENV)/.bench  ## does it beat the other strategies where the truth is known? (hours; wolf compare: on your target)
	$(BIN)/python benchmarks/landscapes.py --strategies $(ARMS) --budgets 100,300,1000 --seeds 20
	$(BIN)/python benchmarks/landscapes.py --strategies $(ARMS) --budgets 100,300 --seeds 20 --landscapes bbob

bench-truth: setup  ## what is crowned where nothing can be gained, and whether what is said of gains is as sure as it says
	$(BIN)/python benchmarks/truth.py
	$(BIN)/python benchmarks/calibration.py

bench-stuck: setup  ## who gets out of where greedy stopped
	$(BIN)/python benchmarks/stuck.py --states 40 --fruitless 120

bench-engines: $(VENV)/.bench  ## other engines on the same proposals, and how fast evaluations go through
	$(BIN)/python benchmarks/engines.py --engines wolf,greedy,wolf-alone,loop,gepa,openevolve
	$(BIN)/python benchmarks/throughput.py --openevolve

bench-ablations: setup  ## what every mechanism of the search is worth, all at once
	$(BIN)/python benchmarks/factorial.py

bench-engine: $(VENV)/.bench  ## the engine's own work per evaluation, and its memory, beside OpenEvolve's
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/engine.py --openevolve --sizes 1000

scale: setup  ## many workers on a virtual clock, and 100,000 variants (about an hour)
	$(BIN)/python benchmarks/scale.py idle
	$(BIN)/python benchmarks/scale.py staleness
	$(BIN)/python benchmarks/scale.py size

bench-training: setup  ## wolf and greedy on 12 x 80 real training runs each (an hour or two of three cores)
	$(BIN)/python benchmarks/real_training.py runs/bench-training --seeds 12 --good 2.65 --processes 3

bench-scoring: setup  ## what the sandbox and the audit cost
	$(BIN)/python benchmarks/scoring.py

bench-noise: setup  ## seed-to-seed sigma and baseline-to-good range of the CPU training target
	$(BIN)/python benchmarks/training_noise.py

bench-judges: setup  ## evolve texts under the readers, and see what the hold-out says
	$(BIN)/python benchmarks/text_judges.py

bench-unseen: setup  ## whose gain a hold-out confirms, on real texts (needs their data)
	$(BIN)/python benchmarks/unseen_texts.py

train-readers: setup  ## train the shipped readers of headlines and arguments again (needs their data)
	$(BIN)/python benchmarks/train_readers.py

faults: setup  ## the fault matrix of docs/faults.md, every point of it (about an hour)
	nice $(BIN)/python -m pytest -q -m '' tests/faults

soak: setup  ## 2,000 evaluations in which everything goes wrong (two hours, a third of a core)
	nice $(BIN)/python benchmarks/soak.py

$(VENV)/.measured: $(VENV)/.ready
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,trackers]'
	@touch $@

coverage: $(VENV)/.measured  ## all tests again, measured: lines and branches, in subprocesses too; and what must have all
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest -q -n auto
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include=$$($(BIN)/python tests/mutants.py --list)

mutants: setup  ## change ledger, budget, scorer and sandbox launcher in small ways: do their tests notice?
	nice $(BIN)/python tests/mutants.py

docs: setup  ## the documentation as a site that needs no network, into site/index.html
	$(BIN)/python docs/reference.py
	$(BIN)/mkdocs build --quiet --strict

sbom: setup  ## what is installed here, as CycloneDX, into dist/sbom.json
	$(BIN)/pip install --quiet -c constraints.txt cyclonedx-bom
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.json $(BIN)/python

wheel: setup  ## build wheel and sdist into dist/
	$(BIN)/hatchling build -d dist

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) dist site .mypy_cache .ruff_cache .hypothesis
