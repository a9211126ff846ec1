# Every command of the project. CI calls the same ones.
# SEEDS, ROUNDS and SECONDS may be given: make sim SEEDS=100000

CARGO ?= cargo
SEEDS ?= 100000
SECONDS ?= 3600

.PHONY: run build test check sim bite soak bench bench-large bench-check fmt

# Builds, starts, prints the address; a conversation works at once.
run: build
	target/release/segue serve

build:
	$(CARGO) build --release --locked --bin segue

# Everything CI runs. Installs what it needs.
test:
	scripts/test.sh

# What needs no running program: format, lints, licences and sources of dependencies, documents.
check:
	scripts/check.sh

# Simulated clusters, as many as you like. SEED=n repeats one.
sim:
	SEEDS=$(SEEDS) $(CARGO) test --locked -p segue-server --test sim -- --nocapture

# Breaks the code on purpose, once for each promise, and wants to see the simulator notice.
bite:
	scripts/bite.sh

# Hours rather than minutes: the real program killed a hundred times, failing disks, full disks, and
# a hostile hour. SECONDS=60 makes that a minute.
soak:
	HOSTILE_SECONDS=$(SECONDS) scripts/soak.sh

# How fast it is on this machine: runs every scenario of `segue load` and writes the tables of
# docs/performance.md.
bench:
	scripts/bench.sh

# What fifty million entries in the store change: writes 25 GB first.
bench-large:
	ONLY=growth-large scripts/bench.sh

# Whether something has become slower: instructions of the pure parts, ratios within one run. Wants
# valgrind. UPDATE=1 writes the figures anew that are no longer near.
bench-check:
	$(CARGO) test --locked --quiet -p segue-server --bench check

fmt:
	$(CARGO) fmt
