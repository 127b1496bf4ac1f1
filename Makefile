# Everything a person or a machine does with this tree. `make help` lists it.

# One set of build flags for every target: with another one, everything would be compiled twice.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
MODULE   := github.com/skerryhq/skerry
LDFLAGS  := -s -w -X $(MODULE)/appliance/cli.release=$(VERSION) -X $(MODULE)/appliance/agent.Version=$(VERSION)
TOOL     := go tool -modfile=tools/go.mod
FUZZTIME ?= 10s
EXECUTIONS ?= 2000000
BENCH    ?= .
CHECKS   ?= 20000

APP      := ui/web/app
PAGE     := ui/web/dist/index.html
SOURCES   = $(shell find $(APP) -path $(APP)/node_modules -prune -o -type f -print 2>/dev/null)

.PHONY: help build web demo test check fix bench bench-directory bench-site bench-advisories fuzz soak chaos clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

build: web ## build the page and both programs into bin/
	go build -ldflags '$(LDFLAGS)' -o bin/ ./appliance/cmd/skerry ./appliance/cmd/skerry-agent

# Without npm the programs are whole but for the page, and say so when it is asked for.
web: ## build the page into ui/web/dist (needs npm)
	@if [ ! -f $(APP)/package-lock.json ]; then echo "web: there is no page source in $(APP)"; \
	elif ! command -v npm >/dev/null; then echo "web: npm is not installed, so the page is not built; the programs work without it"; \
	else $(MAKE) --no-print-directory $(PAGE); fi

$(PAGE): $(APP)/node_modules/.package-lock.json $(SOURCES)
	cd $(APP) && npm run build
	@touch ui/web/dist/.keep
	@touch $@

$(APP)/node_modules/.package-lock.json: $(APP)/package-lock.json
	cd $(APP) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

demo: build ## a federation at work on this machine; Ctrl-C ends it (ADVISORIES=PATH, HOSTS=20000 SITES=20 simulated)
	@go build -o bin/demo ./scripts/demo
	@exec bin/demo -bin bin $(if $(ADVISORIES),-advisories '$(ADVISORIES)') $(if $(HOSTS),-hosts '$(HOSTS)') $(if $(SITES),-sites '$(SITES)')

test: build ## every test: units, floors, the system test with real processes, the page in a browser
	go test -timeout 15m ./...
	@if ! command -v npm >/dev/null; then echo "test: SKIPPED the page's tests: npm is not installed"; \
	else cd $(APP) && npm run check && npm test && SKERRY=$(CURDIR)/bin/skerry npm run e2e; fi

check: ## what a reviewer would ask: format, vet, lint, floors, race tests
	@out=$$($(TOOL) gofumpt -l -modpath $(MODULE) $$(git ls-files '*.go')) || exit 1; \
	if [ -n "$$out" ]; then echo "not formatted (make fix does it):"; echo "$$out"; exit 1; fi
	go vet ./...
	$(TOOL) staticcheck ./...
	go test ./scripts/floors
	@if command -v $${CC:-cc} >/dev/null; then set -x; CGO_ENABLED=1 go test -race -short -timeout 15m ./...; \
	else echo "check: no C compiler, which the race detector needs; testing without it"; go test -short -timeout 15m ./...; fi

fix: ## repair what a tool can: format, modernise
	go fix ./...
	$(TOOL) gofumpt -w -modpath $(MODULE) $$(git ls-files '*.go')

bench: ## every benchmark, with machine, versions and load (BENCH=REGEXP for some)
	@echo "machine  $$(uname -srm), $$(nproc) cores, $$(awk '/MemTotal/ {printf "%.0f GiB", $$2/1048576}' /proc/meminfo)"
	@echo "version  $(VERSION), $$(go version)"
	@echo "load     $$(cut -d' ' -f1-3 /proc/loadavg) before"
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

# HOSTS, SITES, SEED, QUERIES and PART as in the comment of scripts/directory; TUNED=1, PLANS=1, EVICT=1; TMPDIR must be on a disk.
bench-directory: ## the directory beside a PostgreSQL 15 of its own, in one run
	@go build -ldflags '$(LDFLAGS)' -o bin/ ./appliance/cmd/skerry
	@go build -ldflags '$(LDFLAGS)' -o bin/bench-directory ./scripts/directory
	@bin/bench-directory -program bin/skerry $(if $(HOSTS),-hosts $(HOSTS)) $(if $(SITES),-sites $(SITES)) $(if $(SEED),-seed $(SEED)) \
	  $(if $(QUERIES),-queries $(QUERIES)) $(if $(PART),-part $(PART)) $(if $(GROWTH),-growth $(GROWTH)) $(if $(DELTAS),-deltas $(DELTAS)) \
	  $(if $(TUNED),-tuned) $(if $(PLANS),-plans) $(if $(EVICT),-evict)

# PART, HOSTS, QUIET_HOSTS, PACKAGES, MINUTES, SEED, SOAK and RATE as in the comment of scripts/site; TMPDIR must be on a disk.
bench-site: ## a site with 10,000 agents: enrollment, rest, a kill, the first report; and the line of a quiet one
	@go build -ldflags '$(LDFLAGS)' -o bin/ ./appliance/cmd/skerry
	@go build -ldflags '$(LDFLAGS)' -o bin/bench-site ./scripts/site
	@bin/bench-site -bin bin $(if $(PART),-part $(PART)) $(if $(HOSTS),-hosts $(HOSTS)) $(if $(QUIET_HOSTS),-quiet-hosts $(QUIET_HOSTS)) \
	  $(if $(PACKAGES),-packages $(PACKAGES)) $(if $(MINUTES),-minutes $(MINUTES)m) $(if $(SEED),-seed $(SEED)) $(if $(SOAK),-soak $(SOAK)) $(if $(RATE),-rate $(RATE))

bench-advisories: ## the way of advisories: ingest, bundle, import, delta, lookups
	@go build -ldflags '$(LDFLAGS)' -o bin/ ./appliance/cmd/skerry
	@go build -o bin/bench-advisories ./scripts/advisories
	@bin/bench-advisories -bin bin $(if $(SEED),-seed $(SEED))

fuzz: ## every fuzz target for FUZZTIME (10s) each
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

fuzz-short: ## 2,000,000 executions of what reads advisories and bundles from outside (EXECUTIONS=N for others)
	@EXECUTIONS=$(EXECUTIONS) PACKAGES='sync/bundle sync/feed engine/canonical engine/cvss' scripts/fuzz.sh

soak: ## the random tests of the directory at length (CHECKS=20000 runs each), then a site under load for SOAK (2h)
	go test -timeout 0 -run '^TestModel$$' ./storage/search ./storage/index -rapid.checks=$(CHECKS)
	@$(MAKE) --no-print-directory bench-site PART=soak

# The short form is part of `make test`. ROUNDS=N: so many of each; SEED=N: the same dice again. Needs root for most of it.
chaos: build ## power cuts, kills, failing disks and parted networks, at length
	SKERRY_CHAOS=long SKERRY_CHAOS_ROUNDS=$(ROUNDS) SKERRY_CHAOS_SEED=$(SEED) go test -timeout 0 -v ./scripts/chaos

clean: ## remove what was built
	rm -rf bin $(APP)/node_modules
	find ui/web/dist -mindepth 1 ! -name .keep -delete
