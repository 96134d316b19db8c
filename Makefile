# make demo          from a catalogue to a fine-tuned planner, scored before and after, three of its plans, and one run
# make demo QUICK=1  the same in a minute or so: every stage is real, the planner is poor
# make test          the tests, in two processes (make test WORKERS=8: in eight)
# make lint          ruff and mypy
#
# Each sets up .venv by itself; all that must be there is Python 3.11 or later (another one: make PYTHON=python3.12 …).

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
WORKERS ?= 2
DEMO := $(if $(QUICK),demo-quick,demo)

.PHONY: demo test lint

# A plan that is not valid, or that fails when it is run, is shown with its problems, and is no reason to stop (-).
demo: $(READY)
	$(BIN)/platypus all runs/$(DEMO) --recipe recipes/$(DEMO).toml
	-$(BIN)/platypus plan runs/$(DEMO) "Find work items owned by DEVU-7, then prioritize them"
	-$(BIN)/platypus plan runs/$(DEMO) "Find all work items that resemble TKT-123 and put them into the current sprint"
	-$(BIN)/platypus plan runs/$(DEMO) "Book me a flight to Lisbon"
	-$(BIN)/platypus execute runs/$(DEMO) "Find work items owned by DEVU-57, then prioritize them" \
		--source "mcp:$(BIN)/python examples/worktracker/server.py" --trust "*"
	@echo "Ask it in a browser: $(BIN)/platypus serve runs/$(DEMO)"

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy platypus

$(READY): pyproject.toml constraints.txt
	@echo "Setting up .venv; this takes some minutes."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[train,quantise,export,chat,dates,serve,teacher,sources,dev]'
	touch $(READY)
