import Bytes
import LSM
import Testing

@Suite("Version edit") struct VersionEditTests {
  static let table: TableMetadata = {
    var properties = TableProperties()
    properties.entryCount = 3
    properties.tombstoneCount = 1
    properties.rangeTombstoneCount = 1
    properties.smallestSequence = SequenceNumber(rawValue: 3)
    properties.largestSequence = SequenceNumber(rawValue: 6)
    let bytes = Array("abd".utf8)
    bytes.withUnsafeBytes { bytes in
      properties.smallest =
        InternalKey(
          userKey: UnsafeRawBufferPointer(rebasing: bytes[0..<2]),
          sequence: SequenceNumber(rawValue: 5), kind: .value
        ).encoded()
      properties.largest =
        InternalKey.first(of: UnsafeRawBufferPointer(rebasing: bytes[2..<3])).encoded()
    }
    return TableMetadata(
      number: 9, identity: 0x1122_3344_5566_7788, fileBytes: 498, epoch: 4, reclaimableCount: 2,
      properties: properties)
  }()

  static let edit: VersionEdit = {
    var edit = VersionEdit(
      kind: .change, nextFileNumber: 11, nextEpoch: 5,
      flushedSequence: SequenceNumber(rawValue: 6), logNumber: 10)
    edit.removed = [.init(level: 0, number: 7)]
    edit.added = [.init(level: 6, table: table)]
    return edit
  }()

  static func encoded(_ edit: VersionEdit) -> [UInt8] {
    var writer = ByteWriter()
    edit.encode(into: &writer)
    return writer.array()
  }

  private static func decoded(_ bytes: [UInt8]) throws -> VersionEdit {
    try bytes.withUnsafeBytes { try VersionEdit(decoding: $0) }
  }

  /// The example of docs/file-formats/lsm-manifest.md.
  @Test func isEncodedAsDocumented() {
    let documented = """
      02 0b 00 00 00 00 00 00 00 05 00 00 00 00 00 00
      00 06 00 00 00 00 00 00 00 0a 00 00 00 00 00 00
      00 01 00 00 00 00 07 00 00 00 00 00 00 00 01 00
      00 00 06 09 00 00 00 00 00 00 00 88 77 66 55 44
      33 22 11 f2 01 00 00 00 00 00 00 04 00 00 00 00
      00 00 00 03 00 00 00 00 00 00 00 01 00 00 00 00
      00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 00
      00 00 00 03 00 00 00 00 00 00 00 06 00 00 00 00
      00 00 00 0a 00 00 00 61 62 01 05 00 00 00 00 00
      00 09 00 00 00 64 ff ff ff ff ff ff ff ff
      """
    let bytes = documented.split { $0 == " " || $0 == "\n" }.compactMap { UInt8($0, radix: 16) }
    #expect(Self.encoded(Self.edit) == bytes)
  }

  @Test func readsBackWhatItWrote() throws {
    #expect(try Self.decoded(Self.encoded(Self.edit)) == Self.edit)
  }

  @Test func refusesEveryCutAndEveryExtraByte() {
    let bytes = Self.encoded(Self.edit)
    for count in bytes.indices {
      #expect(throws: DamageInBlock.self) { try Self.decoded(Array(bytes[..<count])) }
    }
    #expect(throws: DamageInBlock.self) { try Self.decoded(bytes + [0]) }
  }

  /// Counts that promise more than the record can hold must not cost memory.
  @Test(arguments: [33, 46])
  func refusesCountsThatCannotBe(offset: Int) {
    var bytes = Self.encoded(Self.edit)
    for place in offset..<(offset + 4) { bytes[place] = 0xff }
    #expect(throws: DamageInBlock.self) { try Self.decoded(bytes) }
  }

  @Test func refusesBoundsInTheWrongOrder() {
    var edit = Self.edit
    var table = Self.table
    swap(&table.smallest, &table.largest)
    edit.added = [.init(level: 6, table: table)]
    #expect(throws: DamageInBlock.self) { try Self.decoded(Self.encoded(edit)) }
  }

  @Test(arguments: [UInt8(0), 3, 255])
  func refusesUnknownKinds(kind: UInt8) {
    var bytes = Self.encoded(Self.edit)
    bytes[0] = kind
    #expect(throws: DamageInBlock.self) { try Self.decoded(bytes) }
  }

  @Test func refusesLevelsThatAreNotThere() {
    var bytes = Self.encoded(Self.edit)
    bytes[37] = 7
    #expect(throws: DamageInBlock.self) { try Self.decoded(bytes) }
  }
}
