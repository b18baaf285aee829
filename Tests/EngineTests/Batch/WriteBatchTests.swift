import Engine
import LSM
import Testing

@Suite("Write batch")
struct WriteBatchTests {
  /// Key 1, value 2 3; delete 4; range delete 5 to 6; as RocksDB writes it.
  static let example: [UInt8] =
    [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]
    + [0x01, 1, 1, 2, 2, 3] + [0x00, 1, 4] + [0x0f, 1, 5, 1, 6]

  static func makeExample() -> WriteBatch {
    let batch = WriteBatch()
    batch.put([1], [2, 3])
    batch.delete([4])
    batch.deleteRange([5], [6])
    return batch
  }

  @Test func writesTheImageOfRocksDB() {
    let batch = Self.makeExample()
    #expect(Array(batch.image) == Self.example)
    #expect(batch.count == 3)
    #expect(batch.rangeDeleteCount == 1)
    #expect(batch.byteCount == Self.example.count)
  }

  @Test func readsItsImageBack() throws {
    let batch = try Self.example.withUnsafeBytes { try WriteBatch(image: $0) }
    #expect(try Self.entries(batch) == ["put [1] [2, 3]", "delete [4]", "range [5] [6]"])
    #expect(batch.count == 3)
    #expect(batch.rangeDeleteCount == 1)
    batch.put([7], [])
    #expect(batch.image[8] == 4)
  }

  /// The tree has a reader of its own, and neither module knows the other.
  @Test func writesWhatTheTreeReads() throws {
    let batch = Self.makeExample()
    let long = [UInt8](repeating: 9, count: 300)
    batch.put(long, long)
    var entries: [String] = []
    var reader = try BatchReader(
      UnsafeRawBufferPointer(rebasing: batch.image[WriteBatch.countOffset...]))
    while let record = try reader.next() {
      switch record {
      case .put(let key, let value): entries.append("put \(Array(key)) \(Array(value))")
      case .delete(let key): entries.append("delete \(Array(key))")
      case .deleteRange(let lower, let upper):
        entries.append("range \(Array(lower)) \(Array(upper))")
      }
    }
    #expect(reader.count == batch.count)
    #expect(try entries == Self.entries(batch))
  }

  @Test func takesOverTheRecordsOfAnother() throws {
    let batch = Self.makeExample()
    batch.append(Self.makeExample())
    batch.append(WriteBatch())
    #expect(
      try Self.entries(batch) == Self.entries(Self.makeExample()) + Self.entries(Self.makeExample())
    )
    #expect(batch.count == 6)
    #expect(batch.rangeDeleteCount == 2)
  }

  @Test func joinsPrefixAndKey() throws {
    let prefix = FixedPrefix(1, 0x0203_0405)
    #expect(prefix.bytes == [1, 2, 3, 4, 5])
    let batch = WriteBatch()
    ([0xaa] as [UInt8]).withUnsafeBytes { (key: UnsafeRawBufferPointer) in
      batch.put(key, prefix: prefix, value: key)
      batch.delete(key, prefix: prefix)
    }
    let expected = WriteBatch()
    ([0xaa] as [UInt8]).withUnsafeBytes { (key: UnsafeRawBufferPointer) in
      expected.put(prefix.bytes + key, Array(key))
      expected.delete(prefix.bytes + key)
    }
    #expect(Array(batch.image) == Array(expected.image))
  }

  @Test func writesLengthsOverOneByte() throws {
    let batch = WriteBatch()
    let value = [UInt8](repeating: 1, count: 300)
    batch.put([UInt8](repeating: 2, count: 128), value)
    #expect(Array(batch.image[12..<15]) == [0x01, 0x80, 0x01])
    var visited = 0
    try batch.visitEntries { entry in
      if case .put(let key, let stored) = entry {
        visited += 1
        #expect(key.count == 128)
        #expect(Array(stored) == value)
      }
    }
    #expect(visited == 1)
  }

  @Test(arguments: [([5], [5]), ([6], [5]), ([], [])] as [([UInt8], [UInt8])])
  func leavesOutAnEmptyRangeDelete(lower: [UInt8], upper: [UInt8]) {
    let batch = WriteBatch()
    batch.deleteRange(lower, upper)
    #expect(batch.isEmpty)
    #expect(batch.byteCount == 12)
  }

  @Test func startsAgainAfterClear() {
    let batch = Self.makeExample()
    batch.clear()
    #expect(batch.isEmpty)
    #expect(batch.rangeDeleteCount == 0)
    #expect(Array(batch.image) == [UInt8](repeating: 0, count: 12))
    batch.clear(keepingAtMost: 0)
    batch.put([1], [1])
    #expect(batch.image[8] == 1)
  }

  @Test func rejectsEveryTruncation() {
    for length in 0..<Self.example.count {
      #expect(throws: EngineError.self, "\(length) bytes") {
        try Self.example.prefix(length).withUnsafeBytes { _ = try WriteBatch(image: $0) }
      }
    }
  }

  @Test(
    arguments: [
      [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],  // a record is missing
      [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 1, 4],  // a record too many
      [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x02, 1, 4],  // an unknown tag
      [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x0f, 1, 6, 1, 5],  // a range that ends before it starts
      // a length far over what is there
      [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 1,
      ],
      // a length of 6 bytes
      [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x00, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 4],
    ] as [[UInt8]])
  func rejectsAMalformedImage(image: [UInt8]) {
    #expect(throws: EngineError.self) {
      try image.withUnsafeBytes { _ = try WriteBatch(image: $0) }
    }
  }

  static func entries(_ batch: WriteBatch) throws -> [String] {
    var entries: [String] = []
    try batch.visitEntries { entry in
      switch entry {
      case .put(let key, let value): entries.append("put \(Array(key)) \(Array(value))")
      case .delete(let key): entries.append("delete \(Array(key))")
      case .deleteRange(let lower, let upper):
        entries.append("range \(Array(lower)) \(Array(upper))")
      }
    }
    return entries
  }
}
