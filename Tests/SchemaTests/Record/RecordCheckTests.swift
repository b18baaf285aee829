import Schema
import TestSupport
import Testing

/// A schema with a field of every kind that the wire knows.
enum RecordSchema {
  static let files = [
    "schema.proto": """
    syntax = "proto3";
    package database;
    import "old.proto";
    message Dog {
      string pk = 1;
      string name = 2;
      uint32 age = 3;
      bytes data = 4;
      fixed64 wide = 5;
      float short = 6;
      Dog child = 7;
      map<string, Dog> by_name = 8;
      repeated int32 numbers = 9;
      repeated double doubles = 10;
      repeated fixed32 words = 11;
      old.Legacy legacy = 12;
      optional bool flag = 13;
      repeated string texts = 14;
      oneof one { string a = 15; sint64 b = 16; }
      string far = 20000;
      repeated sint64 far_numbers = 20001;
    }
    """,
    "old.proto": """
    syntax = "proto2";
    package old;
    message Legacy {
      optional group Part = 1 { optional string text = 1; optional Legacy inner = 2; }
      repeated int32 unpacked = 2;
      optional Strict strict = 3;
    }
    message Strict {
      required int32 a = 1;
      required string b = 2000;
      repeated group Inner = 3 { required bool c = 1; }
    }
    """,
  ]

  static let compiled = Task { () async throws -> CompiledSchema in
    try await SchemaFolder(files).compile()
  }

  static func plan() async throws -> (plan: RecordPlan, model: Model) {
    let schema = try await compiled.value
    return (schema.recordPlan, try #require(schema.models.first))
  }
}

@Suite("Record checks")
struct RecordCheckTests {
  typealias Bytes = WireBytes

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let reason: RecordError.Reason?
    var says: String = ""

    init(
      _ name: String, _ bytes: [UInt8], _ reason: RecordError.Reason? = nil, _ says: String = ""
    ) {
      testDescription = name
      self.bytes = bytes
      self.reason = reason
      self.says = says
    }
  }

  static let pk = Bytes.field(1, "k")

  static func nested(_ depth: Int, _ field: Int = 7) -> [UInt8] {
    (0..<depth).reduce(into: []) { bytes, _ in bytes = Bytes.field(field, bytes) }
  }

  static func groups(_ depth: Int) -> [UInt8] {
    (0..<depth).reduce(into: []) { bytes, _ in bytes = Bytes.group(99, bytes) }
  }

  /// A message of an imported proto2 file with required fields.
  static func strict(_ bytes: [UInt8]) -> [UInt8] {
    pk + Bytes.field(12, Bytes.field(3, bytes))
  }

  static func wrong(_ name: String, _ number: Int, _ expected: String, _ found: String) -> String {
    "field `\(name)` (\(number)) of database.Dog: expected \(expected), found \(found) at byte 3"
  }

