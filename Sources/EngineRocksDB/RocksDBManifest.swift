import Bytes
import Glibc

/// What a RocksDB manifest says about the logs that count: from which one on, and with which change they must go on.
///
/// A manifest is a list of edits (rocksdb:db/version_edit.cc). An edit is fields, each after its tag; the numbers are
/// varints, and byte strings have their length before them.
// SAFETY: The record is an array that lends its bytes until the edit is read; what is kept are numbers.
struct RocksDBManifest: ~Copyable {
  /// Every log of a smaller number is in the tables.
  private(set) var firstLog: UInt64 = 0
  /// The tables have every change up to this one. It may be too high, and is nil when the manifest does not tell: a
  /// manifest that was begun anew need not say it.
  private(set) var lastFlushed: UInt64?
  /// Those of the edits that were read.
  private(set) var tables = RocksDBTables()
  private var editsWithLog = 0
  private var reader: RocksDBRecordReader

  /// Opens the manifest that the store's `CURRENT` names, before its first edit.
  ///
  /// - Returns: nil when there is none, as in a new store.
  init?(of directory: String) {
    guard let name = Self.currentName(in: directory),
      let reader = RocksDBRecordReader("\(directory)/\(name)", keptBytes: .max)
    else { return nil }
    self.reader = reader
  }

  /// Reads all edits that are there. Blocks on disk I/O.
  mutating func readToEnd() throws(UnknownRecord) {
    while try readEdit() {}
  }

  /// Reads edits until the tables are those of `view`, which begins where this has come to.
  ///
  /// - Returns: false when that is never so.
  mutating func read(until view: RocksDBTables) throws(UnknownRecord) -> Bool {
    while tables != view {
      guard try readEdit() else { return false }
    }
    return true
  }

  private mutating func readEdit() throws(UnknownRecord) -> Bool {
    guard let record = try reader.next() else { return false }
    add(try Edit(record))
    return true
  }

  private mutating func add(_ edit: Edit) {
    tables.add(edit.tables)
    guard let log = edit.firstLog, log >= firstLog else { return }
    editsWithLog += 1
    firstLog = log
    // The edit of a flush has the tables that the logs before went into: the newest change in them is the last one of
    // those logs. The first edit of a manifest is of the whole state, and its tables may have lost their numbers.
    let isOfFlush = editsWithLog > 1 && edit.lastInTables > 0
    lastFlushed = isOfFlush ? edit.lastInTables : edit.lastSequence
  }

  private static func currentName(in directory: String) -> String? {
    let descriptor = unsafe open("\(directory)/CURRENT", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    guard count > 0, let end = bytes[..<count].firstIndex(of: 0x0a) else { return nil }
    let name = String(decoding: bytes[..<end], as: UTF8.self)
    return name.hasPrefix("MANIFEST-") && !name.contains("/") ? name : nil
  }
}

/// A set of table numbers, as their count and a sum that two sets hardly share. No number is ever given twice.
struct RocksDBTables: Equatable {
  private var count = 0
  private var sum: UInt64 = 0

  mutating func insert(_ number: UInt64) {
    count += 1
    sum &+= Self.mixed(number)
  }

  mutating func remove(_ number: UInt64) {
    count -= 1
    sum &-= Self.mixed(number)
  }

  mutating func add(_ other: RocksDBTables) {
    count += other.count
    sum &+= other.sum
  }

  /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
  private static func mixed(_ number: UInt64) -> UInt64 {
    var value = number &+ 0x9e37_79b9_7f4a_7c15
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}

/// One edit, as far as it is about logs and which tables there are.
private struct Edit {
  var firstLog: UInt64?
  var lastSequence: UInt64?
  /// The newest change in the tables that it adds; 0 without any.
  var lastInTables: UInt64 = 0
  /// Those that it adds, less those that it takes away.
  var tables = RocksDBTables()

  init(_ record: [UInt8]) throws(UnknownRecord) {
    let isKnown = unsafe record.withUnsafeBytes { bytes in
      var reader = unsafe ProtobufReader(bytes)
      do throws(ProtobufError) {
        while !reader.isAtEnd { try field(&reader) }
        return true
      } catch {
        return false
      }
    }
    guard isKnown else { throw UnknownRecord() }
  }

  /// Tags with this bit may be stepped over: a byte string comes after them.
  private static let mayBeSkipped: UInt64 = 1 << 13

  private mutating func field(_ reader: inout ProtobufReader) throws(ProtobufError) {
    let start = reader.offset
    switch try reader.nextVarint() {
    case 1: _ = try unsafe reader.nextLengthDelimited()  // comparator
    case 2: firstLog = try reader.nextVarint()
    case 3, 9, 10: _ = try reader.nextVarint()  // next file, previous log, smallest log to keep
    case 4: lastSequence = try sequence(&reader)
    case 5:  // compaction cursor: level, key
      _ = try reader.nextVarint()
      _ = try unsafe reader.nextLengthDelimited()
    case 6:  // deleted table: level, number
      _ = try reader.nextVarint()
      tables.remove(try reader.nextVarint())
    case 7: try table(&reader, hasPath: false, hasSequences: false, hasCustomFields: false)
    case 100: try table(&reader, hasPath: false, hasSequences: true, hasCustomFields: false)
    case 102: try table(&reader, hasPath: true, hasSequences: true, hasCustomFields: false)
    case 103: try table(&reader, hasPath: false, hasSequences: true, hasCustomFields: true)
    case 200, 203, 300: _ = try reader.nextVarint()  // column family, largest one, atomic group
    case 201: _ = try unsafe reader.nextLengthDelimited()  // column family's name
    case 202: break  // column family dropped
    case let tag where tag & Self.mayBeSkipped != 0: _ = try unsafe reader.nextLengthDelimited()
    default: throw .invalidTag(offset: start)
    }
  }

  /// The number of a change: RocksDB's have 56 bits.
  private func sequence(_ reader: inout ProtobufReader) throws(ProtobufError) -> UInt64 {
    let start = reader.offset
    let number = try reader.nextVarint()
    guard number < 1 << 56 else { throw .malformedVarint(offset: start) }
    return number
  }

  private mutating func table(
    _ reader: inout ProtobufReader, hasPath: Bool, hasSequences: Bool, hasCustomFields: Bool
  ) throws(ProtobufError) {
    _ = try reader.nextVarint()  // level
    tables.insert(try reader.nextVarint())
    for _ in 0..<(hasPath ? 2 : 1) { _ = try reader.nextVarint() }  // path, bytes
    for _ in 0..<2 { _ = try unsafe reader.nextLengthDelimited() }  // smallest and largest key
    if hasSequences {
      _ = try reader.nextVarint()
      lastInTables = max(lastInTables, try sequence(&reader))
    }
    guard hasCustomFields else { return }
    while try reader.nextVarint() != 1 { _ = try unsafe reader.nextLengthDelimited() }
  }
}
