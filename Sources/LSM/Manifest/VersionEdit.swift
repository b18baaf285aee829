package import Bytes

/// A change of what the store consists of: one record of the manifest.
///
///     kind u8: 1 state (replaces everything before it; the first record of a manifest), 2 change
///     next file number u64
///     next epoch u64
///     flushed sequence number u64: every change up to it is in tables
///     log number u64: the oldest log that recovery must find; 0: none yet
///     removed count u32; each: level u8, number u64
///     added count u32; each: level u8, TableMetadata
///
/// All integers little-endian.
// SAFETY: The reader borrows the record for one decoding, and checks each count against what is left. What it gives
// out is copied.
package struct VersionEdit: Equatable, Sendable {
  /// What an edit is about.
  package enum Kind: UInt8, Sendable {
    /// Everything: replaces what was before it.
    case state = 1
    /// What is different from the edit before.
    case change = 2
  }

  /// A table that a level has no more.
  package struct Removal: Equatable, Sendable {
    /// The level that it leaves; 0 to ``Version/lastLevel``.
    package let level: Int
    /// The table. Its file stays until the last version with it is gone.
    package let number: FileNumber

    package init(level: Int, number: FileNumber) {
      self.level = level
      self.number = number
    }
  }

  /// A table that a level has from now on.
  package struct Addition: Equatable, Sendable {
    /// The level that it goes to; 0 to ``Version/lastLevel``.
    package let level: Int
    /// What the manifest keeps of it.
    package let table: TableMetadata

    package init(level: Int, table: TableMetadata) {
      self.level = level
      self.table = table
    }
  }

  /// State or change.
  package var kind: Kind
  /// Numbers from here on were never used.
  package var nextFileNumber: FileNumber
  /// Epochs from here on were never used.
  package var nextEpoch: UInt64
  /// Every change up to it is in tables.
  package var flushedSequence: SequenceNumber
  /// The oldest log that recovery must find; 0: none yet.
  package var logNumber: FileNumber
  /// Taken out before `added` is put in.
  package var removed: [Removal] = []
  /// Durable tables, or tables that change their level.
  package var added: [Addition] = []

  package init(
    kind: Kind, nextFileNumber: FileNumber, nextEpoch: UInt64, flushedSequence: SequenceNumber,
    logNumber: FileNumber
  ) {
    self.kind = kind
    self.nextFileNumber = nextFileNumber
    self.nextEpoch = nextEpoch
    self.flushedSequence = flushedSequence
    self.logNumber = logNumber
  }

  /// Appends the edit as drawn above.
  package func encode(into writer: inout ByteWriter) {
    writer.append(kind.rawValue)
    writer.appendLittleEndian(nextFileNumber.rawValue)
    writer.appendLittleEndian(nextEpoch)
    writer.appendLittleEndian(flushedSequence.rawValue)
    writer.appendLittleEndian(logNumber.rawValue)
    writer.appendLittleEndian(UInt32(removed.count))
    for removal in removed {
      writer.append(UInt8(removal.level))
      writer.appendLittleEndian(removal.number.rawValue)
    }
    writer.appendLittleEndian(UInt32(added.count))
    for addition in added {
      writer.append(UInt8(addition.level))
      addition.table.append(to: &writer)
    }
  }

  /// Reads a record; every byte is checked, and memory is bounded by the record's size.
  @safe
  package init(decoding bytes: UnsafeRawBufferPointer) throws(DamageInBlock) {
    var reader = unsafe EditReader(bytes)
    let tag = try reader.byte("kind of edit")
    guard let kind = Kind(rawValue: tag) else {
      throw DamageInBlock(.unknown(field: "kind of edit", value: UInt64(tag)))
    }
    self.kind = kind
    nextFileNumber = try reader.fileNumber("next file number")
    nextEpoch = try reader.number("next epoch")
    flushedSequence = try reader.sequence("flushed sequence number")
    logNumber = FileNumber(try reader.number("log number"))
    for _ in 0..<(try reader.count("removed tables", ofAtLeast: 9)) {
      removed.append(
        Removal(level: try reader.level(), number: try reader.fileNumber("a removed table")))
    }
    let addedCount = try reader.count(
      "added tables", ofAtLeast: 1 + TableMetadata.fixedBytes + TableMetadata.boundsBytes)
    for _ in 0..<addedCount {
      added.append(
        Addition(level: try reader.level(), table: try TableMetadata(decoding: &reader)))
    }
    try reader.finish()
  }
}

/// Takes fields off the front of an edit, each checked before it is used.
@safe
struct EditReader {
  @safe private let bytes: UnsafeRawBufferPointer
  private var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = unsafe bytes }

  mutating func take(_ count: Int, _ field: String) throws(DamageInBlock) -> UnsafeRawBufferPointer
  {
    guard count <= bytes.count - offset else {
      throw DamageInBlock(
        .truncated(field: field, needed: UInt64(count), available: UInt64(bytes.count - offset)))
    }
    defer { offset += count }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
  }

  mutating func byte(_ field: String) throws(DamageInBlock) -> UInt8 {
    try unsafe take(1, field)[0]
  }

  mutating func number(_ field: String) throws(DamageInBlock) -> UInt64 {
    try unsafe take(8, field).littleEndian(UInt64.self, at: 0)
  }

  /// A number that names a file: never 0, and with room for more after it.
  mutating func fileNumber(_ field: String) throws(DamageInBlock) -> FileNumber {
    let value = try number(field)
    guard value > 0, value < 1 << 63 else {
      throw DamageInBlock(.length(field: field, value: value, limit: 1 << 63 - 1))
    }
    return FileNumber(value)
  }

  mutating func sequence(_ field: String) throws(DamageInBlock) -> SequenceNumber {
    let value = try number(field)
    guard value <= SequenceNumber.maximum.rawValue else {
      throw DamageInBlock(
        .length(field: field, value: value, limit: SequenceNumber.maximum.rawValue))
    }
    return SequenceNumber(rawValue: value)
  }

  mutating func level() throws(DamageInBlock) -> Int {
    let level = try byte("a level")
    guard level < Version.levelCount else {
      throw DamageInBlock(
        .length(field: "a level", value: UInt64(level), limit: UInt64(Version.levelCount - 1)))
    }
    return Int(level)
  }

  /// A count of parts that have at least so many bytes each.
  mutating func count(_ field: String, ofAtLeast bytesEach: Int) throws(DamageInBlock) -> Int {
    let count = unsafe Int(try take(4, field).littleEndian(UInt32.self, at: 0))
    let limit = (bytes.count - offset) / bytesEach
    guard count <= limit else {
      throw DamageInBlock(.length(field: field, value: UInt64(count), limit: UInt64(limit)))
    }
    return count
  }

  mutating func internalKey(_ field: String) throws(DamageInBlock) -> [UInt8] {
    let count = unsafe Int(try take(4, field).littleEndian(UInt32.self, at: 0))
    let encoded = try unsafe take(count, field)
    guard unsafe InternalKey(encoded: encoded) != nil else {
      throw DamageInBlock(.order(field: field))
    }
    return unsafe Array(encoded)
  }

  func finish() throws(DamageInBlock) {
    guard offset == bytes.count else {
      throw DamageInBlock(
        .length(field: "an edit", value: UInt64(bytes.count), limit: UInt64(offset)))
    }
  }
}
