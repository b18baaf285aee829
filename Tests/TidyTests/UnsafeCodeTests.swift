import Testing

/// Where unsafe code may be, and that it says why it is safe (docs/decisions/0016-strict-memory-safety.md).
@Suite("Unsafe code") struct UnsafeCodeTests {
  /// The modules with strict memory safety, and their files that may have the word `unsafe`. A new file here is a
  /// new place where bytes may be read that are not there: think of another way first.
  private static let allowed: [String: Set<String>] = [
    "Bytes": [
      "ByteWriter",
      "ProtobufReader",
      "ProtobufWriter",
      "SipHash",
      "Varint",
    ],
    "Platform": [
      "FileTrouble",
      "Folder",
      "MonotonicClock",
      "SmallFile",
      "Timestamp",
      "WorkerThread",
    ],
    "Access": ["Tokens/TokenHash"],
    "Engine": [
      "Batch/FixedPrefix",
      "Batch/WriteBatch",
      "Batch/WriteBatchImage",
      "Memory/MemoryEngine",
      "OperationGate",
      "StorageEngine",
    ],
    "EngineLSM": [
      "LSMEngine+Conversions",
      "LSMEngine",
    ],
    "EngineRocksDB": [
      "EngineDescriptor+RocksDB",
      "RocksDBEngine+Maintenance",
      "RocksDBEngine+Read",
      "RocksDBEngine+Scan",
      "RocksDBEngine+Write",
      "RocksDBEngine",
      "RocksDBFiles",
      "RocksDBHandle",
      "RocksDBIterator",
      "RocksDBManifest",
      "RocksDBOptions",
      "RocksDBRecordReader",
      "RocksDBStatus",
    ],
    "LSM": [
      "Block/Block",
      "Block/BlockBuilder",
      "Block/BlockCompressor",
      "Block/BlockDecompressor",
      "Block/BlockEntry",
      "Block/BlockHandle",
      "Block/BlockIterator",
      "Block/BlockTrailer",
      "Block/InlineVarint",
      "Cache/BlockCache",
      "Cache/BlockCacheSlot",
      "Cache/BlockPin",
      "Checksum/XXH64",
      "Compaction/Compaction",
      "Compaction/MergeRun",
      "Compaction/TombstoneRows",
      "Concurrency/EpochCell",
      "Concurrency/Monitor",
      "Concurrency/MonotonicTime",
      "Concurrency/PosixMutex",
      "Concurrency/Unmanaged+Borrow",
      "FileSystem/FileSystem+Copy",
      "FileSystem/FileSystem+Install",
      "FileSystem/POSIXFileSystem",
      "Iterator/CoveringTombstones",
      "Iterator/MergeSource",
      "Iterator/MergingIterator",
      "Keys/Array+Bytes",
      "Keys/InternalKey",
      "Keys/KeyOrder",
      "LSMError+Description",
      "Manifest/Manifest",
      "Manifest/VersionEdit",
      "Memtable/Arena",
      "Memtable/Memtable",
      "Memtable/MemtableTombstones",
      "Memtable/RangeTombstone",
      "Memtable/RangeTombstoneIndex",
      "Memtable/SkipList",
      "Memtable/SkipListNode",
      "Table/BloomFilter",
      "Table/Footer",
      "Table/Table",
      "Table/TableBuilder",
      "Table/TableIterator",
      "Table/TableProperties",
      "Tools/BlockSearch",
      "Tools/FileInspection",
      "Tools/StoreRepair+Write",
      "Tools/TableCheck",
      "Tools/TableParts",
      "Tree/BackgroundThreads",
      "Tree/BatchReader",
      "Tree/LSMTree+Read",
      "Tree/LSMTree+Scan",
      "Tree/LSMTree+Write",
      "Tree/LSMTree",
      "Version/SortedRun",
      "Version/TableFile",
      "Version/Version",
      "WAL/LogFormat",
      "WAL/LogReader",
      "WAL/LogWriter",
      "WAL/StoreID",
    ],
    "Wire": [
      "GRPC/CallContext",
      "GRPC/GRPCTimeout",
      "GRPC/MessagePrefix",
      "GRPC/MethodTable",
      "HTTP2/CallSlot",
      "HTTP2/CallStream",
      "HTTP2/Connection",
      "HTTP2/Connection+Bidirectional",
      "HTTP2/Connection+Hooks",
      "HTTP2/Connection+Lifetime",
      "HTTP2/Connection+Log",
      "HTTP2/Connection+Requests",
      "HTTP2/Connection+Responses",
      "HTTP2/Connection+Streams",
      "HTTP2/HTTP2Callbacks",
      "HTTP2/SlotReference",
      "HTTP2/StaticHeaders",
      "Services/DescriptorSymbols",
      "Services/HealthService",
      "Services/ReflectionRequest",
      "TLS/TLSFiles",
      "Transport/BoundAddress",
      "Transport/ClientProtocol",
      "Transport/ConnectionHandler",
      "Transport/InMemoryConnection",
      "Transport/UnixSocketPath",
    ],
    "Schema": [
      "Compile/Protoc",
      "Compile/SchemaCompiler",
      "Compile/SourceComments",
      "Compile/TemporaryDirectory",
      "Container/CRC32",
      "Container/CompiledSchema+Container",
      "Container/ContainerReader",
      "POSIXFile",
      "Record/RecordBatchReader",
      "Record/RecordPlan",
      "Record/RecordPlan+Check",
      "Record/UTF8Validation",
      "Record/WireScan",
      "Write/OutputDirectory",
    ],
    "Records": [
      "Cache/RecordCache",
      "Cache/RecordCacheShard",
      "Catalogue/Catalogue",
      "Commit/RangeDeleteSweeper",
      "Commit/WriteMonitor",
      "DataDirectory/CommitMark",
      "DataDirectory/CommitMarkImage",
      "DataDirectory/DataDirectory",
      "DataDirectory/StoreExpectation",
      "DataDirectory/StoreFile",
      "DataDirectory/StoreIdentity",
      "DataDirectory/StoreLocation",
      "DataDirectory/StoreLock",
      "DataDirectory/StoreWatch",
      "Keys/KeyPrefix",
      "Masks/MaskTree",
      "Masks/MaskTree+Project",
      "Query/KeyExpression",
      "Query/PageToken",
      "Query/QueryParser",
      "Query/QueryParser+Members",
      "Query/RecordQuery",
      "Query/RecordScan",
      "Query/RecordSource",
      "Query/StoredKeys",
      "Store/ModelStore",
    ],
    "Server": [
      "Access/AccessGate",
      "Access/KnownHeaders",
      "Handlers/DeleteHandler",
      "Handlers/GetHandler",
      "Handlers/GetOneHandler",
      "Handlers/ModelReads",
      "Handlers/PointReads",
      "Handlers/StreamHandler",
      "Limits/AddressSpaceLimit",
      "Limits/OpenFileLimit",
      "StatusMapping",
    ],
    "seandb": [
      "EmbeddedSchema",
      "FileViews",
      "Main",
      "ProcessSignals",
      "ProgramArguments",
      "ProgressLine",
      "StoreReading",
      "Terminal",
    ],
    "seandb-bench": [
      "Agreement/H2load",
      "Agreement/H2loadChecks",
      "CommandLine/OutputFile",
      "CommandLine/Progress",
      "Data/KeyBuffer",
      "Data/ValueSource",
      "Engine/Worker",
      "Load/ByteStream",
      "Load/CallSlot",
      "Load/EtcdDialect",
      "Load/GRPCFrame",
      "Load/HTTP2Session",
      "Load/LoadConnection",
      "Load/LoadGenerator",
      "Load/LoadThread",
      "Load/Poller",
      "Load/RecordSource",
      "Load/RedisDialect",
      "Load/RedisSession",
      "Load/SeandbDialect",
      "Load/TLSClient",
      "Measure/ProcessUsage",
      "Process/ChildProcess",
      "Process/CommandOutput",
      "Process/InterruptWatch",
      "Process/ScratchDirectory",
      "Process/SystemFile",
      "Server/ServerLauncher",
      "Soak/Footprint",
      "Soak/Soak",
      "Soak/SoakReader",
    ],
    "TestSupport": [
      "HTTP2TestClient",
      "LoopbackSocket",
      "SeededGenerator",
      "SocketClient",
      "TLSSocketClient",
      "TemporaryFolder",
      "Threads",
    ],
  ]

