import Bytes

/// What the manifest knows of a table: enough to choose it for a read or a compaction, and to tell
/// whether the file is the right one.
///
///     number u64, identity u64, file bytes u64, epoch u64, entries u64, tombstones u64,
///     range tombstones u64, reclaimable u64, smallest sequence number u64, largest u64
///     smallest: byte count u32, encoded internal key
///     largest: byte count u32, encoded internal key
///
/// All integers little-endian.
package struct TableMetadata: Equatable, Sendable {
  /// The number in the file's name.
  package var number: FileNumber
  /// Seeds the checksums of all blocks, so that no other table's pass.
  package var identity: UInt64
  /// The file's size.
  package var fileBytes: UInt64
  /// Orders the tables of level 0: a larger one holds newer changes.
  package var epoch: UInt64
  /// Values and tombstones.
  package var entryCount: UInt64
  /// Tombstones of single keys, which are among the entries.
  package var tombstoneCount: UInt64
  /// Range tombstones, which are not among the entries.
  package var rangeTombstoneCount: UInt64
  /// Entries and range tombstones that were kept for a snapshot alone: once it is released a rewrite
  /// drops them.
  package var reclaimableCount: UInt64
  /// The oldest change in it.
  package var smallestSequence: SequenceNumber
  /// The newest change in it.
  package var largestSequence: SequenceNumber
  /// The first internal key, encoded; see ``TableProperties/smallest``.
  package var smallest: [UInt8]
  /// The last internal key, encoded; see ``TableProperties/largest``.
  package var largest: [UInt8]

  static let fixedBytes = 80
  static let boundsBytes = 8

  /// What the manifest keeps of a table that says `properties` of itself.
  package init(
    number: FileNumber, identity: UInt64, fileBytes: UInt64, epoch: UInt64,
    reclaimableCount: UInt64, properties: TableProperties
  ) {
    self.number = number
    self.identity = identity
    self.fileBytes = fileBytes
    self.epoch = epoch
    self.reclaimableCount = reclaimableCount
    entryCount = properties.entryCount
    tombstoneCount = properties.tombstoneCount
    rangeTombstoneCount = properties.rangeTombstoneCount
    smallestSequence = properties.smallestSequence
    largestSequence = properties.largestSequence
    smallest = properties.smallest
    largest = properties.largest
  }

  func append(to writer: inout ByteWriter) {
    for value in [
      number.rawValue, identity, fileBytes, epoch, entryCount, tombstoneCount,
      rangeTombstoneCount, reclaimableCount, smallestSequence.rawValue, largestSequence.rawValue,
    ] {
      writer.appendLittleEndian(value)
    }
    for key in [smallest, largest] {
      writer.appendLittleEndian(UInt32(key.count))
      writer.append(key)
    }
  }

  init(decoding reader: inout EditReader) throws(DamageInBlock) {
    number = try reader.fileNumber("a table's number")
    identity = try reader.number("a table's identity")
    fileBytes = try reader.number("a table's size")
    epoch = try reader.number("an epoch")
    entryCount = try reader.number("entries")
    tombstoneCount = try reader.number("tombstones")
    rangeTombstoneCount = try reader.number("range tombstones")
    reclaimableCount = try reader.number("reclaimable entries")
    smallestSequence = try reader.sequence("the smallest sequence numbers")
    largestSequence = try reader.sequence("the largest sequence numbers")
    smallest = try reader.internalKey("the smallest keys")
    largest = try reader.internalKey("the largest keys")
    let isOrdered = InternalKey.withKey(encoded: smallest) { smallest in
      InternalKey.withKey(encoded: largest) { InternalKey.compare(smallest, $0) <= 0 }
    }
    guard isOrdered == true else { throw DamageInBlock(.order(field: "a table's bounds")) }
  }

  /// What of itself a table says otherwise, in the plural; nil when all agrees.
  func disagreement(with properties: TableProperties) -> String? {
    if properties.entryCount != entryCount { return "the counts of entries" }
    if properties.tombstoneCount != tombstoneCount { return "the counts of tombstones" }
    if properties.rangeTombstoneCount != rangeTombstoneCount {
      return "the counts of range tombstones"
    }
    if properties.smallestSequence != smallestSequence { return "the smallest sequence numbers" }
    if properties.largestSequence != largestSequence { return "the largest sequence numbers" }
    if properties.smallest != smallest { return "the smallest keys" }
    if properties.largest != largest { return "the largest keys" }
    return nil
  }
}
