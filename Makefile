# SPDX-License-Identifier: MIT
# The front door. Meson and Ninja do the work; what is missing is installed first.
#
#   make               builds the library, the command, the examples and the tests
#   make run           shows what Hob can do
#   make test          all tests on all backends; TEST=word for some of them
#   make sim           the tests in the simulated world with many seeds; HOB_SEED=N for one
#   make torture       the tests with each allocation and each system call failing
#   make fuzz          feeds the parsers with noise; FUZZ_SECONDS=N for each
#   make test-deep     sanitizers, Valgrind, the other compiler, other machines, long runs;
#                      PART=asan for one of them
#   make bench         measures; BENCH=echo50 for one question
#   make bench-table   measures and writes the table of README.md
#   make install       installs to PREFIX, below DESTDIR if that is set
#   make portrait      numbers about this tree
#   make format        formats the code
#   make clean         removes what was built

BUILD ?= build
PREFIX ?= /usr/local
TEST ?=
PART ?=
BENCH ?=
SEEDS ?= 200
FUZZ_SECONDS ?= 10

.PHONY: build run test sim torture fuzz test-deep bench bench-table install portrait format clean

build:
	@tools/setup.sh build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) --prefix $(PREFIX)
	@ninja -C $(BUILD)

run: build
	@$(BUILD)/examples/kitchen_live .

test:
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory build
	@tools/run_tests.py $(BUILD) --filter '$(TEST)' $(if $(CI),--slowest 10)

sim:
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory build
	@tools/run_tests.py $(BUILD) --filter '$(TEST)' --backends sim --programs-only \
		--pass '--seeds $(SEEDS)'

torture:
	@tools/setup.sh build test
	@$(MAKE) --no-print-directory build
	@tools/run_tests.py $(BUILD) --filter '$(TEST)' --backends sim --programs-only \
		--pass '--torture'

fuzz:
	@tools/setup.sh build deep
	@tools/fuzz.sh $(FUZZ_SECONDS)

test-deep:
	@tools/setup.sh build test deep
	@tools/setup.sh pages || echo "there is no browser to be had: pages are skipped"
	@tools/test_deep.py --filter '$(TEST)' $(PART)

bench:
	@tools/setup.sh build bench
	@bench/setup.sh
	@meson setup build-bench $(if $(wildcard build-bench/build.ninja),--reconfigure) \
		-Dbench=true -Dtests=false -Dexamples=false >/dev/null
	@ninja -C build-bench --quiet
	@bench/run.py $(BENCH) --build build-bench

bench-table: bench
	@bench/table.py

install: build
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD)

portrait:
	@tools/setup.sh test
	@tools/portrait

format:
	@tools/setup.sh format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf $(BUILD) build-*
