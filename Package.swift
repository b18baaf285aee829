// swift-tools-version: 6.2
// Targets stand in the order of the import arrows: a target may import only those above it.
import PackageDescription

// Warnings are errors where nobody reads them.
let isCI = Context.environment["CI"] != nil

let swiftSettings: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    // Byte buffers, keys and record checks are called across modules in every request: without this the
    // optimiser stops at the module's edge (docs/decisions/0008-cross-module-optimization.md).
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
  ] + (isCI ? [.treatAllWarnings(as: .error)] : [])

// The store, the compiled schema and their tests are optimised in test builds too, with every assertion: each byte of
// each block is damaged there, and unoptimised that takes half of the time of all tests.
let quickTests: [SwiftSetting] = [
  .unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))
]

// Expressions that the compiler cannot prove memory safe say so (docs/decisions/0016-strict-memory-safety.md).
let strictSettings = swiftSettings + [.strictMemorySafety()]

// The C++ storage library and its codecs go into the executable itself, so that `out/server` starts
// on a machine that has only glibc and libstdc++ (docs/decisions/0003-static-linking.md).
let staticLibraries: [LinkerSetting] = [
  .unsafeFlags(
    [
      "-l:librocksdb.a", "-l:libsnappy.a", "-l:liblz4.a", "-l:libbz2.a", "-l:libzstd.a",
      "-l:libz.a", "-l:libnghttp2.a", "-l:libcrypto.a", "-lstdc++", "-ldl", "-lpthread", "-lm",
    ].flatMap { ["-Xlinker", $0] })
]

/// The clients of benchmarks and tests speak TLS as well.
let clientLibraries =
  staticLibraries + [.unsafeFlags(["-Xlinker", "-lssl", "-Xlinker", "-lcrypto"])]

