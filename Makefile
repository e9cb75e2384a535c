# SPDX-License-Identifier: Apache-2.0
#
# What is here: make demo, make test, make test-all, make build, make driver;
# make help tells of the rest.
# Needed beforehand: make, and a Go toolchain of the version that go.mod names.
# What else a target needs it names and installs first; see scripts/setup.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Engines around C libraries are built in where the libraries are.
have = $(shell echo '\#include <$(1)>' | $(CC) -E - >/dev/null 2>&1 && echo $(2))
TAGS = $(strip $(call have,intel-ipsec-mb.h,ipsecmb) $(call have,openssl/evp.h,openssl))

# Go sources change what the binaries are; the Go tool knows best which.
.PHONY: build
build: ## build everything written in Go into bin/
	@mkdir -p bin
	go build -tags '$(TAGS)' -o bin/ ./cmd/...
	CGO_ENABLED=0 go build -trimpath -ldflags=-s -o bin/vcrypto-init ./internal/vm/init

.PHONY: driver
driver: ## build the guest driver for the guest kernel
	@scripts/setup driver vm
	@mkdir -p bin
	kernel=$$(scripts/fetch-guest-kernel); \
	$(MAKE) -C guest/driver KDIR=/lib/modules/$${kernel##*/}/build modules taken
	cp guest/driver/virtio_cryptodev.ko guest/driver/tests/taken/taken.ko bin/

# With the headers and compilers of the suites, which stay in the cache folder.
KERNEL_SUITES = bookworm-backports trixie-backports

.PHONY: drivers
drivers: driver ## build the guest driver for newer kernels too, and fetch these
	@for suite in $(KERNEL_SUITES); do \
		mkdir -p bin/kernels/$$suite; \
		version=$$(scripts/build-driver $$suite bin/kernels/$$suite/virtio_cryptodev.ko); \
		scripts/fetch-guest-kernel --suite $$suite $$version; \
	done

.PHONY: check-driver
check-driver: ## the kernel's checkpatch and sparse on the guest driver
	@scripts/setup driver vm check
	scripts/check-driver

.PHONY: setup
setup: ## install what building, VMs and tests need
	@scripts/setup build driver vm qemu

.PHONY: demo
demo: ## show the main job: a VM encrypts through its host, and chats
	@scripts/setup build driver vm
	@$(MAKE) --no-print-directory build driver
	go run ./internal/demo

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed: $$unformatted" >&2; exit 1; fi
	go vet -tags '$(TAGS)' ./...
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	go run $(STATICCHECK) -tags '$(TAGS)' ./...

# What CI runs: static checks, unit tests with the race detector, the driver's
# build, and end-to-end tests in VMs of the system's QEMU and of a newer one.
.PHONY: test
test: ## install what is missing, build, run all tests of CI
	@scripts/setup build driver vm qemu tests
	@$(MAKE) --no-print-directory lint build driver unit
	$(MAKE) -C guest/driver tests
	go test -count=1 -timeout 15m ./test/e2e

# A target of its own: make expands all lines of a recipe before it runs the
# first, and TAGS must be those of a machine that setup is through with.
.PHONY: unit
unit:
	CGO_ENABLED=0 go build -o /dev/null ./...
	go test -race -tags '$(TAGS)' -timeout 15m $$(go list ./... | grep -v /test/e2e)
	go test -tags '$(TAGS)' -run 'AllocatesNothing|NothingIsAllocated' ./virtio/... ./virtiocrypto/...

.PHONY: test-all
test-all: test drivers check-driver ## every QEMU and kernel that Debian's suites have, every long test
	@scripts/fetch-qemu bookworm-backports >/dev/null
	VCRYPTO_TEST_ALL=1 go test -count=1 -timeout 60m ./test/e2e

# What others do on the machine disturbs: what was measured meanwhile is
# measured again, and marked if it does not help. BENCHFLAGS="-results FILE"
# keeps results, and goes on from there.
.PHONY: bench
bench: ## measure everything (12 minutes); writes docs/performance.md and its plots
	@scripts/setup build
	@$(MAKE) --no-print-directory build
	cd internal/bench/report && go run . -vcrypto $(CURDIR)/bin/vcrypto -docs $(CURDIR)/docs $(BENCHFLAGS)

# The daemon under the loads that count: engine, algorithm, bytes a request.
PGO_RUNS = ipsecmb:aes-cbc:64 ipsecmb:aes-cbc:1024 gocrypto:aes-cbc:64 gocrypto:aes-cbc:1024 \
	ipsecmb:aes-gcm:1024 gocrypto:aes-gcm:1024

.PHONY: pgo
pgo: build ## renew the profile that the compiler optimizes bin/vcrypto by
	@runs=$$(mktemp -d); trap 'rm -rf "$$runs"' EXIT; \
	for run in $(PGO_RUNS); do \
		IFS=: read -r engine alg size <<<"$$run"; \
		bin/vcrypto bench device --engine $$engine --alg $$alg --size $$size \
			--rounds 31 --time 100ms --cpu-profile "$$runs/$$engine-$$alg-$$size"; \
	done; \
	go tool pprof -proto "$$runs"/* >"$$runs/merged"; \
	mv "$$runs/merged" cmd/vcrypto/default.pgo

.PHONY: clean
clean: ## remove what was built; the cache stays
	rm -rf bin
	$(MAKE) -C guest/driver clean

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14
