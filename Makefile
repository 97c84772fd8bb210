# Every target is `python3 run.py TARGET`, which also works where make is missing. `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3

.PHONY: help always
help:
	@$(PYTHON) run.py --help

Makefile: ;
%: always
	@$(PYTHON) run.py $@ $(ARGS)