  static let malformed: [Case] = [
    Case("truncated tag", pk + [0x80], .truncated, "cut off"),
    Case("truncated varint", pk + [0x18, 0x80], .truncated, "byte 4"),
    Case("no value", pk + [0x18], .truncated),
    Case("truncated string", pk + [0x12, 5, 0x61], .truncated),
    Case("truncated fixed64", pk + Bytes.tag(5, 1) + [1, 2, 3, 4, 5, 6, 7], .truncated),
    Case("truncated fixed32", pk + Bytes.tag(6, 5) + [1, 2, 3], .truncated),
    Case("length of 2^63", pk + [0x12] + Bytes.varint(1 << 63), .malformedVarint),
    Case("length of 2^32 - 1", pk + [0x12] + Bytes.varint(0xFFFF_FFFF), .truncated),
    Case(
      "length in 6 bytes", pk + [0x12, 0x81, 0x80, 0x80, 0x80, 0x80, 0, 0x61], .malformedVarint),
    Case(
      "varint of 11 bytes", pk + [0x18] + Array(repeating: 0xFF, count: 10) + [1],
      .malformedVarint),
    Case(
      "varint over 64 bits", pk + [0x18] + Array(repeating: 0xFF, count: 9) + [2],
      .malformedVarint),
    Case("largest varint", pk + [0x18] + Array(repeating: 0xFF, count: 9) + [1]),
    Case("varint 0 in 10 bytes", pk + [0x18] + Array(repeating: 0x80, count: 9) + [0]),
    Case("field number 0", pk + [0x02, 0x00], .invalidTag, "no valid field number at byte 3"),
    Case("tag over 32 bits", pk + Bytes.varint(1 << 32 | 8), .invalidTag),
    Case("tag in 6 bytes", pk + [0x98, 0x80, 0x80, 0x80, 0x80, 0, 1], .invalidTag),
    Case("largest field number", pk + Bytes.field((1 << 29) - 1, varint: 1)),
    Case("wire type 6", pk + Bytes.tag(99, 6), .invalidWireType, "wire type 6"),
    Case("wire type 7 of a known field", pk + Bytes.tag(2, 7), .invalidWireType),
    Case("group without an end", pk + Bytes.tag(99, 3) + pk, .truncated),
    Case("end without a group", pk + Bytes.tag(99, 4), .unmatchedGroup, "byte 3"),
    Case("end of another group", pk + Bytes.tag(99, 3) + Bytes.tag(98, 4), .unmatchedGroup),
    Case("end of a group in a message", pk + Bytes.group(99, Bytes.field(7, Bytes.tag(99, 4)))),
    Case(
      "end of a group in a known message", pk + Bytes.field(7, Bytes.tag(99, 4)), .unmatchedGroup),
    Case(
      "unknown fields of every wire type",
      pk + Bytes.field(99, varint: 1) + Bytes.tag(99, 1) + Array(repeating: 0, count: 8)
        + Bytes.field(99, [0xFF]) + Bytes.group(99, pk + Bytes.group(98, [])) + Bytes.tag(99, 5) + [
          0, 0, 0, 0,
        ]),
    Case("unknown field that is cut off", pk + Bytes.tag(99, 1) + [0], .truncated),
  ]

