# The only entry point that people and CI need. `make` lists the targets.

# Where the pinned parts go that the tests and the demo run: Envoy, the ClickHouse engine, Python.
MESHTAP_CACHE ?= .tools
# Options of every cargo call.
CARGO_FLAGS ?= --locked
TARGET := $(or $(CARGO_TARGET_DIR),target)
WASM_TARGET := wasm32-wasip1
FILTER := $(TARGET)/filter.wasm
NOOP := $(TARGET)/noop.wasm

# Where the programs of the mesh go, which take long to build: a folder that all checkouts share.
MESHTAP_MESH_CACHE ?= $(if $(filter file,$(origin MESHTAP_CACHE)),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/meshtap,$(MESHTAP_CACHE))
# The version of Istio in the mesh: 1.31 or 1.30.
ISTIO ?= 1.31

export MESHTAP_CACHE MESHTAP_MESH_CACHE ISTIO

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help toolchain tools wasm noop oci pin build demo test mesh-tools mesh-requirements mesh test-mesh scenarios conformance bench-filter bench-store bench-collector soak outage chaos fmt fmt-check lint doc deny fuzz size clean ci

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

toolchain: ## Check Rust; with rustup, add what rust-toolchain.toml asks for
	@tests/tools/toolchain.sh

tools: ## Fetch the pinned Envoy, ClickHouse engine, SDKs and tracers into .tools (MESHTAP_CACHE)
	@tests/tools/fetch.sh $(MESHTAP_CACHE)

# No path of the machine that builds it gets into the module: the same source gives the same bytes.
# The registry's folder has the same name on every machine; its path would stand in the module sixty times.
CARGO_FOLDER := $(or $(CARGO_HOME),$(HOME)/.cargo)
# SIMD, because every JSON text is searched with it; functions are inlined less than is usual at that level, because Envoy
# compiles all of the module at its start.
WASM_RUSTFLAGS := -Ctarget-feature=+simd128 -Cllvm-args=-inline-threshold=50 \
	--remap-path-prefix=$(CARGO_FOLDER)=cargo --remap-path-prefix=$(CURDIR)=meshtap \
	--remap-path-prefix=$(CARGO_FOLDER)/registry/src/index.crates.io-1949cf8c6b5b557f=cargo
# What the crate proxy-wasm has for every host and does nothing with here: Envoy calls whatever there is, at 2 us each.
comma := ,
empty :=
UNUSED_EXPORTS := $(subst $(empty) $(empty),$(comma),$(strip proxy_on_done proxy_on_request_trailers \
	proxy_on_response_trailers proxy_on_grpc_receive_initial_metadata proxy_on_grpc_receive_trailing_metadata \
	proxy_on_http_call_response proxy_on_foreign_function proxy_on_new_connection proxy_on_downstream_* proxy_on_upstream_*))
wasm noop: export RUSTFLAGS = $(WASM_RUSTFLAGS)
# What a heartbeat says of the module, since it cannot read itself: a hash of what it was built from.
wasm: export MESHTAP_BUILD = $(shell tests/tools/build_id.sh)
wasm: toolchain ## Build the filter as target/filter.wasm
	cargo build $(CARGO_FLAGS) -p meshtap-filter --profile wasm --target $(WASM_TARGET)
	@tests/tools/wasm-opt.sh $(MESHTAP_CACHE) $(TARGET)/$(WASM_TARGET)/wasm/meshtap_filter.wasm $(FILTER) \
		'--remove-exports=$(UNUSED_EXPORTS)'

# Beside which the filter is measured. It is part of nothing that is shipped.
noop: toolchain
	@cargo build $(CARGO_FLAGS) -p meshtap-noop-filter --profile wasm --target $(WASM_TARGET)
	@tests/tools/wasm-opt.sh $(MESHTAP_CACHE) $(TARGET)/$(WASM_TARGET)/wasm/meshtap_noop_filter.wasm $(NOOP)

oci: wasm ## Make OCI images of the filter, without Docker: target/oci/compat and target/oci/artifact
	cargo build $(CARGO_FLAGS) -p meshtap-collector
	@rm -rf $(TARGET)/oci
	@for layout in compat artifact; do \
		printf '%s  sha256:' "$(TARGET)/oci/$$layout"; \
		$(TARGET)/debug/meshtap wasm $(FILTER) --oci $(TARGET)/oci/$$layout --layout $$layout --tag 0.1.0 || exit; \
	done

pin: wasm ## Write the digest of the module into the manifests below istio/
	@tests/tools/pin.sh $(FILTER)

build: toolchain ## Build the collector and the tests' programs (debug)
	cargo build $(CARGO_FLAGS) --workspace

demo: wasm build tools ## Show it all on this machine: http://127.0.0.1:8080 (DEMO_ONCE=1 ends by itself)
	@$(TARGET)/debug/demo

test: wasm noop build tools ## Run every test, end to end ones included
	cargo test $(CARGO_FLAGS) --workspace
	@echo
	@echo "make test: passed, with"
	@echo "  filter      $(FILTER), $$(wc -c < $(FILTER)) bytes"
	@echo "  collector   $$($(TARGET)/debug/meshtap --version 2>/dev/null || echo meshtap)"
	@echo "  Envoy       $$($(MESHTAP_CACHE)/envoy --version | sed -n 's/.*version: //p')"
	@echo "  ClickHouse  $$(readlink $(MESHTAP_CACHE)/chdb)"
	@echo "  OpenAI SDK  $$(sed -n 's/^openai==//p' tests/tools/requirements.txt)"

# How often something is killed; the seed of a round that failed is in its line.
ROUNDS ?= 20
chaos: build tools ## Kill collector and store under load, ROUNDS=20 times, and count what was answered
	@$(TARGET)/debug/chaos $(ROUNDS)

