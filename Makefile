# make run      build, make a server of Examples/pets/schema.proto and run it on 127.0.0.1:50051; what it makes and
#               stores stays in Examples/pets. LISTEN=127.0.0.1:50061 for another port
# make test     everything: unit tests, then real gRPC clients against the release binary
# make build    the release binary, .build/seandb
# make bench    engines, servers and what people would use instead, side by side: .build/bench/report.html.
#               Some 55 minutes, builds included, 8 of them for stores that are larger than their cache, which take 2 GB
#               of disk, and 20 for bench-indexes and bench-postgresql, which come last (this one where PostgreSQL 15
#               is installed); BENCH_PARTS=engine (engine-misses, server, server-large, agreement) for a part
# make bench-short
#               the same in small, and gates on what an operation costs; fails when an answer is wrong
# make bench-indexes
#               what indexes cost and give, beside a plain model, and what writes lose while one is built: some ten
#               minutes (docs/benchmarks.md, "Indexes")
# make bench-expiry
#               what Gets notice of a million records that end beside them: some eight minutes
# make bench-watch
#               what Puts notice of calls that watch their model: some three minutes
# make bench-postgresql
#               seandb beside PostgreSQL 15 with the same table and indexes: some 12 minutes. Installs Debian's package,
#               which starts a service of its own; the benchmark has another cluster, in a temporary folder
# make peers    what the server benchmark compares with: .build/peers/bin (Bench/Peers/README.md)
# make profile  where a benchmark spends its time: .build/profile/flame.svg and summary.txt (docs/profiling.md)
# make soak     30 minutes of mixed load on the LSM, every answer checked, then `verify`; SOAK_MINUTES=1 for less
# make fuzz     decoders and connections on random bytes, 30 s each; FUZZ_SECONDS=1200 for longer
# make race     tests with several threads under the thread sanitizer, some ten minutes with the build
# make lint     formatting and style, without changing anything
# make format   bring all Swift files into the format that `lint` asks for
# make clean    remove what was built, not your data
#
# ENGINE_FLAGS="--workloads readrandom", ENGINE_MISSES_FLAGS, SERVER_FLAGS, SERVER_LARGE_FLAGS and AGREEMENT_FLAGS
# narrow a benchmark, as do INDEXES_FLAGS and POSTGRESQL_FLAGS; what there is: .build/release/seandb-bench help server
#
# PROFILE="server --targets seandb-lsm --workloads put" profiles another benchmark, PROFILE_TOOL=callgrind counts
# instructions, PROFILE_FOCUS=readRandom shows only what runs inside a function of that name.
#
# Missing Debian packages are installed first (as root, or by sudo). Swift 6.3 has to be there.

BUILD_PACKAGES = binutils libstdc++-12-dev librocksdb-dev libsnappy-dev liblz4-dev libbz2-dev \
  libzstd-dev zlib1g-dev libnghttp2-dev libssl-dev protobuf-compiler libprotobuf-dev
TEST_PACKAGES = python3 python3-venv rocksdb-tools openssl
PETS = Examples/pets
LISTEN ?= 127.0.0.1:50051
SWIFT_FILES = Package.swift Sources Tests Bench Fuzz
FUZZ_SECONDS ?= 30
SOAK_MINUTES ?= 30
PROFILE = engine --engines lsm --workloads readrandom --rounds 1
PROFILE_TOOL = perf
PROFILE_FOCUS =
PROFILE_PACKAGES = python3 $(if $(filter callgrind,$(PROFILE_TOOL)),valgrind,linux-perf)
SOAK_DIRECTORY = .build/soak
CLIENTS = Tests/Clients
VENV = .build/venv
REPORT_VENV = .build/report-venv
BENCH_DIRECTORY = .build/bench
BENCH_PARTS ?=
POSTGRESQL = $(if $(wildcard /usr/lib/postgresql/15/bin/postgres),bench-postgresql)

.PHONY: run test build build-packages test-packages bench bench-short bench-indexes bench-expiry bench-watch \
  bench-postgresql bench-build gate-packages peers profile soak fuzz race lint format clean

run: build
	@echo "==> making a server of $(PETS)/schema.proto"
	.build/seandb create $(PETS)/schema.proto --out $(PETS)/out
	@echo "==> running it; Ctrl-C ends it"
	exec $(PETS)/out/server --data $(PETS)/data --listen $(LISTEN)

build: build-packages
	@echo "==> building seandb (release)"
	scripts/release-build --product seandb
	strip -o .build/seandb .build/release/seandb

build-packages:
	@scripts/install-packages $(BUILD_PACKAGES)

test: build test-packages $(VENV)/requirements.txt
	@echo "==> unit tests (debug)"
	swift test --parallel --disable-xctest
	@echo "==> client tests against .build/seandb"
	SEANDB=.build/seandb $(VENV)/bin/python -B -m pytest -c $(CLIENTS)/pytest.ini $(CLIENTS)

test-packages:
	@scripts/install-packages $(TEST_PACKAGES)

$(VENV)/requirements.txt: $(CLIENTS)/requirements.txt | test-packages
	@echo "==> setting up the Python environment of the client tests"
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement $<
	cp $< $@