  static let typed: [Case] = [
    Case(
      "varint for a string", pk + Bytes.field(2, varint: 1), .wrongWireType,
      wrong("name", 2, "a length-delimited value", "a varint")),
    Case(
      "string for a varint", pk + Bytes.field(3, "x"), .wrongWireType,
      wrong("age", 3, "a varint", "a length-delimited value")),
    Case(
      "fixed32 for a varint", pk + Bytes.tag(3, 5) + [0, 0, 0, 0], .wrongWireType,
      wrong("age", 3, "a varint", "a 32-bit value")),
    Case(
      "varint for a fixed64", pk + Bytes.field(5, varint: 1), .wrongWireType,
      wrong("wide", 5, "a 64-bit value", "a varint")),
    Case(
      "fixed64 for a float", pk + Bytes.tag(6, 1) + Array(repeating: 0, count: 8), .wrongWireType,
      wrong("short", 6, "a 32-bit value", "a 64-bit value")),
    Case(
      "group for a message", pk + Bytes.group(7, []), .wrongWireType,
      wrong("child", 7, "a length-delimited value", "a group")),
    Case("varint for the pk", Bytes.field(1, varint: 1), .wrongWireType, "`pk`"),
    Case(
      "varint for a far string", pk + Bytes.field(20000, varint: 1), .wrongWireType, "`far` (20000)"
    ),
    Case(
      "message for a group", pk + Bytes.field(12, Bytes.field(1, "")), .wrongWireType,
      "field `part` (1) of old.Legacy: expected a group"),
    Case(
      "wrong type inside a message", pk + Bytes.field(7, Bytes.field(3, "x")), .wrongWireType,
      "`age`"),
    Case(
      "wrong type inside a group", pk + Bytes.field(12, Bytes.group(1, Bytes.field(1, varint: 1))),
      .wrongWireType, "field `text` (1) of old.Legacy.Part"),
    Case(
      "wrong key of a map", pk + Bytes.field(8, Bytes.field(1, varint: 1)), .wrongWireType,
      "field `key` (1) of database.Dog.ByNameEntry"),
    Case("map entry", pk + Bytes.field(8, Bytes.field(1, "x") + Bytes.field(2, pk))),
    Case("empty map entry and message", pk + Bytes.field(8, []) + Bytes.field(7, [])),
    Case(
      "group, with a message inside",
      pk
        + Bytes.field(
          12,
          Bytes.group(1, Bytes.field(1, "é") + Bytes.field(2, Bytes.group(1, []))))),
    Case(
      "packed and unpacked",
      pk + Bytes.field(9, [1, 0x80, 1]) + Bytes.field(9, varint: 7)
        + Bytes.field(10, Array(repeating: 0, count: 16)) + Bytes.tag(10, 1)
        + Array(repeating: 0, count: 8)
        + Bytes.field(11, [1, 2, 3, 4]) + Bytes.tag(11, 5) + [1, 2, 3, 4] + Bytes.field(9, [])
        + Bytes.field(20001, [1, 2]) + Bytes.field(20001, varint: 3)
        + Bytes.field(12, Bytes.field(2, [1, 2, 3]) + Bytes.field(2, varint: 1))),
    Case(
      "packed varints that are cut off", pk + Bytes.field(9, [1, 0x80]), .malformedPacked,
      "field `numbers` (9) of database.Dog: the packed value at byte 6"),
    Case("packed varint over the end", pk + Bytes.field(9, [0x80]) + [1, 2], .malformedPacked),
    Case(
      "packed doubles of 12 bytes", pk + Bytes.field(10, Array(repeating: 0, count: 12)),
      .malformedPacked,
      "`doubles`"),
    Case(
      "packed fixed32 of 6 bytes", pk + Bytes.field(11, Array(repeating: 0, count: 6)),
      .malformedPacked),
    Case(
      "wrong wire type for packed", pk + Bytes.tag(9, 5) + [0, 0, 0, 0], .wrongWireType,
      "a varint"),
    Case("unpacked single number as packed", pk + Bytes.field(13, [1]), .wrongWireType, "`flag`"),
    Case("any bytes in bytes", pk + Bytes.field(4, [0xFF, 0xC0, 0])),
    Case("all that is required", strict(Bytes.field(1, varint: 0) + Bytes.field(2000, "x"))),
    Case(
      "required after unknown fields, and in a group",
      strict(
        Bytes.group(3, Bytes.group(99, pk) + Bytes.field(1, varint: 1)) + Bytes.field(2000, "")
          + Bytes.group(99, Bytes.group(98, [])) + Bytes.field(1, varint: 0))),
    Case(
      "required field missing", strict(Bytes.field(2000, "x")), .requiredMissing,
      "field `a` (1) of old.Strict: the field is required and missing in the message at byte 7"),
    Case(
      "required far field missing", strict(Bytes.field(1, varint: 1)), .requiredMissing,
      "field `b` (2000) of old.Strict"),
    Case("required fields of an empty message", strict([]), .requiredMissing, "`a`"),
    Case(
      "required field of a group missing",
      strict(Bytes.field(1, varint: 0) + Bytes.group(3, []) + Bytes.field(2000, "x")),
      .requiredMissing, "field `c` (1) of old.Strict.Inner"),
    Case("both members of a oneof", pk + Bytes.field(15, "x") + Bytes.field(16, varint: 1)),
  ]

  static let keysAndDepth: [Case] = [
    Case("no bytes", [], .keyMissing, "field `pk` (1) of database.Dog: the key is missing"),
    Case("no pk", Bytes.field(2, "x"), .keyMissing),
    Case("pk only inside", Bytes.field(7, pk), .keyMissing),
    Case("empty pk", Bytes.field(1, ""), .keyEmpty, "empty"),
    Case("empty pk after a good one", pk + Bytes.field(1, ""), .keyEmpty),
    Case("good pk after an empty one", Bytes.field(1, "") + pk),
    Case("pk of 4096 bytes", Bytes.field(1, String(repeating: "k", count: 4096))),
    Case(
      "pk of 4097 bytes", Bytes.field(1, String(repeating: "k", count: 4097)), .keyTooLong, "4096"),
    Case("long pk before a good one", Bytes.field(1, String(repeating: "k", count: 4097)) + pk),
    Case("99 levels inside", pk + nested(99)),
    Case("100 levels inside", pk + nested(100), .tooDeep, "deeper than 100 levels"),
    Case("99 groups inside", pk + groups(99)),
    Case("100 groups inside", pk + groups(100), .tooDeep),
    Case("5000 levels", pk + nested(5000), .tooDeep),
    Case(
      "10,000 groups that do not end",
      pk + Array(repeating: Bytes.tag(99, 3), count: 10_000).flatMap { $0 }, .tooDeep),
    Case(
      "groups inside messages",
      pk + (0..<50).reduce(into: groups(50)) { bytes, _ in bytes = Bytes.field(7, bytes) },
      .tooDeep),
    Case(
      "50 messages and 49 groups",
      pk + (0..<50).reduce(into: groups(49)) { bytes, _ in bytes = Bytes.field(7, bytes) }),
  ]

