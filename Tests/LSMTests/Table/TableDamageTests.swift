import Bytes
import LSM
import LSMTestSupport
import TestSupport
import Testing

@Suite("Damaged table") struct TableDamageTests {
  private static func fixture(_ compression: Compression) throws -> TableFixture {
    var random = SeededGenerator(seed: 21)
    var options = TableOptions()
    options.blockBytes = 150
    options.compression = compression
    return try TableFixture(
      random.entries(24, valueBytes: 10..<60),
      deletions: [
        .init(lower: [0x61], upper: [0x62], sequence: 100),
        .init(lower: [], upper: [1], sequence: 101),
      ], options: options)
  }

  /// Everything a reader can ask of the table; nil when it says that the file is damaged.
  private static func readAll(
    _ fixture: TableFixture, tier: Table.ReadTier = .any
  ) throws -> [TableAnswer]? {
    do throws(LSMError) {
      let table = try fixture.open(cache: BlockCache(capacityBytes: 1 << 20))
      var answers: [TableAnswer] = []
      for entry in fixture.entries {
        answers.append(try table.answer(entry.key, at: entry.sequence, tier: tier))
        answers.append(try table.answer(entry.key, at: 200, tier: tier))
      }
      answers.append(try table.answer([0x61, 0x61, 0x61], at: 200, tier: tier))
      for entry in try table.allEntries(tier: tier) {
        answers.append(.value(entry.value, entry.sequence))
      }
      return answers
    } catch {
      guard case .corruption(let damage) = error else {
        if case .unsupportedFormat = error { return nil }
        throw error
      }
      #expect(damage.path == TableFixture.path)
      #expect(damage.offset <= UInt64(fixture.bytes.count))
      return nil
    }
  }

  @Test(arguments: Compression.allCases)
  func everyFlippedByteIsFound(compression: Compression) throws {
    let fixture = try Self.fixture(compression)
    let whole = fixture.bytes
    #expect(try Self.readAll(fixture) != nil)
    for place in whole.indices {
      var damaged = whole
      damaged[place] ^= UInt8(1 << (place % 8))
      fixture.fileSystem.setBytes(of: TableFixture.path, damaged)
      #expect(try Self.readAll(fixture) == nil, "byte \(place) of \(whole.count)")
      #expect(try Self.readAll(fixture, tier: .pageCache) == nil, "byte \(place), page cache")
    }
  }

  @Test(arguments: Compression.allCases)
  func everyCutIsFound(compression: Compression) throws {
    let fixture = try Self.fixture(compression)
    let whole = fixture.bytes
    for length in whole.indices {
      fixture.fileSystem.setBytes(of: TableFixture.path, Array(whole[..<length]))
      #expect(try Self.readAll(fixture) == nil)
    }
    fixture.fileSystem.setBytes(of: TableFixture.path, whole + [0])
    #expect(try Self.readAll(fixture) == nil)
  }

  @Test func swappedBlocksAreFound() throws {
    var options = TableOptions()
    options.blockBytes = 1
    options.compression = .none
    let fixture = try TableFixture(
      (1...4).map { Entry([UInt8($0)], UInt64($0), value: [9]) }, options: options)
    var bytes = fixture.bytes
    let size = Int(fixture.properties.storedDataBytes / 4)
    for place in 0..<size { bytes.swapAt(place, size + place) }
    fixture.fileSystem.setBytes(of: TableFixture.path, bytes)
    let table = try fixture.open(cache: BlockCache(capacityBytes: 0))
    #expect(throws: LSMError.self) { try table.answer([1], at: 9) }
    #expect(throws: LSMError.self) { try table.answer([2], at: 9) }
    #expect(try table.answer([3], at: 9) == .value([9], 3))
  }

  @Test func aTableOfAnotherIdentityIsRefused() throws {
    let fixture = try Self.fixture(.none)
    let cache = BlockCache(capacityBytes: 0)
    #expect(throws: LSMError.self) { try fixture.open(cache: cache, identity: 5) }
  }

