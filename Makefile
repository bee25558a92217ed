# What a person runs by hand; .ci/run runs the same.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

target := $(or $(CARGO_TARGET_DIR),target)
pipeline := $(target)/debug/pipeline
# The tools that are built for this repository alone.
tools := target/tools
checkers := $(tools)/checkers
schemathesis := $(tools)/schemathesis

.PHONY: help setup up down build demo demo-serve test lint bench

help: ## Lists what can be made
	@sed -nE 's/^([a-z-]+):.*## /\1\t/p' Makefile | expand -t 12

setup: ## Installs what building and the local cloud need (Debian packages, Python packages in .venv)
	@local/setup

up: ## Starts the local cloud: Docker Engine, AWS API, Kafka
	@local/up

down: ## Stops the local cloud and forgets what was in it
	@local/down

build: setup ## Builds the pipeline
	cargo build --locked

demo: setup up build ## Deploys this repository's own system to the local cloud
	$(pipeline) bootstrap --env local
	$(pipeline) run --env local
	$(pipeline) status --env local
	@local/propose
	@local/try

demo-serve: setup up build ## Starts a server that deploys this system to the local cloud, and tells it of a push
	$(pipeline) bootstrap --env local
	@local/serve

test: setup up $(schemathesis)/installed.txt ## Runs all tests, against the local cloud
	@local/github
	@local/postgres
	@local/browser
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --locked --workspace; else cargo test --locked --workspace; fi

lint: setup $(tools)/bin/cargo-deny $(checkers)/installed.txt ## Checks format, lints, templates, workflows, scripts and dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(checkers)/bin/cfn-lint --regions eu-west-1 us-east-1 -- stacks/*/template.yaml src/lease/bootstrap.yaml
	$(checkers)/bin/checkov --directory stacks --framework cloudformation --skip-download --quiet --compact
	PATH="$(CURDIR)/$(checkers)/bin:$$PATH" jactionlint
	$(checkers)/bin/zizmor --offline --quiet --no-progress .github
	$(checkers)/bin/shellcheck --external-sources $$(git grep --untracked --files-with-matches '^#!/usr/bin/env bash' -- ':!*.rs' ':!*.md')
	$(tools)/bin/cargo-deny check bans licenses sources
	@if $(tools)/bin/cargo-deny fetch db >/dev/null 2>&1; then \
		$(tools)/bin/cargo-deny check --disable-fetch advisories; \
	else \
		echo "advisories were not checked: the advisory database can't be reached"; \
	fi

bench: setup ## Measures the pipeline beside what one would use instead, and writes docs/benchmarks.md
	benches/run

$(tools)/bin/cargo-deny:
	cargo install --quiet --locked --root $(tools) cargo-deny

# They bring many packages: each has a place of its own.
$(checkers)/installed.txt: local/lint-requirements.txt
$(schemathesis)/installed.txt: workloads/api/tests/requirements.txt
$(checkers)/installed.txt $(schemathesis)/installed.txt:
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check -r $<
	cp $< $@
