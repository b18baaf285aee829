import Engine
import Records
import TestSupport
import Testing

/// What records have in their indexes, byte for byte: the format on the disk, for ever.
@Suite("Index entries") struct IndexEntryTests {
  private static let key = WireBytes.field(1, "k")

  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let index: String
    let record: [UInt8]
    /// Key and value of each entry, in hexadecimal.
    let entries: [String]
    var testDescription: String { name }

    init(_ name: String, _ index: String, _ fields: [[UInt8]], _ entries: [String]) {
      (self.name, self.index, self.entries) = (name, index, entries)
      record = IndexEntryTests.key + fields.flatMap { $0 }
    }
  }

  static let cases: [Case] = [
    Case("a string", "fields: \"name\"", [WireBytes.field(2, "ab")], ["61620001 6b =>"]),
    Case("a default", "fields: \"name\"", [], ["0001 6b =>"]),
    Case("an unset number", "fields: \"age\"", [], ["00 6b =>"]),
    Case("an unset number that descends", "fields: \"-age\"", [], ["ff 6b =>"]),
    Case("a number", "fields: \"age\"", [WireBytes.field(5, varint: 3)], ["7e 6b =>"]),
    Case(
      "a number that descends", "fields: \"-age\"", [WireBytes.field(5, varint: 3)], ["81 6b =>"]),
    Case("below an absent message", "fields: \"owner.name\"", [], ["0000 6b =>"]),
    Case(
      "below a message", "fields: \"owner.name\"", [WireBytes.field(3, [UInt8]())], ["0001 6b =>"]),
    Case(
      "a message in parts", "fields: \"owner.name, owner.phone\"",
      [
        WireBytes.field(3, WireBytes.field(1, "x")), WireBytes.field(3, WireBytes.field(2, "y")),
      ], ["780001 790001 6b =>"]),
    Case(
      "the last value", "fields: \"name\"", [WireBytes.field(2, "a"), WireBytes.field(2, "b")],
      ["620001 6b =>"]),
    Case(
      "a oneof that was set again", "fields: \"meat, cook.name\"",
      [WireBytes.field(7, "beef"), WireBytes.field(8, WireBytes.field(1, "Ann"))],
      ["0000 416e6e0001 6b =>"]),
    Case(
      "a oneof that was set back", "fields: \"meat, cook.name\"",
      [WireBytes.field(8, WireBytes.field(1, "Ann")), WireBytes.field(7, "beef")],
      ["626565660001 0000 6b =>"]),
    Case(
      "elements, each once", "fields: \"tags\"",
      [WireBytes.field(4, "b"), WireBytes.field(4, "a"), WireBytes.field(4, "b")],
      ["610001 6b =>", "620001 6b =>"]),
    Case("no elements", "fields: \"tags\"", [], []),
    Case(
      "elements of two columns", "fields: \"toys.name, -toys.price\"",
      [
        WireBytes.field(6, WireBytes.field(1, "ball") + WireBytes.field(2, varint: 2)),
        WireBytes.field(6, [UInt8]()),
      ], ["0001 7f 6b =>", "62616c6c0001 7d 6b =>"]),
    Case(
      "packed numbers and single ones", "fields: \"marks\"",
      [WireBytes.field(9, [1, 2] as [UInt8]), WireBytes.field(9, varint: 200)],
      ["81 6b =>", "82 6b =>", "f0c8 6b =>"]),
    Case(
      "a number of another wire type is unknown", "fields: \"name\"",
      [WireBytes.field(2, "ab")], ["61620001 6b =>"]),
    Case("sparse without a value", "fields: \"age\", sparse: true", [], []),
    Case("sparse with a default", "fields: \"name\", sparse: true", [], []),
    Case(
      "sparse with a value", "fields: \"name\", sparse: true", [WireBytes.field(2, "a")],
      ["610001 6b =>"]),
    Case(
      "sparse with zero in a field that is set", "fields: \"age\", sparse: true",
      [WireBytes.field(5, varint: 0)], ["80 6b =>"]),
    Case(
      "unique", "fields: \"name\", unique: true", [WireBytes.field(2, "a")], ["610001 => 01 6b"]),
    Case("unique and unset", "fields: \"age\", unique: true", [], ["00 6b => 01 6b"]),
    Case(
      "included", "fields: \"name\", include: \"age\"",
      [WireBytes.field(2, "a"), WireBytes.field(4, "t"), WireBytes.field(5, varint: 3)],
      ["610001 6b => 0a016b 120161 2803"]),
    Case(
      "included of a unique one", "fields: \"name\", unique: true, include: \"age\"",
      [WireBytes.field(2, "a"), WireBytes.field(5, varint: 3)],
      ["610001 => 01 6b 0a016b 120161 2803"]),
    Case(
      "everything", "fields: \"age\", include: \"*\"", [WireBytes.field(4, "t")],
      ["00 6b => 0a016b 220174"]),
  ]

  @Test(arguments: cases) func haveTheseBytes(_ test: Case) async throws {
    let schema = try await IndexedStore.compile("index: {\(test.index)}")
    let store = try IndexedStore(schema, MemoryEngine())
    defer { store.stop() }
    #expect(try store.put(test.record) == .done)
    let found = try store.entries(ofIndex: 0).map {
      Hexadecimal.text($0.key) + "=>" + Hexadecimal.text($0.value)
    }
    #expect(found == test.entries.map { $0.filter { $0 != " " } })
    #expect(try store.problems() == [])
  }

  /// −∞ … ∞, NaN.
  @Test func ordersFloatingPointNumbers() async throws {
    let schema = try await IndexedStore.compile("index: {fields: \"weight\"}")
    let store = try IndexedStore(schema, MemoryEngine())
    defer { store.stop() }
    let numbers: [Double] = [
      -.infinity, -1e300, -2, -1, -.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, 1, 1.5,
      1e300, .infinity, .nan,
    ]
    for (place, number) in numbers.enumerated().shuffled() {
      let key = String(UnicodeScalar(UInt8(97 + place)))
      let bits = withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
      #expect(try store.put(WireBytes.field(1, key) + [0x51] + bits) == .done)
    }
    let keys = try store.entries(ofIndex: 0).map { $0.key.last }
    #expect(keys == (0..<12).map { UInt8(97 + $0) })
    // −0 and a negative NaN.
    for (place, number) in [(0, -0.0), (1, -Double.nan)] {
      let bits = withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
      #expect(try store.put(WireBytes.field(1, "\(place)") + [0x51] + bits) == .done)
    }
    let texts = try store.entries(ofIndex: 0).map { Hexadecimal.text($0.key) }
    #expect(texts.filter { $0.hasPrefix("8000000000000000") }.count == 2)
    #expect(texts.filter { $0.hasPrefix("fff8000000000000") }.count == 2)
    #expect(try store.problems() == [])
  }

  @Test func refusesWhatHasNoPlaceInAnIndex() async throws {
    let schema = try await IndexedStore.compile(
      "index: {fields: \"name\"}, index: {fields: \"tags\"}, index: {fields: \"toys.price\"}")
    let store = try IndexedStore(schema, MemoryEngine())
    defer { store.stop() }
    let long = [UInt8](repeating: 0x61, count: 4096)
    let bad: [([UInt8], IndexEntryError)] = [
      (WireBytes.field(2, long), .init(reason: .tooLong(4098), index: 0, column: 0)),
      (
        (0...1000).flatMap { WireBytes.field(4, "\($0)") },
        .init(reason: .tooManyElements, index: 1, column: 0)
      ),
      (
        WireBytes.field(6, WireBytes.field(2, varint: 1 << 40)),
        .init(reason: .outOfRange, index: 2, column: 0)
      ),
      (
        (0...1000).flatMap { WireBytes.field(6, WireBytes.field(2, varint: UInt64($0))) },
        .init(reason: .tooManyElements, index: 2, column: 0)
      ),
    ]
    let large = try IndexedStore(
      try await IndexedStore.compile("index: {fields: \"tags\", include: \"*\"}"), MemoryEngine())
    defer { large.stop() }
    let name = WireBytes.field(2, [UInt8](repeating: 0x61, count: 20_000))
    let wide = Self.key + name + (0..<1000).flatMap { WireBytes.field(4, "\($0)") }
    #expect(throws: WriteError.index(.init(reason: .tooLarge, index: 0, column: 0))) {
      try large.queuePut(wide)
    }
    let half = Self.key + name + (0..<300).flatMap { WireBytes.field(4, "\($0)") }
    let error = #expect(throws: RecordBatchError.self) {
      try large.queueBatchPut([half, half, half])
    }
    #expect(error?.error == .tooLarge)
    for (fields, error) in bad {
      #expect(throws: WriteError.index(error)) { try store.queuePut(Self.key + fields) }
    }
    #expect(try store.keys() == [])
    #expect(try store.put(Self.key + (0..<1000).flatMap { WireBytes.field(4, "\($0)") }) == .done)
    #expect(try store.entries(ofIndex: 1).count == 1000)
  }
}
