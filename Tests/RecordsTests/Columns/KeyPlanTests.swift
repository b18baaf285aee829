import Bytes
import Records
import Schema
import TestSupport
import Testing

@Suite("Keys of columns") struct KeyPlanTests {
  /// One column of a model, by the field with the number 1 and up.
  private static func column(
    _ number: Int, _ kind: ColumnKind, descending: Bool = false, presence: Bool = false
  ) -> Column {
    Column(
      name: "c\(number)", path: [UInt32(number)], kind: kind, isDescending: descending,
      hasPresence: presence || kind.isTime, typeName: "")
  }

  private static func key(
    _ plan: KeyPlan, _ record: [UInt8]
  ) -> Result<[UInt8], ColumnError> {
    record.withUnsafeBytes { record in
      var writer = ByteWriter()
      do throws(ColumnError) {
        try plan.appendKey(of: record, to: &writer)
      } catch {
        return .failure(error)
      }
      return .success(writer.array())
    }
  }

  private static func hexadecimal(_ plan: KeyPlan, _ record: [UInt8]) -> String {
    switch key(plan, record) {
    case .success(let key): Hexadecimal.text(key)
    case .failure(let error): "\(error.reason) \(error.column)"
    }
  }

  private static func time(_ seconds: Int64, _ nanoseconds: Int64 = 0) -> [UInt8] {
    WireBytes.field(1, varint: UInt64(bitPattern: seconds))
      + WireBytes.field(2, varint: UInt64(bitPattern: nanoseconds))
  }

  // MARK: - Bytes

