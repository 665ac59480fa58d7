# Everything needs Linux, Rust, Go, git, make, bash and a C compiler, and nothing that is not built here.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One heavy build at a time, also with -j.
.NOTPARALLEL:

# Scripts and tests look for what is built below target/.
export CARGO_TARGET_DIR := $(CURDIR)/target
# The flags that decide whether `go vet` can use what `go build` compiled.
export GOFLAGS := -trimpath -buildvcs=false

DRIFTLESS := target/release/driftless
WORKER := target/release/driftless-render-worker
WORKER_SOURCES := $(wildcard crates/manifest-render/worker/*)
# The command lines that renders are compared with.
ORACLES := target/oracles/helm target/oracles/kustomize
DEVCLUSTER := target/devcluster/devcluster
DEVCLUSTER_SOURCES := $(wildcard integration-tests/devcluster/*) $(wildcard integration-tests/devcluster/*/*)
REGISTRY := target/registry/registry
REGISTRY_SOURCES := $(wildcard integration-tests/registry/*)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
# LOCKED=--locked makes a Cargo.lock that is out of date an error.
LOCKED ?=
IMAGE ?= driftless:dev
# How many schedules `make sweep` runs, and from which seed; `make test` runs those below 10,000.
SCHEDULES ?= 1000000
FIRST_SEED ?= 10000
# Numbers of Applications that `make bench` measures, and its options (`target/release/bench --help`): BENCH_OPTIONS="--rows R2,R3 --overlays 50".
N ?= 100 500 1000
BENCH_OPTIONS ?=

# $(call stage,NAME,COMMAND) runs a command and says how long it took.
stage = @echo "==> $(1)"; $(2); echo "==> $(1): $$SECONDS s"

.PHONY: help demo test sweep bench lint build devcluster registry oracles image tools fmt clippy govet deny unit

help: ## Lists the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do \
		printf '  %-12s%s\n' "$$name" "$$text"; \
	done

demo: build devcluster ## Runs Driftless on examples/ until Ctrl-C; on a control plane of its own unless KUBECONFIG is set
	@integration-tests/demo.sh

test: lint build unit ## Runs formatting, lints and all tests, those on a real control plane included

# One command a line: each is a search of its own and says how far it is.
sweep: build devcluster ## Runs the long searches for faults: SCHEDULES schedules of the simulator from FIRST_SEED on, and all fault runs
	$(call stage,schedules of the simulator,DRIFTLESS_SCHEDULES=$(SCHEDULES) DRIFTLESS_FIRST_SEED=$(FIRST_SEED) \
		cargo test $(LOCKED) --package test-kit --test schedules)
	$(call stage,sweep of crashes and faults,DRIFTLESS_BIN=$(CURDIR)/$(DRIFTLESS) DRIFTLESS_SWEEP=all \
		cargo test $(LOCKED) --package integration-tests --test it -- --nocapture crashes:: faults:: outages::)

bench: build devcluster oracles ## Measures N="100 500" Applications against a bare client, and renders; writes target/bench.json
	$(call stage,build bench,cargo build $(LOCKED) --release --package bench)
	@DRIFTLESS_BIN=$(CURDIR)/$(DRIFTLESS) target/release/bench $(BENCH_OPTIONS) $(N)

lint: tools fmt clippy govet deny ## Checks formatting and lints

build: tools $(WORKER) ## Builds target/release/driftless and its render worker
	$(call stage,build driftless,DRIFTLESS_COMMIT=$(COMMIT) cargo build $(LOCKED) --release --package driftless)

devcluster: tools $(DEVCLUSTER) ## Builds target/devcluster/devcluster, the control plane of demo and tests

image: ## Builds the container image IMAGE (driftless:dev)
	@command -v docker >/dev/null || { echo "make image needs docker, which is not installed." >&2; exit 1; }
	docker build --build-arg COMMIT=$(COMMIT) --tag $(IMAGE) .

$(WORKER): $(WORKER_SOURCES)
	$(call stage,build render worker,cd crates/manifest-render/worker && CGO_ENABLED=0 go build -ldflags="-s -w" -o $(CURDIR)/$@ .)

registry: $(REGISTRY)

oracles: $(ORACLES)

$(ORACLES) &: $(WORKER_SOURCES)
	$(call stage,build helm and kustomize,cd crates/manifest-render/worker && \
		CGO_ENABLED=0 go build -o $(CURDIR)/target/oracles/helm helm.sh/helm/v3/cmd/helm && \
		CGO_ENABLED=0 go build -o $(CURDIR)/target/oracles/kustomize sigs.k8s.io/kustomize/kustomize/v5)

$(DEVCLUSTER): $(DEVCLUSTER_SOURCES)
	$(call stage,build devcluster,cd integration-tests/devcluster && go build -ldflags="-s -w" -o $(CURDIR)/$@ .)

$(REGISTRY): $(REGISTRY_SOURCES)
	$(call stage,build registry,cd integration-tests/registry && go build -ldflags="-s -w" -o $(CURDIR)/$@ .)

tools:
	@for tool in cargo go git cc; do \
		command -v "$$tool" >/dev/null || { echo "$$tool is not installed, and this target needs it: see README.md." >&2; exit 1; }; \
	done

fmt: tools
	$(call stage,formatting of Rust,cargo fmt --all --check)
	$(call stage,formatting of Go,gofmt -d integration-tests/devcluster integration-tests/registry crates/manifest-render/worker | { ! grep . >&2; })

clippy: tools
	$(call stage,clippy,cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings)

govet: devcluster $(REGISTRY) $(WORKER)
	$(call stage,go vet,cd integration-tests/devcluster && go vet ./...)
	$(call stage,go vet of the registry,cd integration-tests/registry && go vet ./...)
	$(call stage,go vet of the render worker,cd crates/manifest-render/worker && CGO_ENABLED=0 go vet ./...)

deny: tools
	$(call stage,licences and bans,if command -v cargo-deny >/dev/null; then cargo deny --offline check bans licenses sources; \
		else echo "cargo-deny is not installed: not checked"; fi)

unit: build devcluster registry oracles
	$(call stage,tests of the render worker,cd crates/manifest-render/worker && CGO_ENABLED=0 go test ./...)
	$(call stage,tests,DRIFTLESS_BIN=$(CURDIR)/$(DRIFTLESS) cargo test $(LOCKED) --workspace --no-fail-fast)
