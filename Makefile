# All targets work on a fresh clone with Go alone, except race and cluster, which also need a C compiler, and e2e,
# which needs curl, openssl, Azure CLI, Node with npm, a JDK, Chromium, nginx, iproute2, strace, etcd-server,
# postgresql and pgbouncer (.ci/run installs them).

GO       ?= go
FUZZTIME ?= 5s

# make faults begins no round after FOR. SEED repeats the random choices of a run. FAULTS is a regular expression for
# the names of the faults.
FOR  ?= 15m
SEED ?= 0
FAULTS ?=

# staticcheck runs with its default checks. A finding that is a false alarm has a lint:ignore with the
# reason beside it.
STATICCHECK ?= v0.8.2

export CGO_ENABLED ?= 0

# The version of packages. A tag names one; between tags it is that of a commit.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//;s/-/+/' | grep . || git log -1 --date=format:%Y%m%d --format='0~%cd+%h')
COMMIT  ?= $(shell git log -1 --format=%H)
DATE    ?= $(shell git log -1 --format=%cs)
DEB     ?= bin

# make dist makes a release for PLATFORMS.
DIST      ?= dist
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
STAMP     = -X midas.stampedVersion=$(VERSION) -X midas.stampedCommit=$(COMMIT) -X midas.stampedDate=$(DATE)

# The tag cluster compiles the engines that several replicas share, and etcd inside Midas. Without it,
# `go run ./cmd/midas` compiles much faster.
TAGS = cluster

.PHONY: deb dist build test race cluster e2e engines faults bench fuzz check

build: ## the binary with all engines, in bin/
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(STAMP)' -o bin/midas ./cmd/midas

check: ## the checks without a test run: vet, staticcheck, format
	$(GO) vet ./...
	$(GO) vet -tags "e2e $(TAGS)" ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK) -tags "e2e $(TAGS)" ./...
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w these:" $$unformatted; exit 1; }

deb: build ## the Debian package, in bin/ or the folder DEB; VERSION=1.2.3
	cd packaging && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(GO) run . -binary ../bin/midas -arch $$($(GO) env GOARCH) -version '$(VERSION)' -dir $(abspath $(DEB))

dist: ## the archives of a release, and images of containers for docker load, in dist/; VERSION=1.2.3 PLATFORMS="linux/amd64"
	rm -rf $(DIST) && mkdir -p $(DIST)
	@set -e; export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); for platform in $(PLATFORMS); do \
	  os=$${platform%/*} arch=$${platform#*/}; binary=$(abspath $(DIST))/.midas-$$os-$$arch; \
	  GOOS=$$os GOARCH=$$arch $(GO) build -trimpath -tags $(TAGS) -ldflags '-s -w $(STAMP)' -o $$binary ./cmd/midas; \
	  (cd packaging && $(GO) run ./archive -binary $$binary -os $$os -arch $$arch -version '$(VERSION)' -dir $(abspath $(DIST))); \
	  if [ $$os = linux ]; then (cd packaging && $(GO) run ./image -binary $$binary -arch $$arch -version '$(VERSION)' -commit $(COMMIT) -dir $(abspath $(DIST))); fi; \
	  rm $$binary; \
	done; cd $(DIST) && sha256sum * > SHA256SUMS

test:
	$(GO) test ./...

race: ## the tests of internal/, verify/ and the root with the race detector; it needs a C compiler
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./internal/... ./verify/... .

cluster: ## the engines that replicas share, with the race detector, on etcd in the test; it needs a C compiler
	CGO_ENABLED=1 $(GO) test -race -short -timeout 40m -tags $(TAGS) ./internal/store/etcd ./internal/store/postgres
	$(GO) test -timeout 20m -tags $(TAGS) ./internal/cluster
	$(GO) test -tags $(TAGS) -run 'Etcd|Import|Cluster|Stores' .

e2e: build ## the built binary, used as its users do
	$(GO) test -count=1 -timeout 40m -tags "e2e $(TAGS)" ./e2e/...
	$(GO) test -count=1 -short -timeout 40m -tags "e2e $(TAGS)" -skip '^(TestConformance|TestTwoReplicas)$$' ./internal/store/etcd
	$(GO) test -count=1 -short -timeout 40m -tags "e2e $(TAGS)" ./internal/store/postgres
	$(GO) test -count=1 -timeout 40m -tags "e2e $(TAGS)" -run OnPostgres .

engines: ## the conformance suite in full, on every kind of store, with the race detector; it needs a C compiler, etcd-server and postgresql
	CGO_ENABLED=1 $(GO) test -count=1 -race -timeout 60m -tags "e2e $(TAGS)" ./internal/store/...

faults: build ## faults on all engines until FOR is over, with a table of what they cost; FOR=5m SEED=1234; as root (docs/faults.md)
	$(GO) test -count=1 -v -timeout 60m -tags "e2e $(TAGS)" ./e2e/faults -args -for $(FOR) -seed $(SEED) -faults '$(FAULTS)'

bench: ## Midas beside a bare server and the store alone; ONLY=get,put for parts, ONLY=etcd or postgres for replicas, ROUNDS=2 for fewer rounds, SCALE=1000000 for a big installation, HOSTS=100000 for many machines
	$(GO) run -tags "e2e $(TAGS)" ./bench $(if $(ONLY),-only $(ONLY)) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(SCALE),-scale $(SCALE)) $(if $(HOSTS),-hosts $(HOSTS))

# A target that runs out of FUZZTIME sometimes fails with "context deadline exceeded" and without a failing
# input (https://go.dev/issue/75804, open in Go 1.26). Such a target is run again, twice at most.
fuzz: ## every fuzz target for FUZZTIME
	@set -e; log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	for file in $$(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
			for try in 1 2 3; do \
				echo "$$(dirname $$file) $$target"; \
				if $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$(dirname $$file)" > "$$log" 2>&1; then cat "$$log"; break; fi; \
				cat "$$log"; \
				{ grep -q 'context deadline exceeded' "$$log" && ! grep -q 'Failing input' "$$log" && test $$try -lt 3; } || exit 1; \
			done; \
		done; \
	done
