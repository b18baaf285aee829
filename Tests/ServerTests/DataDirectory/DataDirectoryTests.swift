import Engine
import EngineLSM
import EngineRocksDB
import Glibc
import Logging
import Platform
import Records
import Schema
import Server
import TestSupport
import Testing
import Wire

@Suite("Data directory") struct DataDirectoryTests {
  private static let engines = EngineList([.rocksDB, .lsm])

  private let folder: TemporaryFolder
  private let schema: CompiledSchema

  init() async throws {
    folder = try TemporaryFolder()
    let path = try folder.write(
      "schema.proto", "syntax = \"proto3\"; message Dog { string pk = 1; }")
    schema = try await SchemaCompiler(includeDirectories: []).compile(path)
  }

  private func open(
    _ name: String = "data", schema: CompiledSchema?, engine: EngineDescriptor? = nil
  ) throws(ServerError) -> DatabaseServer {
    var configuration = ServerConfiguration(engines: Self.engines, coreCount: 1)
    configuration.addresses = [.tcp(host: "127.0.0.1", port: 0)]
    configuration.engine = engine
    configuration.dataDirectory = folder.path + "/" + name
    return try DatabaseServer.open(
      schema: schema, configuration: configuration, logger: Logger(label: "test"))
  }

  /// The description of the error that opening gives.
  private func refusal(
    _ name: String = "data", schema: CompiledSchema?, engine: EngineDescriptor? = nil
  ) -> String? {
    do throws(ServerError) {
      _ = try open(name, schema: schema, engine: engine)
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// Starts and stops a server.
  private func run(schema: CompiledSchema?, engine: EngineDescriptor?) async throws {
    let server = try open(schema: schema, engine: engine)
    _ = try await server.start()
    #expect(await server.shutDown())
  }

  @Test func belongsToOneProcessAtATime() async throws {
    let server = try open(schema: schema)
    #expect(refusal(schema: schema)?.contains("another process has this data directory") == true)
    _ = try await server.start()
    await server.shutDown()
  }

  @Test(arguments: [
    (
      "seandb data directory\nformat 1\nengine paper\n",
      "the engine paper, which this program does not"
    ),
    ("seandb data directory\nformat 9\nengine rocksdb\n", "format 9"),
    ("seandb data directory\nformat 2\nengine rocksdb\nstore", "not the marker that was written"),
    ("seandb data directory\nformat 2\nengine rocksdb", "not the marker that was written"),
    ("something else\n", "not the marker that was written"),
    ("", "not the marker that was written"),
  ])
  func refusesAMarkerThatIsNotItsOwn(_ marker: String, _ words: String) throws {
    try folder.write("data/SEANDB", marker)
    let text = try #require(refusal(schema: schema))
    #expect(text.contains(words), "\(text)")
  }

  @Test(arguments: Self.engines.all)
  func followsTheMarkerWhenNoEngineIsNamed(_ kind: EngineDescriptor) async throws {
    let other = try #require(Self.engines.all.first { $0 != kind })
    try await run(schema: schema, engine: kind)
    try await run(schema: nil, engine: nil)
    try await run(schema: schema, engine: kind)
    let text = refusal(schema: schema, engine: other)
    #expect(text?.contains("belongs to the engine \(kind.name), not \(other.name)") == true)
  }

  @Test func createsNothingWhenTheAddressIsTaken() async throws {
    let server = try open(schema: schema)
    let port = try #require(try await server.start().first?.port)
    var configuration = ServerConfiguration(engines: Self.engines, coreCount: 1)
    configuration.addresses = [.tcp(host: "127.0.0.1", port: port)]
    configuration.dataDirectory = folder.path + "/other"
    #expect {
      _ = try DatabaseServer.open(
        schema: schema, configuration: configuration, logger: Logger(label: "test"))
    } throws: {
      "\($0)".contains("cannot listen on 127.0.0.1:\(port): Address already in use")
    }
    #expect(access(folder.path + "/other", F_OK) != 0)
    await server.shutDown()
  }

  /// A directory of the first format has no commit mark, and gets one; a store of the second has no identity.
  @Test(arguments: Self.engines.all, [1, 2])
  func opensADirectoryOfAnEarlierFormat(_ kind: EngineDescriptor, _ format: Int) async throws {
    try await run(schema: schema, engine: kind)
    let path = folder.path + "/data"
    try writeMarker(format: format, kind, store: format == 2 ? "made" : nil)
    if format == 1 { unlink(path + "/COMMITTED") }
    try forgetIdentity(kind, path)
    try await run(schema: schema, engine: nil)
    let marker = try #require(try DataDirectoryMarker(in: path))
    #expect(marker.format == 3 && marker.isStoreMade && marker.identity != nil)
    #expect(access(path + "/COMMITTED", F_OK) == 0)
    try await run(schema: schema, engine: kind)
    #expect(try DataDirectoryMarker(in: path) == marker)
  }

  /// Earlier programs open a directory of format 3, and refuse higher ones by its marker.
  @Test(arguments: Self.engines.all)
  func hasANewerFormatFromTheFirstOptionOn(_ kind: EngineDescriptor) async throws {
    let indexed = try await compile(
      """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog { string pk = 1; string breed = 2 [(seandb.field).index = true]; }
      """)
    let fields = try await compile(
      "syntax = \"proto3\"; message Dog { string pk = 1; string breed = 2; }")
    let ending = try await compile(
      """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog {
        option (seandb.model) = {expires: "until"};
        string pk = 1; string breed = 2; int64 until = 3;
      }
      """)
    let watched = try await compile(
      """
      syntax = "proto3";
      import "seandb/options.proto";
      message Dog { option (seandb.model) = {watch: {}}; string pk = 1; string breed = 2; int64 until = 3; }
      """)
    let path = folder.path + "/data"
    for (schema, format) in [
      (schema, 3), (fields, 3), (indexed, 4), (indexed, 4), (fields, 4), (ending, 5), (ending, 5),
      (watched, 6), (fields, 6),
    ] {
      try await run(schema: schema, engine: kind)
      #expect(try DataDirectoryMarker(in: path)?.format == format)
    }
    let marker = try #require(try DataDirectoryMarker(in: path))
    let identity = try #require(marker.identity)
    // As a program wrote it that had options and no format of its own for them.
    try writeMarker(format: 3, kind, store: "\(identity)")
    try await run(schema: nil, engine: kind)
    #expect(try DataDirectoryMarker(in: path) == marker)
  }

  /// The machine may stop between the marker's format and the first schema with options.
  @Test(arguments: Self.engines.all)
  func goesOnWhenOnlyTheMarkerSaysThatThereAreOptions(_ kind: EngineDescriptor) async throws {
    try await run(schema: schema, engine: kind)
    let path = folder.path + "/data"
    let plain = try #require(try DataDirectoryMarker(in: path))
    let identity = try #require(plain.identity)
    try writeMarker(format: 4, kind, store: "\(identity)")
    try await run(schema: schema, engine: kind)
    #expect(try DataDirectoryMarker(in: path) == plain)
  }

  @Test(arguments: Self.engines.all)
  func refusesAnUnknownFormatAndTouchesNothing(_ kind: EngineDescriptor) async throws {
    try await run(schema: schema, engine: kind)
    try writeMarker(format: 7, kind, store: String(repeating: "0f", count: 16))
    let before = try contents("data/store")
    let refusal = refusal(schema: schema)
    #expect(refusal?.contains("format 7, and this program knows formats up to 6") == true)
    #expect(try contents("data/store") == before)
  }

  private func writeMarker(format: Int, _ kind: EngineDescriptor, store: String?) throws {
    let last = store.map { "store \($0)\n" } ?? ""
    try folder.write(
      "data/SEANDB", "seandb data directory\nformat \(format)\nengine \(kind.name)\n" + last)
  }

  /// Names and bytes of the files of a folder.
  private func contents(_ name: String) throws -> [String: String] {
    let path = folder.path + "/" + name
    let names = try #require(Folder.names(in: path))
    return Dictionary(
      uniqueKeysWithValues: try names.map { ($0, try TemporaryFolder.read(path + "/" + $0)) })
  }

  private func compile(_ text: String) async throws -> CompiledSchema {
    let path = try folder.write("other.proto", text)
    return try await SchemaCompiler(includeDirectories: []).compile(path)
  }

  /// Takes the identity out of the catalogue, and the files as they are then for those that were left.
  private func forgetIdentity(_ kind: EngineDescriptor, _ path: String) throws {
    let engine = try kind.open(path + "/store")
    let batch = WriteBatch()
    batch.delete(KeyPrefix(.catalogue, model: 0).key("identity".utf8))
    try engine.apply(batch, durability: .sync)
    try engine.close()
    if access(path + "/COMMITTED", F_OK) != 0 { return }
    let mark = CommitMarkImage(
      bootID: [UInt8](repeating: 0, count: 16), slot: .init(acknowledged: 1, durable: 1), files: nil
    ).bytes
    let descriptor = Glibc.open(path + "/COMMITTED", O_WRONLY | O_TRUNC)
    defer { close(descriptor) }
    #expect(Glibc.write(descriptor, mark, mark.count) == mark.count)
  }

  /// The store has `seandb` for its own, whatever marker and mark say.
  @Test(arguments: Self.engines.all)
  func refusesTheStoreOfAnotherDatabase(_ kind: EngineDescriptor) async throws {
    try await run(schema: schema, engine: kind)
    let path = folder.path + "/data"
    let marker = try #require(try DataDirectoryMarker(in: path))
    let digits = try #require(marker.identity).description
    let other = String(digits.reversed())
    try writeMarker(format: 3, kind, store: other)
    for _ in 0..<2 {
      #expect(refusal(schema: schema)?.contains("another database's") == true)
    }
  }

  @Test(arguments: ["COMMITTED", "SEANDB", "store"])
  func missesWhatWasMade(_ name: String) async throws {
    try await run(schema: schema, engine: .lsm)
    let path = folder.path + "/data/" + name
    rename(path, folder.path + "/kept")
    let text = try #require(refusal(schema: schema))
    #expect(text.contains(name) && text.contains("missing"), "\(text)")
    #expect(access(path, F_OK) != 0)
    rename(folder.path + "/kept", path)
    try await run(schema: schema, engine: .lsm)
  }

  @Test func refusesAFolderWithForeignFiles() throws {
    try folder.write("data/thesis.tex", "\\documentclass{article}")
    #expect(refusal(schema: schema)?.contains("not empty (it has thesis.tex)") == true)
  }

  @Test func saysThatThereIsNoSchemaYet() throws {
    #expect(refusal(schema: nil)?.contains("no schema is stored here yet") == true)
    try folder.write("file", "")
    #expect(refusal("file", schema: schema) != nil)
  }
}