bench: build bench-build peers $(REPORT_VENV)/requirements.txt
	@PYTHON=$(REPORT_VENV)/bin/python ENGINE_FLAGS="$(ENGINE_FLAGS)" SERVER_FLAGS="$(SERVER_FLAGS)" \
	  ENGINE_MISSES_FLAGS="$(ENGINE_MISSES_FLAGS)" SERVER_LARGE_FLAGS="$(SERVER_LARGE_FLAGS)" \
	  AGREEMENT_FLAGS="$(AGREEMENT_FLAGS)" scripts/bench $(BENCH_DIRECTORY) $(BENCH_PARTS)
	@[ -n "$(BENCH_PARTS)" ] || $(MAKE) --no-print-directory bench-indexes $(POSTGRESQL)
	@[ -n "$(BENCH_PARTS)$(POSTGRESQL)" ] || echo "==> without PostgreSQL, which is not installed: make bench-postgresql"

bench-short: build bench-build peers gate-packages $(REPORT_VENV)/requirements.txt
	@PYTHON=$(REPORT_VENV)/bin/python ENGINE_FLAGS="--records 20000 --rounds 1" \
	  ENGINE_MISSES_FLAGS="--records 50000 --cache-size 600K" \
	  SERVER_LARGE_FLAGS="--records 200000 --cache-size 6M --memtable-size 4M --seconds 0.2 --write-seconds 0.2 \
	    --rates 2000 --warm-gets 2000" \
	  SERVER_FLAGS="--records 20000 --rounds 1 --seconds 0.2 --write-seconds 0.2 --rates 2000" \
	  AGREEMENT_FLAGS="--records 20000 --rounds 1 --seconds 0.2" scripts/bench $(BENCH_DIRECTORY)-short
	@echo "==> models with indexes"
	python3 -B Bench/Indexes --short --out $(BENCH_DIRECTORY)-short
	@echo "==> what an operation costs"
	python3 -B Bench/Gates
	@echo "==> tests of the report, of the profile and of the comparisons"
	$(REPORT_VENV)/bin/python -B -m pytest -c Bench/Report/pytest.ini Bench/Report
	$(REPORT_VENV)/bin/python -B -m pytest -c Bench/Profile/pytest.ini Bench/Profile
	$(REPORT_VENV)/bin/python -B -m pytest -c Bench/Indexes/pytest.ini Bench/Indexes
	$(REPORT_VENV)/bin/python -B -m pytest -c Bench/Peers/postgresql/pytest.ini Bench/Peers/postgresql

bench-indexes: build bench-build
	python3 -B Bench/Indexes $(INDEXES_FLAGS)
	@[ -n "$(INDEXES_FLAGS)" ] || python3 -B Bench/Indexes --building

bench-expiry: build bench-build $(VENV)/requirements.txt
	$(VENV)/bin/python -B Bench/Expiry $(EXPIRY_FLAGS)

bench-watch: build bench-build $(VENV)/requirements.txt
	$(VENV)/bin/python -B Bench/Watch $(WATCH_FLAGS)

bench-postgresql: build bench-build
	@scripts/install-packages python3 postgresql-15
	python3 -B Bench/Peers/postgresql $(POSTGRESQL_FLAGS)

gate-packages:
	@scripts/install-packages valgrind python3 libc6-dev

$(REPORT_VENV)/requirements.txt: Bench/Report/requirements.txt | test-packages
	@echo "==> setting up the Python environment of the report"
	python3 -m venv $(REPORT_VENV)
	$(REPORT_VENV)/bin/pip install --quiet --requirement $<
	cp $< $@

bench-build: build-packages
	@echo "==> building seandb-bench (release)"
	scripts/release-build --product seandb-bench

peers:
	@scripts/install-peers

profile: bench-build $(if $(filter server,$(PROFILE)),build)
	@scripts/install-packages $(PROFILE_PACKAGES)
	python3 -B Bench/Profile --tool $(PROFILE_TOOL) $(if $(PROFILE_FOCUS),--focus "$(PROFILE_FOCUS)") -- \
	  .build/release/seandb-bench $(PROFILE)

.build/seandb:
	@$(MAKE) build

soak: bench-build .build/seandb
	rm -rf $(SOAK_DIRECTORY)
	.build/release/seandb-bench soak --minutes $(SOAK_MINUTES) --directory $(SOAK_DIRECTORY)
	.build/seandb verify $(SOAK_DIRECTORY)
	rm -rf $(SOAK_DIRECTORY)

fuzz: build-packages
	@scripts/fuzz $(FUZZ_SECONDS)

race: build-packages test-packages
	@scripts/thread-sanitizer

lint:
	swift format lint --strict --recursive $(SWIFT_FILES)

format:
	swift format format --in-place --recursive $(SWIFT_FILES)

clean:
	swift package clean
	rm -rf .build/seandb .build/peers .build/profile .build-fuzz/bin .build-fuzz/modules .build-tsan $(VENV) \
	  $(REPORT_VENV) $(BENCH_DIRECTORY) $(BENCH_DIRECTORY)-short out $(PETS)/out