let package = Package(
  name: "seandb",
  products: [
    .executable(name: "seandb", targets: ["seandb"]),
    .executable(name: "seandb-bench", targets: ["seandb-bench"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .systemLibrary(name: "CRocksDB"),
    .systemLibrary(name: "CNghttp2"),
    .systemLibrary(name: "CMalloc"),
    .systemLibrary(name: "CZstd"),
    .systemLibrary(name: "CLZ4"),
    .systemLibrary(name: "CZlib"),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "COpenSSL"),
    .systemLibrary(name: "CCrypto"),
    .systemLibrary(name: "CEpoll"),
    // Holds a constructor, which only C can write.
    .target(name: "CProgram"),
    // The part of RocksDB that only C++ can reach.
    .target(
      name: "CRocksDBParts",
      // Valgrind of Debian 12, which counts instructions, does not read all of version 5.
      cxxSettings: [.unsafeFlags(["-gdwarf-4"])]),
    .target(name: "Bytes", swiftSettings: strictSettings + quickTests),
    .target(name: "Platform", dependencies: ["CLinux"], swiftSettings: strictSettings),
    .target(
      name: "LSM", dependencies: ["Bytes", "CZstd", "CLZ4", "CLinux"],
      swiftSettings: strictSettings + quickTests),
    .target(
      name: "Engine", dependencies: ["Bytes"],
      swiftSettings: strictSettings),
    // The back ends: only programs and tests name them.
    .target(
      name: "EngineRocksDB",
      dependencies: ["Bytes", "Platform", "Engine", "CRocksDB", "CRocksDBParts"],
      swiftSettings: strictSettings),
    .target(
      name: "EngineLSM", dependencies: ["Engine", "LSM"],
      swiftSettings: strictSettings),
    .target(
      name: "Wire",
      dependencies: [
        "Bytes", "Platform", "CNghttp2", "CZlib",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["Services/Protos"],
      swiftSettings: strictSettings),
    .target(
      name: "Schema",
      dependencies: [
        "Bytes", "Platform",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ], swiftSettings: strictSettings + quickTests),
    .target(
      name: "Records",
      dependencies: [
        "Bytes", "Platform", "Engine", "Schema",
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strictSettings),
    .target(
      name: "Access", dependencies: ["Platform", "CCrypto"],
      swiftSettings: strictSettings),
    .target(
      name: "Server",
      dependencies: [
        "Bytes", "Platform", "Engine", "Wire", "Schema", "Records", "Access",
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strictSettings),
    .executableTarget(
      name: "seandb",
      dependencies: [
        "Bytes", "Platform", "LSM", "Engine", "EngineRocksDB", "EngineLSM", "Wire", "Schema",
        "Records", "Access", "Server", "CMalloc",
        "CProgram",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: strictSettings, linkerSettings: staticLibraries),
    .executableTarget(
      name: "seandb-bench",
      dependencies: [
        "Bytes", "Platform", "Engine", "EngineRocksDB", "EngineLSM", "CEpoll", "CLinux", "CMalloc",
        "CNghttp2",
        "COpenSSL",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ], path: "Bench/SeandbBench",
      swiftSettings: strictSettings, linkerSettings: clientLibraries),
    .target(
      name: "TestSupport",
      dependencies: [
        "CNghttp2", "COpenSSL", .product(name: "Subprocess", package: "swift-subprocess"),
      ], path: "Tests/TestSupport",
      swiftSettings: strictSettings),
    // A disk in memory, for what is built on our engine.
    .target(
      name: "LSMTestSupport", dependencies: ["LSM", "TestSupport"], path: "Tests/LSMTestSupport",
      swiftSettings: swiftSettings + quickTests),
    // Other people's clients are tried with it; `swift build` of the tests makes it as well.
    .executableTarget(
      name: "interop-server",
      dependencies: [
        "Bytes", "Wire",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ], path: "Tests/InteropServer", exclude: ["Protos"], swiftSettings: swiftSettings,
      linkerSettings: staticLibraries),
    .testTarget(
      name: "PlatformTests", dependencies: ["Platform", "TestSupport"],
      swiftSettings: swiftSettings, linkerSettings: clientLibraries),
    .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: swiftSettings),
    .testTarget(
      name: "LSMTests", dependencies: ["Bytes", "LSM", "LSMTestSupport", "TestSupport"],
      swiftSettings: swiftSettings + quickTests,
      linkerSettings: clientLibraries),
    .testTarget(
      name: "EngineTests",
      dependencies: [
        "Bytes", "CRocksDB", "CRocksDBParts", "LSM", "Engine", "EngineRocksDB", "EngineLSM",
        "TestSupport",
      ],
      swiftSettings: swiftSettings, linkerSettings: clientLibraries),
    .testTarget(
      name: "WireTests",
      dependencies: [
        "Bytes", "Platform", "Wire", "TestSupport",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: swiftSettings, linkerSettings: clientLibraries),
    .testTarget(
      name: "SchemaTests",
      dependencies: [
        "Bytes", "Schema", "TestSupport",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ], swiftSettings: swiftSettings, linkerSettings: clientLibraries),
    .testTarget(
      name: "RecordsTests",
      dependencies: [
        "Bytes", "Engine", "EngineRocksDB", "EngineLSM", "LSM", "Schema", "Records",
        "LSMTestSupport", "TestSupport",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: swiftSettings, linkerSettings: clientLibraries),
    .testTarget(
      name: "AccessTests", dependencies: ["Platform", "Access", "TestSupport"],
      swiftSettings: swiftSettings, linkerSettings: staticLibraries),
    .testTarget(
      name: "ServerTests",
      dependencies: [
        "Bytes", "Platform", "Engine", "EngineRocksDB", "EngineLSM", "Wire", "Schema", "Records",
        "Access", "Server",
        "TestSupport",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: swiftSettings, linkerSettings: clientLibraries),
    .testTarget(
      name: "BenchTests", dependencies: ["Bytes", "Platform", "seandb-bench"],
      swiftSettings: swiftSettings,
      linkerSettings: clientLibraries),
    .testTarget(name: "TidyTests", swiftSettings: swiftSettings),
  ],
  cxxLanguageStandard: .cxx17
)

// For a build with a sanitizer, which takes long: these tests, and no programs.
if let wanted = Context.environment["SEANDB_TEST_TARGETS"]?.split(separator: ",") {
  package.products = []
  package.targets.removeAll {
    $0.type == .executable || $0.type == .test && !wanted.contains(Substring($0.name))
  }
}