  @Test func marksUnsafeCodeOnlyWhereItMayBe() {
    #expect(TidyChecks.unsafeViolations(in: Repository.swift, allowed: Self.allowed) == [])
  }

  @Test func listsTheStrictModules() throws {
    let manifest = try #require(Repository.read(Repository.root + "/Package.swift"))
    #expect(TidyChecks.strictModules(in: manifest) == Set(Self.allowed.keys))
  }

  @Test(arguments: [
    ("let a = unsafe b", true), ("  try unsafe f()", true), ("nonisolated(unsafe) var a = 1", true),
    ("@unsafe func f() {}", true), ("// unsafe", false), ("let a = b  // unsafe", false),
    ("@safe func f() {}", false), ("let a: UnsafeRawPointer", false),
    ("a.unsafelyUnwrapped", false),
  ])
  func findsUnsafeCode(line: String, isUnsafe: Bool) {
    #expect(TidyChecks.containsUnsafeCode(.init(path: "Sources/A/B.swift", text: line)) == isUnsafe)
  }

  @Test(arguments: [
    ("// SAFETY: a owns b.\nlet a = unsafe b", 0),
    ("/// Unsafe island: owns b.\nlet a = unsafe b", 0),
    ("let a = unsafe b\n// SAFETY: too late.", 1), ("let a = b", 1), ("let a = unsafe b", 1),
  ])
  func findsViolationsInAListedFile(text: String, count: Int) {
    let file = Repository.File(path: "Sources/A/B/C.swift", text: text)
    #expect(TidyChecks.unsafeViolations(in: [file], allowed: ["A": ["B/C"]]).count == count)
  }

  @Test func findsUnsafeCodeThatIsNotListed() {
    let file = Repository.File(path: "Sources/A/B.swift", text: "// SAFETY: b\nunsafe b()")
    #expect(TidyChecks.unsafeViolations(in: [file], allowed: ["A": []]).count == 1)
    #expect(TidyChecks.unsafeViolations(in: [file], allowed: ["C": []]) == [])
    let bench = Repository.File(path: "Bench/SeandbBench/B.swift", text: "unsafe b()")
    #expect(TidyChecks.unsafeViolations(in: [bench], allowed: ["seandb-bench": []]).count == 2)
  }

  @Test func findsTheStrictModules() {
    let manifest = """
      let strictSettings = swiftSettings + [.strictMemorySafety()]
      .target(name: "A", swiftSettings: strictSettings),
      .target(name: "B", swiftSettings: swiftSettings),
      .target(
            name: "C",
            dependencies: [
              "A", .product(name: "D", package: "d"),
            ], swiftSettings: strictSettings + more),
      """
    #expect(TidyChecks.strictModules(in: manifest) == ["A", "C"])
  }
}
