# Every target is `python3 run.py TARGET`, which also works where make is missing. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
TARGETS := setup demo test matrix smoke check bench lock messages

.PHONY: help $(TARGETS)
help:
	@$(PYTHON) run.py --help

$(TARGETS):
	@$(PYTHON) run.py $@ $(ARGS)
