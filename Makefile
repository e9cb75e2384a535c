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
	@set -e; for suite in $(KERNEL_SUITES); do \
		version=$$(scripts/build-driver $$suite bin/virtio_cryptodev.new); \
		mkdir -p bin/driver/$$version; \
		mv bin/virtio_cryptodev.new bin/driver/$$version/virtio_cryptodev.ko; \
		scripts/fetch-guest-kernel --suite $$suite $$version; \
	done

.PHONY: check-driver
check-driver: ## the kernel's checkpatch and sparse on the guest driver
	@scripts/setup driver vm check
	scripts/check-driver

.PHONY: setup
setup: ## install what building, VMs and tests need
	@scripts/setup build driver vm qemu tests

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
	GOARCH=arm64 CGO_ENABLED=0 go vet $$(go list ./... | grep -v -e chat -e e2e -e demo)
	go run $(STATICCHECK) -tags '$(TAGS)' ./...

# The report is a module of its own, whose plots need a library that takes a
# while to build.
.PHONY: lint-report
lint-report:
	cd internal/bench/report && go vet ./... && go run $(STATICCHECK) ./...

# What CI runs: static checks, unit tests with the race detector, the driver's
# build, and end-to-end tests in VMs of the system's QEMU and of a newer one.
.PHONY: test
test: ## install what is missing, build, run all tests of CI
	@scripts/setup build driver vm qemu tests
	@$(MAKE) --no-print-directory lint build driver unit
	$(MAKE) -C guest/driver tests
	go test -count=1 -timeout 15m ./test/e2e

# VCRYPTO_DIFFERENTIAL is how long the device is compared with a second
# implementation by random requests, on all engines together.
#
# A target of its own: make expands all lines of a recipe before it runs the
# first, and TAGS must be those of a machine that setup is through with.
.PHONY: unit
unit:
	CGO_ENABLED=0 go build -o /dev/null ./cmd/vcrypto
	VCRYPTO_DIFFERENTIAL=60s go test -race -tags '$(TAGS)' -timeout 15m $$(go list ./... | grep -v /test/e2e)
	go test -tags '$(TAGS)' -run 'AllocatesNothing|NothingIsAllocated' ./virtio/... ./virtiocrypto/...

# RESULTS gets a line a VM of the matrix; docs/support.md's table is made of it.
RESULTS ?= $(CURDIR)/bin/matrix.jsonl

.PHONY: test-all
test-all: test lint-report drivers check-driver ## every QEMU and kernel that Debian's suites have, every long test
	@scripts/fetch-qemu bookworm-backports >/dev/null
	rm -f $(RESULTS)
	VCRYPTO_TEST_ALL=1 VCRYPTO_RESULTS=$(RESULTS) VCRYPTO_CRYPTODEV_LINUX=$(abspath $(CRYPTODEV_LINUX)) \
		go test -count=1 -timeout 140m ./test/e2e
	VCRYPTO_DIFFERENTIAL=10m VCRYPTO_SEED=random \
		go test -count=1 -tags '$(TAGS)' -run '^TestDifferential$$' -v -timeout 30m ./virtiocrypto

# The driver's tests on a kernel with KASAN, UBSAN, lockdep, kmemleak, which
# takes long: to build (once), and as all is slow in there. RUN picks tests.
DEBUG_KERNEL_TESTS = GuestDriver|StopAndReset|Reconnect|Devcrypto|KernelDoor|LUKS|KernelTLS|Unplug|Reboot|DaemonReplaced|Pause|NodeTaken|Suspend|Stuck|ManyQueues|SeveralDevices|Reload|NoMemory
RUN ?= ^Test($(DEBUG_KERNEL_TESTS))

.PHONY: test-debug-kernel
test-debug-kernel: ## the driver's tests on a kernel with KASAN, lockdep, kmemleak, which is built first; RUN=REGEXP for some
	@scripts/setup build driver vm qemu tests debug-kernel
	@$(MAKE) --no-print-directory build
	$(MAKE) -C guest/driver tests
	kernel=$$(scripts/build-debug-kernel bin/debug); \
	VCRYPTO_DEBUG_KERNEL=$$kernel go test -count=1 -v -timeout 180m -run '$(RUN)' ./test/e2e

.PHONY: support-table
support-table: ## make docs/support.md's table of what make test-all saw
	go run ./internal/matrix/table $(RESULTS) docs/support.md

.PHONY: bench-vm
bench-vm: ## in-guest latency over each transport beside QEMU's own back-end; writes docs/performance-vm.md
	@scripts/setup build driver vm qemu
	@$(MAKE) --no-print-directory build driver
	VCRYPTO_BENCH_VM=$(CURDIR)/docs/performance-vm.md go test -count=1 -v -timeout 30m -run '^TestLatency$$' ./test/e2e