  /// The format on the disk: for ever.
  @Test func hasTheseBytes() {
    let plan = KeyPlan(
      ModelKey(columns: [
        Self.column(1, .string), Self.column(2, .timestamp, descending: true),
        Self.column(3, .string),
      ]))
    let record =
      WireBytes.field(3, "x\0") + WireBytes.field(1, "ab") + WireBytes.field(2, Self.time(12, 5))
    // "ab" and its end; 12 and 5, complemented; the last column is as it is.
    #expect(Self.hexadecimal(plan, record) == "61620001" + "737a" + "7800")
    #expect(
      plan.text(ofKey: Hexadecimal.bytes("61620001737a7800"))
        == "c1 \"ab\", c2 1970-01-01T00:00:12.000000005Z, c3 \"x\0\"")
  }

  @Test(
    arguments: [
      (ColumnKind.bool, [0x08, 0x01], "81"), (.bool, [], "80"),
      (.enumeration, [0x08, 0x03], "83"), (.int32, [0x08] + WireBytes.varint(.max), "7f"),
      (.sint32, [0x08, 0x01], "7f"), (.sint64, [0x08, 0x02], "81"),
      (.uint64, [0x08] + WireBytes.varint(.max), "f7ffffffffffffffff"),
      (.int64, [0x08] + WireBytes.varint(.max), "7f"),
      (.sfixed32, [0x0d, 0xff, 0xff, 0xff, 0xff], "7f"),
      (.fixed32, [0x0d, 0xff, 0xff, 0xff, 0xff], "f3ffffffff"),
      (.sfixed64, [0x09] + [UInt8](repeating: 0xff, count: 8), "7f"),
      (.fixed64, [0x09] + [UInt8](repeating: 0xff, count: 8), "f7ffffffffffffffff"),
      (.duration, WireBytes.field(1, time(-1, -5)), "7f7b"),
      (.timestamp, WireBytes.field(1, []), "8080"),
      (.bytes, WireBytes.field(1, [0, 1]), "0001"),
    ] as [(ColumnKind, [UInt8], String)])
  func hasTheseBytesForEachKind(_ kind: ColumnKind, _ record: [UInt8], _ expected: String) {
    let ascending = KeyPlan(ModelKey(columns: [Self.column(1, kind)]))
    #expect(Self.hexadecimal(ascending, record) == expected)
    // With another column after it strings have an end, and every byte of a descending one is complemented.
    let pair = KeyPlan(
      ModelKey(columns: [Self.column(1, kind, descending: true), Self.column(9, .uint32)]))
    let own = kind == .bytes ? "00ff010001" : expected
    #expect(
      Self.hexadecimal(pair, record) == Hexadecimal.text(Hexadecimal.bytes(own).map { ~$0 }) + "80")
  }

  @Test func isTheSameHoweverARecordIsEncoded() {
    let plan = KeyPlan(
      ModelKey(columns: [
        Self.column(1, .int32), Self.column(2, .timestamp), Self.column(3, .bytes),
      ]))
    let number = WireBytes.field(1, varint: 5)
    let text = WireBytes.field(3, "z")
    let expected = Self.hexadecimal(plan, number + WireBytes.field(2, Self.time(7, 9)) + text)
    #expect(expected == "8587897a")
    let seconds = WireBytes.field(2, WireBytes.field(1, varint: 7))
    let nanoseconds = WireBytes.field(2, WireBytes.field(2, varint: 9))
    for record in [
      text + seconds + number + nanoseconds, nanoseconds + seconds + text + number,
      // The last one counts, and a number may be longer than it need be.
      WireBytes.field(1, varint: 9) + WireBytes.field(3, "other") + seconds + nanoseconds + text
        + [0x08, 0x85, 0x80, 0x00],
      WireBytes.field(8, "unknown") + seconds + number + text + nanoseconds
        + WireBytes.group(9, number),
    ] {
      #expect(Self.hexadecimal(plan, record) == expected)
    }
  }

  // MARK: - What cannot be in a key

  @Test(arguments: [
    (ColumnKind.int32, WireBytes.field(1, varint: 1 << 40)),
    (.int32, WireBytes.field(1, varint: UInt64(UInt32.max))),
    (.sint32, WireBytes.field(1, varint: 1 << 40)), (.uint32, WireBytes.field(1, varint: 1 << 32)),
    (.enumeration, WireBytes.field(1, varint: 1 << 31)), (.bool, WireBytes.field(1, varint: 2)),
    (.timestamp, WireBytes.field(1, time(253_402_300_800))),
    (.timestamp, WireBytes.field(1, time(-62_135_596_801))),
    (.timestamp, WireBytes.field(1, time(0, 1_000_000_000))),
    (.timestamp, WireBytes.field(1, time(0, -1))),
    (.duration, WireBytes.field(1, time(315_576_000_001))),
    (.duration, WireBytes.field(1, time(1, -1))),
    (.duration, WireBytes.field(1, time(-1, 1))),
  ]) func refusesWhatTheTypeCannotHave(_ kind: ColumnKind, _ record: [UInt8]) {
    let plan = KeyPlan(ModelKey(columns: [Self.column(1, kind)]))
    #expect(Self.hexadecimal(plan, record) == "outOfRange 0")
  }

  @Test func refusesAKeyThatIsNotSet() {
    let optional = KeyPlan(
      ModelKey(columns: [Self.column(1, .int32), Self.column(2, .int32, presence: true)]))
    #expect(Self.hexadecimal(optional, []) == "unset 1")
    #expect(Self.hexadecimal(optional, WireBytes.field(2, varint: 0)) == "8080")
    let time = KeyPlan(ModelKey(columns: [Self.column(1, .timestamp)]))
    #expect(Self.hexadecimal(time, []) == "unset 0")
    let bytes = KeyPlan(ModelKey(columns: [Self.column(1, .bytes)]))
    #expect(Self.hexadecimal(bytes, []) == "empty 0")
    let several = KeyPlan(ModelKey(columns: [Self.column(1, .string), Self.column(2, .bytes)]))
    #expect(Self.hexadecimal(several, []) == "0001")
    let long = WireBytes.field(1, [UInt8](repeating: 0x61, count: 4095))
    #expect(Self.hexadecimal(several, long) == "tooLong(4097) 1")
  }

  // MARK: - Order

  private enum Value: Comparable {
    case number(Int64)
    case text([UInt8])

    static func < (first: Value, second: Value) -> Bool {
      switch (first, second) {
      case (.number(let a), .number(let b)): a < b
      case (.text(let a), .text(let b)): a.lexicographicallyPrecedes(b)
      default: false
      }
    }
  }

  /// A value that is often equal to another one, or close to it, and its field.
  private static func value(
    _ kind: ColumnKind, _ number: Int, _ generator: inout SeededGenerator
  ) -> (Value, [UInt8]) {
    if kind.isText {
      let text = (0..<generator.below(4)).map { _ in
        kind == .string
          ? [UInt8(0), 0x01, 0x61][generator.below(3)] : [UInt8(0), 0x01, 0xff][generator.below(3)]
      }
      return (.text(text), WireBytes.field(number, text))
    }
    let value = [Int64(-300), -113, -112, -1, 0, 1, 111, 112, 300][generator.below(9)]
    let bits = UInt64(bitPattern: value)
    switch kind {
    case .bool: return (.number(value & 1), WireBytes.field(number, varint: bits & 1))
    case .sint32, .sint64:
      return (.number(value), WireBytes.field(number, varint: bits << 1 ^ (value < 0 ? .max : 0)))
    case .uint32, .uint64:
      return (.number(abs(value)), WireBytes.field(number, varint: value.magnitude))
    case .timestamp, .duration:
      return (.number(value), WireBytes.field(number, time(value)))
    case .sfixed32:
      return (
        .number(value),
        WireBytes.tag(number, 5) + (0..<4).map { UInt8(truncatingIfNeeded: bits >> ($0 * 8)) }
      )
    case .sfixed64:
      return (
        .number(value),
        WireBytes.tag(number, 1) + (0..<8).map { UInt8(truncatingIfNeeded: bits >> ($0 * 8)) }
      )
    case .fixed32:
      return (
        .number(abs(value)),
        WireBytes.tag(number, 5)
          + (0..<4).map { UInt8(truncatingIfNeeded: value.magnitude >> ($0 * 8)) }
      )
    case .fixed64:
      return (
        .number(abs(value)),
        WireBytes.tag(number, 1)
          + (0..<8).map { UInt8(truncatingIfNeeded: value.magnitude >> ($0 * 8)) }
      )
    default: return (.number(value), WireBytes.field(number, varint: bits))
    }
  }

  /// Whether one record comes before another, column by column.
  private static func precedes(
    _ first: [Value], _ second: [Value], _ columns: [Column]
  ) -> Bool {
    for (index, column) in columns.enumerated() where first[index] != second[index] {
      return (first[index] < second[index]) != column.isDescending
    }
    return false
  }

  @Test(arguments: SeededGenerator.seeds) func ordersAsTheValuesDo(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      let columns = (1...1 + generator.below(4)).map { number in
        Self.column(
          number, ColumnKind.allCases[generator.below(ColumnKind.allCases.count)],
          descending: generator.below(2) == 1)
      }
      let plan = KeyPlan(ModelKey(columns: columns))
      let records = (0..<20).map { _ in
        columns.map { Self.value($0.kind, Int($0.number), &generator) }
      }
      let keys = records.map { Self.key(plan, $0.flatMap(\.1)) }
      for (first, key) in zip(records, keys) {
        for (second, otherKey) in zip(records, keys) {
          guard case .success(let a) = key, case .success(let b) = otherKey else { continue }
          let isBefore = Self.precedes(first.map(\.0), second.map(\.0), columns)
          guard isBefore == a.lexicographicallyPrecedes(b) else {
            Issue.record("\(columns.map(\.kind)): \(first.map(\.0)) and \(second.map(\.0))")
            return
          }
        }
      }
    }
  }
}
