# make run      build, create a database from Examples/pets and serve it on 127.0.0.1:50051
# make test     everything: unit tests, then real gRPC clients against the release binary
# make build    the release binary, .build/seandb
# make bench    compare the storage engines: a million records, three rounds; figures in .build/bench.json
# make bench-short
#               the same with 50,000 records and one round, in seconds; fails when an answer is wrong
# make peers    what the server benchmark compares with: .build/peers/bin (Bench/Peers/README.md)
# make soak     30 minutes of mixed load on the LSM, every answer checked, then `verify`; SOAK_MINUTES=1 for less
# make fuzz     the decoders of the LSM on random bytes, 30 s each; FUZZ_SECONDS=1200 for longer
# make lint     formatting and style, without changing anything
# make format   bring all Swift files into the format that `lint` asks for
# make clean    remove what was built, not your data
#
# BENCH_FLAGS="--workloads readrandom" and the like narrow a benchmark: .build/release/seandb-bench engine --help
#
# Missing Debian packages are installed first (as root, or by sudo). Swift 6.3 has to be there.

BUILD_PACKAGES = binutils libstdc++-12-dev librocksdb-dev libsnappy-dev liblz4-dev libbz2-dev \
  libzstd-dev zlib1g-dev libnghttp2-dev protobuf-compiler libprotobuf-dev
TEST_PACKAGES = python3 python3-venv rocksdb-tools
SWIFT_FILES = Package.swift Sources Tests Bench Fuzz
FUZZ_SECONDS = 30
SOAK_MINUTES = 30
SOAK_DIRECTORY = .build/soak
CLIENTS = Tests/Clients
VENV = .build/venv

.PHONY: run test build build-packages test-packages bench bench-short bench-build peers soak fuzz lint format clean

run: build
	@echo "==> creating a database from Examples/pets/schema.proto"
	.build/seandb create Examples/pets/schema.proto --out out
	@echo "==> serving it; Ctrl-C ends it"
	exec out/server

build: build-packages
	@echo "==> building seandb (release)"
	swift build -c release --static-swift-stdlib --product seandb
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

bench: bench-build
	.build/release/seandb-bench engine --json .build/bench.json $(BENCH_FLAGS)

bench-short: bench-build
	.build/release/seandb-bench engine --records 50000 --rounds 1 $(BENCH_FLAGS)

bench-build: build-packages
	@echo "==> building seandb-bench (release)"
	swift build -c release --static-swift-stdlib --product seandb-bench

peers:
	@scripts/install-peers

.build/seandb:
	@$(MAKE) build

soak: bench-build .build/seandb
	rm -rf $(SOAK_DIRECTORY)
	.build/release/seandb-bench soak --minutes $(SOAK_MINUTES) --directory $(SOAK_DIRECTORY)
	.build/seandb verify $(SOAK_DIRECTORY)
	rm -rf $(SOAK_DIRECTORY)

fuzz: build-packages
	@scripts/fuzz $(FUZZ_SECONDS)

lint:
	swift format lint --strict --recursive $(SWIFT_FILES)

format:
	swift format format --in-place --recursive $(SWIFT_FILES)

clean:
	swift package clean
	rm -rf .build/seandb .build/peers .build-fuzz/bin .build-fuzz/modules $(VENV) out
