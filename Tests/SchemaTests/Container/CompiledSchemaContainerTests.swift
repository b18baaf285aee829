import Schema
import TestSupport
import Testing

@Suite("Compiled schema container")
struct CompiledSchemaContainerTests {
  private static func load(_ bytes: [UInt8]) throws -> CompiledSchema {
    try bytes.withUnsafeBytes { try CompiledSchema(serialized: $0) }
  }

  @Test func keepsEverything() async throws {
    let folder = try SchemaFolder([
      "schema.proto": "syntax = \"proto3\";\npackage p;\nimport \"a/b.proto\";\n"
        + "import \"google/protobuf/any.proto\";\nmessage Dog { string pk = 2; B b = 3; }\n",
      "a/b.proto": "syntax = \"proto3\";\npackage p;\nmessage B { string pk = 1; }\n",
    ])
    let schema = try await folder.compile()
    let loaded = try Self.load(schema.serialized())
    #expect(loaded.sourceName == schema.sourceName)
    #expect(loaded.packageName == "p")
    #expect(loaded.models == schema.models)
    #expect(loaded.databaseProto == schema.databaseProto)
    #expect(loaded.importedFiles == schema.importedFiles)
    #expect(loaded.files == schema.files)
    #expect(!loaded.notes.isEmpty && loaded.notes == schema.notes)
    #expect(!loaded.warnings.isEmpty && loaded.warnings == schema.warnings)
  }

  @Test func keepsThePositionsOfTheUsersSchema() async throws {
    let old = try await compile(seedSchema)
    let folder = try SchemaFolder([
      "schema.proto": "// moved\n" + seedSchema.replacing("uint32 age", with: "string age")
    ])
    let new = try Self.load(try await folder.compile().serialized())
    let violations = SchemaCompatibility.violations(old: old, new: new)
    #expect(
      violations.map(\.diagnostic.description) == [
        "\(folder.path)/schema.proto:9:3: field `age` (3) of message database.Dog changed its type "
          + "from uint32 to string: change it back, or reserve 3 and use a new number "
          + "[FIELD_WIRE_COMPATIBLE_TYPE]"
      ])
  }

  @Test func refusesEveryTruncation() async throws {
    let bytes = try await compile("syntax = \"proto3\";\nmessage A { string pk = 1; }\n")
      .serialized()
    for length in 0..<bytes.count {
      #expect(throws: SchemaError.self, "length \(length)") {
        try Self.load(Array(bytes[..<length]))
      }
    }
    #expect(throws: SchemaError.self) { try Self.load(bytes + [0]) }
  }

  @Test func refusesEveryFlippedByte() async throws {
    var bytes = try await compile("syntax = \"proto3\";\nmessage A { string pk = 1; }\n")
      .serialized()
    for index in bytes.indices {
      for mask: UInt8 in [0x01, 0x80] {
        bytes[index] ^= mask
        #expect(throws: SchemaError.self, "byte \(index)") { try Self.load(bytes) }
        bytes[index] ^= mask
      }
    }
    #expect(try Self.load(bytes).models.count == 1)
  }

  /// With a right checksum, so that the checks after it are met.
  @Test func neverTrapsOnSectionsThatLie() async throws {
    let original = try await compile(seedSchema).serialized()
    var generator = SeededGenerator.seeded("neverTrapsOnSectionsThatLie")
    var refused = 0
    for _ in 0..<1000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: 20..<(bytes.count - 4), using: &generator)] =
          [
            0x00, 0x01, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &generator),
          ].randomElement(using: &generator) ?? 0
      }
      let checksum = Self.crc32(bytes.dropLast(4))
      bytes.replaceSubrange(
        (bytes.count - 4)..., with: (0..<4).map { UInt8(checksum >> ($0 * 8) & 0xFF) })
      if let loaded = try? Self.load(bytes) {
        _ = SchemaCompatibility.violations(old: loaded, new: loaded)
      } else {
        refused += 1
      }
    }
    #expect(refused > 100)
  }

  @Test func namesTheVersionOfAnotherFormat() async throws {
    var bytes = try await compile(seedSchema).serialized()
    bytes[8] = 9
    let checksum = Self.crc32(bytes.dropLast(4))
    bytes.replaceSubrange(
      (bytes.count - 4)..., with: (0..<4).map { UInt8(checksum >> ($0 * 8) & 0xFF) })
    #expect(throws: SchemaError.unsupportedFormat(found: 9, supported: 2)) { try Self.load(bytes) }
    bytes[0] = 0
    #expect(throws: SchemaError.damaged(.notAContainer)) { try Self.load(bytes) }
  }

  /// Bit by bit, as the definition has it.
  private static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(UInt32.max) { value, byte in
      (0..<8).reduce(value ^ UInt32(byte)) { value, _ in
        value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0)
      }
    }
  }
}
