# The commands a newcomer can type. Each is a script that says what it does.
PROFILE ?= dev
export PROFILE

.PHONY: help run test test-faults bench lint clean

help: # this page
	@printf '\n  \033[1mColourStream\033[0m  picture above, call below, one address\n\n'
	@awk -F ': # ' '/^[a-z-]+: # / { printf "  \033[1mmake %-11s\033[0m %s\n", $$1, $$2 }' Makefile
	@printf '\n  make run PROFILE=release: small and fast, but minutes to compile.\n\n'

run: # start it here: engine, images, pages, controller
	@scripts/run

test: # everything that must hold, with the sums at the end
	@scripts/test

test-faults: # every fault, crash and drift, into docs/reliability.md
	@scripts/test-faults

bench: # the figures, against Compose doing nothing
	@scripts/bench

lint: # format, clippy, scripts, licences
	@scripts/lint

clean: # remove what was built; downloads stay in .cache
	cargo clean
	rm -rf web/dist .cache/logs .cache/web-*.sha256
