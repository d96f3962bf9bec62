# Dovetail. `make` alone prints the targets.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

BIN      := bin/dovetail
PKG      ?= ./...
FUZZTIME ?= 10s
# The race detector needs a C compiler; without one the tests run all the same.
CC_FOUND := $(shell command -v $${CC:-cc} 2>/dev/null || command -v gcc 2>/dev/null || command -v clang 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race,)
STATICCHECK := go tool -modfile=tools/go.mod staticcheck

.PHONY: help
help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z_-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/dovetail
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/dovetail

.PHONY: demo
demo: build ## play the whole story on real records; EXIT=1 ends after it
	@CGO_ENABLED=0 go run -trimpath ./examples/flights --dovetail $(BIN) $(if $(EXIT),--exit,)

.PHONY: run
run: build ## run registry and broker with the data in ./dovetail-data
	$(BIN) serve

# Packages with tests that go all the way only without the race detector: long ones
# of one goroutine, and those that count allocations.
SWEEPS := ./broker/commitlog ./broker/group ./broker/record ./compat/jsonschema ./serde/jsonschema ./registry ./registry/validate ./serde/rules/jsonata ./cmd/dovetail/internal/gen/kinds

.PHONY: test
test: vet ## everything that needs only Go: race detector, and each core decoder fuzzed for a moment
	@[ -n "$(RACE)" ] || echo "no C compiler here: running without the race detector"
	go test $(RACE) -timeout 9m $(PKG)
	$(if $(RACE),go test -timeout 9m $(SWEEPS),)
	@$(MAKE) --no-print-directory test-modules
	@.ci/fuzz 3s $(FUZZ_CORE)

.PHONY: test-modules
test-modules: ## the modules of their own that test with Go alone
	cd serde/hamba && go vet ./... && go test -timeout 5m ./...
	cd examples/delivery/warehouse && go vet ./... && go test -timeout 5m ./...

.PHONY: race
race: ## the tests, three times, with the race detector
	go test -race -count=3 -timeout 30m $(PKG)

# Decoders of bytes that strangers send; `make test` fuzzes these.
FUZZ_CORE := FuzzRequest FuzzBatch FuzzSplit FuzzParse FuzzDecode FuzzWalk FuzzCheck

.PHONY: fuzz
fuzz: ## fuzz every decoder for FUZZTIME each; FUZZ names some of them
	@.ci/fuzz $(FUZZTIME) $(FUZZ)

.PHONY: bench bench-registry bench-broker bench-serde
bench: bench-serde bench-registry bench-broker ## all benchmarks, as tables; results in bench/results
bench-registry: ## the registry beside a bare handler
	cd bench && go run . registry
bench-broker: build ## the broker beside Apache Kafka, kfake and a bare loop
	cd bench && go run . broker
bench-serde: ## the codecs and serializers beside their peers
	cd bench && go run . serde

.PHONY: crash
crash: build ## kill the broker at random moments under load and look for what was lost; ROUNDS=1000
	CGO_ENABLED=0 go run -trimpath ./cmd/dovetail-crash --dovetail $(BIN) --rounds $(or $(ROUNDS),1000)

.PHONY: corpus
corpus: ## published histories of schemas under every level: where each would have been refused and why (downloads)
	go run ./cmd/dovetail-corpus $(ARGS)

.PHONY: interop
interop: build ## other people's clients, against each other and against ours (needs make deps)
	$(MAKE) --no-print-directory -C clients/interop

.PHONY: kgo
kgo: build ## all of franz-go's own tests, as a ratchet
	$(MAKE) --no-print-directory -C clients/interop kgo

.PHONY: vet
vet: ## go vet
	@go vet $(PKG)

.PHONY: lint
lint: vet ## gofmt, go vet, staticcheck
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt:"; echo "$$bad"; exit 1; }
	$(STATICCHECK) $(PKG)

.PHONY: deps
deps: ## install what interop and bench need: kcat, redis-server, Python, Node and Java clients
	$(MAKE) --no-print-directory -C clients/interop deps

.PHONY: clean
clean: ## remove what was built and the data of make run
	rm -rf bin dovetail-data