  @Test("Judges a record", arguments: malformed + typed + keysAndDepth)
  func judges(_ record: Case) async throws {
    let (plan, model) = try await RecordSchema.plan()
    #expect(Self.reason(record.bytes, plan, model) == record.reason)
    if let error = Self.error(record.bytes, plan, model) {
      #expect(plan.describe(error).contains(record.says), "\(plan.describe(error))")
      #expect(error.offset >= 0 && error.offset <= record.bytes.count)
    }
  }

  static func error(_ bytes: [UInt8], _ plan: RecordPlan, _ model: Model) -> RecordError? {
    do {
      _ = try bytes.withUnsafeBytes { try plan.checkRecord($0, model: model) }
      return nil
    } catch {
      return error as? RecordError
    }
  }

  static func reason(_ bytes: [UInt8], _ plan: RecordPlan, _ model: Model) -> RecordError.Reason? {
    error(bytes, plan, model)?.reason
  }

  @Test func returnsTheLastKey() async throws {
    let (plan, model) = try await RecordSchema.plan()
    let bytes =
      Bytes.field(1, "first") + Bytes.field(7, Bytes.field(1, "inner")) + Bytes.field(1, "ключ\0")
      + Bytes.field(2, "x")
    let range = try bytes.withUnsafeBytes { try plan.checkRecord($0, model: model) }
    #expect(String(decoding: bytes[range], as: UTF8.self) == "ключ\0")
  }

  static let invalidUTF8: [[UInt8]] = [
    [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xE0, 0x9F, 0xBF],
    [0xE0, 0xA0], [0xE1, 0x80, 0x41], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
    [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80], [0xF1, 0x80, 0x80, 0x41],
    [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
  ]

  @Test("Finds bytes that are not UTF-8 wherever they are", arguments: invalidUTF8)
  func findsInvalidUTF8(_ sequence: [UInt8]) async throws {
    let (plan, model) = try await RecordSchema.plan()
    for before in [0, 1, 7, 8, 9, 16, 77] {
      for (filler, isWide) in [([UInt8(0x61)], false), (Array("é".utf8), true)] {
        for after in [0, 1, 8] {
          let prefix = Array(repeating: filler, count: before).flatMap { $0 }
          let text = prefix + sequence + Array(repeating: 0x62, count: after)
          let record = Self.pk + Bytes.field(2, text)
          let error = Self.error(record, plan, model)
          #expect(error?.reason == .invalidUTF8, "\(before) \(isWide) \(after)")
          #expect(error?.offset == record.count - after - sequence.count)
          #expect(error.map { plan.describe($0).contains("`name`") } == true)
        }
      }
    }
    #expect(Self.reason(Bytes.field(1, sequence), plan, model) == .invalidUTF8)
    #expect(
      Self.reason(Self.pk + Bytes.field(8, Bytes.field(1, sequence)), plan, model) == .invalidUTF8)
    #expect(Self.reason(Self.pk + Bytes.field(14, sequence), plan, model) == .invalidUTF8)
  }

  @Test func agreesWithTheStandardLibraryOnEveryScalar() async throws {
    let (plan, model) = try await RecordSchema.plan()
    for value in stride(from: UInt32(0), through: 0x10FFFF, by: 13) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let record = Self.pk + Bytes.field(2, Array(String(scalar).utf8))
      #expect(Self.reason(record, plan, model) == nil, "U+\(value)")
    }
    var generator = SeededGenerator.seeded("agreesWithTheStandardLibraryOnEveryScalar")
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 1...12, using: &generator)).map { _ -> UInt8 in
        [0x61, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4].randomElement(
          using: &generator) ?? 0
      }
      let isValid = String(validating: bytes, as: UTF8.self) != nil
      #expect(
        (Self.reason(Self.pk + Bytes.field(2, bytes), plan, model) == nil) == isValid, "\(bytes)")
    }
  }
}