  /// A valid footer may lie about everything else: it must not be believed.
  @Test func aFooterThatPointsOutsideIsRefused() throws {
    let fixture = try Self.fixture(.none)
    let whole = fixture.bytes
    let start = whole.count - Footer.byteCount
    let footer = try whole[start...].withUnsafeBytes {
      try Footer(decoding: $0, fileBytes: UInt64(whole.count), path: "")
    }
    for bad in [
      BlockHandle(offset: .max, byteCount: 9), BlockHandle(offset: 0, byteCount: .max),
      BlockHandle(offset: UInt64(start), byteCount: 9), BlockHandle(offset: 0, byteCount: 1),
      BlockHandle(offset: 5, byteCount: 9),
    ] {
      for part in 0..<4 {
        var changed = footer
        switch part {
        case 0: changed.index = bad
        case 1: changed.filter = bad
        case 2: changed.rangeTombstones = bad
        default: changed.properties = bad
        }
        fixture.fileSystem.setBytes(of: TableFixture.path, whole[..<start] + changed.encoded())
        #expect(try Self.readAll(fixture) == nil)
      }
    }
  }

  /// Else an iterator would say there that the table ends, and leave out what follows.
  @Test func aDataBlockOfNothingIsRefused() throws {
    var file: [UInt8] = []
    func write(_ payload: UnsafeRawBufferPointer) -> BlockHandle {
      var stored = ByteWriter()
      stored.append(payload)
      let offset = UInt64(file.count)
      BlockTrailer.seal(&stored, .none, identity: TableFixture.identity, offset: offset)
      file += stored.array()
      return BlockHandle(offset: offset, byteCount: UInt64(stored.count))
    }
    var index = BlockBuilder(restartInterval: 1)
    for key in 1...3 as ClosedRange<UInt8> {
      var block = BlockBuilder(restartInterval: 1)
      Entry([key], 1, value: [9]).withKey { entry in
        if key != 2 { block.add(entry, value: UnsafeRawBufferPointer(start: nil, count: 0)) }
        let handle = write(block.finish())
        [UInt8(handle.offset), UInt8(handle.byteCount)].withUnsafeBytes {
          index.add(entry, value: $0)
        }
      }
    }
    var properties = TableProperties()
    properties.dataBlockCount = 3
    let indexHandle = write(index.finish())
    let propertiesHandle = properties.encoded().withUnsafeBytes { write($0) }
    file += Footer(
      identity: TableFixture.identity, fileBytes: UInt64(file.count + Footer.byteCount),
      index: indexHandle, filter: nil, rangeTombstones: nil, properties: propertiesHandle
    ).encoded()
    let fixture = try Self.fixture(.none)
    fixture.fileSystem.setBytes(of: TableFixture.path, file)
    let table = try fixture.open(cache: BlockCache(capacityBytes: 0))
    #expect(throws: LSMError.self) { try table.allEntries() }
    #expect(throws: LSMError.self) { try table.allEntries(forward: false) }
    #expect(throws: LSMError.self) { try table.answer([2], at: 9) }
    #expect(try table.answer([3], at: 9) == .value([], 1))
  }

  @Test func aNewerVersionIsCalledSo() throws {
    let fixture = try Self.fixture(.none)
    var bytes = fixture.bytes
    let start = bytes.count - Footer.byteCount
    bytes[start + 92] = 3
    let checksum = bytes[start..<(start + 96)].withUnsafeBytes { XXH64.hash($0) }
    withUnsafeBytes(of: checksum.littleEndian) {
      bytes.replaceSubrange((start + 96)..<(start + 104), with: $0)
    }
    fixture.fileSystem.setBytes(of: TableFixture.path, bytes)
    #expect(throws: LSMError.unsupportedFormat(path: TableFixture.path, version: 3)) {
      try fixture.open(cache: BlockCache(capacityBytes: 0))
    }
  }

  @Test(arguments: SeededGenerator.seeds)
  func propertiesSurviveRandomBytes(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let whole = TableProperties().encoded()
    for length in whole.indices {
      #expect(throws: DamageInBlock.self) {
        try Array(whole[..<length]).withUnsafeBytes { try TableProperties(decoding: $0) }
      }
    }
    for _ in 0..<2000 {
      var bytes = whole
      let place = Int.random(in: bytes.indices, using: &random)
      bytes[place] = UInt8.random(in: .min ... .max, using: &random)
      _ = bytes.withUnsafeBytes { try? TableProperties(decoding: $0) }
    }
  }
}