mesh-tools: ## Build Kubernetes' API server and Istio (ISTIO=1.31 or 1.30) into MESHTAP_MESH_CACHE, once
	@tests/mesh/build.sh $(MESHTAP_MESH_CACHE) $(ISTIO)

# What the machine lacks is said before anything is built.
MESH_LACKS = tests/mesh/requirements.sh $(1) $(MESHTAP_MESH_CACHE) $(ISTIO)

mesh-requirements: ## Say what this machine lacks for make test-mesh
	@$(call MESH_LACKS,scenarios)

mesh: ## A mesh on this machine, without a cluster (ISTIO=1.30; MESH_ONCE=1 ends by itself)
	@$(call MESH_LACKS,mesh)
	@$(MAKE) --no-print-directory wasm tools mesh-tools
	cargo build $(CARGO_FLAGS) --workspace
	@$(TARGET)/debug/mesh

test-mesh: ## What docs/istio.md says, against Istio itself (ISTIO=1.30; UPDATE_DOCS=1 rewrites its table)
	@[ -d tests/mesh/go/istio-$(ISTIO) ] || tests/mesh/build.sh --lacks $(MESHTAP_MESH_CACHE) $(ISTIO)
	@if $(call MESH_LACKS,scenarios); then $(MAKE) --no-print-directory scenarios; \
	else case "$$CI" in ""|false) echo "make test-mesh: SKIPPED: no scenario ran" >&2 ;; *) exit 2 ;; esac; fi

# One set of packages for all builds: with another, cargo builds the collector again.
scenarios: wasm tools mesh-tools
	cargo build $(CARGO_FLAGS) --workspace
	cargo test $(CARGO_FLAGS) --workspace --test scenarios --test isolation -- $(SCENARIOS)

conformance: wasm build ## Recorded exchanges of real APIs through the module: CORPUS='FILE…', or ../shared/corpus
	@$(TARGET)/debug/conformance $(CORPUS)

# Its loops are measured against Envoy's: they are optimized, what they stand on is as in every other build.
BENCH := cargo build $(CARGO_FLAGS) -p meshtap-tests --config 'profile.dev.package.meshtap-tests.opt-level=2'

bench-filter: wasm noop tools ## What the filter costs Envoy, beside none, a no-op and Envoy's own: target/bench/filter.json
	$(BENCH) --bin bench_filter
	@$(TARGET)/debug/bench_filter

# SQLite and the collector as they are shipped; the rest is as in every other build.
STORE_BENCH := $(foreach p,meshtap-collector libsqlite3-sys rusqlite zstd-sys,--config 'profile.dev.package.$(p).opt-level=3')

bench-store: tools ## Spans a second and bytes a span in SQLite and ClickHouse: target/bench/store.json
	$(BENCH) $(STORE_BENCH) --bin bench_store --bin clickhouse_local
	@$(TARGET)/debug/bench_store

# The collector that is measured is the one that is shipped.
bench-collector: tools ## The collector beside rotel: rate, CPU, latency, memory; and the stores: target/bench/collector.json
	@tests/tools/rotel.sh $(MESHTAP_CACHE)
	cargo build $(CARGO_FLAGS) --release -p meshtap-collector
	$(BENCH) $(STORE_BENCH) --bin bench_collector --bin clickhouse_local
	@MESHTAP_BIN=$(TARGET)/release/meshtap $(TARGET)/debug/bench_collector

soak: wasm tools ## A million requests through the filter, its memory watched; SOAK_MINUTES=60 for broken traffic instead
	$(BENCH) --bin soak
	@$(TARGET)/debug/soak

outage: wasm tools ## Full load while the collector fails in seven ways, OUTAGE_SECONDS (600) each: every span accounted for
	$(BENCH) --bin outage
	@$(TARGET)/debug/outage

fmt: toolchain ## Format the code
	cargo fmt --all

fmt-check: toolchain ## Fail when the code is not formatted
	cargo fmt --all --check

lint: toolchain ## Run clippy on every member, and on the filter as Envoy gets it
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	cargo clippy $(CARGO_FLAGS) --workspace --test scenarios --test isolation -- -D warnings
	cargo clippy $(CARGO_FLAGS) -p meshtap-filter -p meshtap-noop-filter --target $(WASM_TARGET) -- -D warnings

doc: toolchain ## Build the code's documentation, without warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --workspace --no-deps

deny: ## Check licences, sources and advisories, where cargo-deny is installed
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
	else echo "make deny: NOT CHECKED: cargo-deny is not installed (cargo install cargo-deny)" >&2; fi

fuzz: ## Look for inputs that break the filter, FUZZ_SECONDS (60) for each target
	@filter/fuzz/run.sh

# Names and one data segment for each constant tell whose the bytes are; the module that is shipped has neither, and
# has been through wasm-opt.
size: wasm tools ## Print the filter's bytes by section and crate, and what Envoy's start costs with it
	RUSTFLAGS="$(WASM_RUSTFLAGS) -Clink-arg=--no-merge-data-segments" \
		cargo build $(CARGO_FLAGS) -p meshtap-filter --profile wasm --target $(WASM_TARGET) \
		--config 'profile.wasm.strip="debuginfo"' --config 'profile.wasm.package.meshtap-filter.strip="debuginfo"' \
		--config 'profile.wasm.package.proxy-wasm.strip="debuginfo"' --target-dir $(TARGET)/size
	cargo build $(CARGO_FLAGS) -p meshtap-tests --bin size
	@$(TARGET)/debug/size $(FILTER) $(TARGET)/size/$(WASM_TARGET)/wasm/meshtap_filter.wasm

clean: ## Remove what was built; the pinned parts stay
	cargo clean
	rm -rf .demo

ci: fmt-check lint doc test ## What CI runs before the mesh