# What others do on the machine disturbs: what was measured meanwhile is
# measured again, and marked if it does not help. BENCHFLAGS="-results FILE"
# keeps results, and goes on from there.
.PHONY: bench
bench: ## measure everything, which takes long; writes docs/performance.md and its plots
	@scripts/setup build
	@$(MAKE) --no-print-directory build
	cd internal/bench/report && go run . -vcrypto $(CURDIR)/bin/vcrypto -docs $(CURDIR)/docs $(BENCHFLAGS)

# CRYPTODEV_LINUX=FOLDER names the sources of cryptodev-linux 1.14, which no
# Debian has. With none named they are fetched from where they are made.
CRYPTODEV_LINUX ?=
.PHONY: test-cryptodev-linux
test-cryptodev-linux: ## cryptodev-linux's own programs on our /dev/crypto; VCRYPTO_TEST_ALL=1: on newer kernels too
	@test -n '$(CRYPTODEV_LINUX)' || scripts/fetch-cryptodev-linux
	@scripts/setup build driver vm qemu
	@$(MAKE) --no-print-directory build $(if $(VCRYPTO_TEST_ALL),drivers,driver)
	VCRYPTO_CRYPTODEV_LINUX=$(or $(abspath $(CRYPTODEV_LINUX)),$$(scripts/fetch-cryptodev-linux)) \
		go test -count=1 -v -timeout 60m -run '^TestCryptodevLinux$$' ./test/e2e

# If CRYPTODEV_LINUX names its sources, cryptodev-linux is measured beside ours, on
# the kernel's own driver.
.PHONY: bench-guest
bench-guest: ## measure nodes in a guest (3 minutes); writes docs/performance-guest.md
	@scripts/setup build driver vm qemu
	@$(MAKE) --no-print-directory build driver
	@results=$$(mktemp); trap 'rm -f "$$results"' EXIT; \
	go run ./internal/bench/guest -cryptodev-linux '$(CRYPTODEV_LINUX)' >"$$results"; \
	cd internal/bench/report && go run ./guest -docs $(CURDIR)/docs <"$$results"

# The daemon under the loads that count: engine, algorithm, bytes a request, and
# a flag.
PGO_RUNS = ipsecmb:aes-cbc:64 ipsecmb:aes-cbc:1024 gocrypto:aes-cbc:64 gocrypto:aes-cbc:1024 \
	ipsecmb:aes-gcm:1024 gocrypto:aes-gcm:1024 ipsecmb:aes-cbc:64:--packed

.PHONY: pgo
pgo: build ## renew the profile that the compiler optimizes bin/vcrypto by
	@runs=$$(mktemp -d); trap 'rm -rf "$$runs"' EXIT; \
	for run in $(PGO_RUNS); do \
		IFS=: read -r engine alg size flag <<<"$$run"; \
		bin/vcrypto bench device --engine $$engine --alg $$alg --size $$size $$flag \
			--rounds 31 --time 100ms --cpu-profile "$$runs/$$engine-$$alg-$$size$$flag"; \
	done; \
	go tool pprof -proto "$$runs"/* >"$$runs/merged"; \
	mv "$$runs/merged" cmd/vcrypto/default.pgo

.PHONY: deb
deb: ## build Debian packages into bin/: the programs, and the driver for DKMS
	@scripts/setup build
	@$(MAKE) --no-print-directory packaged
	@BIN=bin/deb packaging/build-deb

# As distributions harden programs: anywhere in memory, nothing written to that
# the loader is done with.
.PHONY: packaged
packaged:
	@mkdir -p bin/deb
	go build -trimpath -buildmode=pie -ldflags=-bindnow -tags '$(TAGS)' -o bin/deb/ ./cmd/...
	CGO_ENABLED=0 go build -trimpath -ldflags=-s -o bin/deb/vcrypto-init ./internal/vm/init

# SKIP_VM=1 leaves out what a VM of the installed system shows.
.PHONY: test-packages
test-packages: ## install the packages in a Debian of their own, build, boot, upgrade, remove; lintian
	@scripts/setup build vm qemu packages
	@$(MAKE) --no-print-directory packaged build
	packaging/test-packages

.PHONY: screenshot
screenshot: ## renew the picture of the chat, docs/img/vchat.svg
	@scripts/setup build tests
	@$(MAKE) --no-print-directory build
	go run ./internal/chat/screenshot -vchat bin/vchat -o docs/img/vchat.svg

.PHONY: clean
clean: ## remove what was built; the cache stays
	rm -rf bin
	$(MAKE) -C guest/driver clean

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 24
