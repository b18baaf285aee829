import Bytes
import Glibc

/// What a RocksDB manifest says about the logs that count: from which one on, and with which change they must go on.
///
/// A manifest is a list of edits (rocksdb:db/version_edit.cc). An edit is fields, each after its tag; the numbers are
/// varints, and byte strings have their length before them.
struct RocksDBManifest: Equatable {
  /// Every log of a smaller number is in the tables.
  private(set) var firstLog: UInt64 = 0
  /// The tables have every change up to this one. It may be too high, when the manifest does not tell exactly.
  private(set) var lastFlushed: UInt64 = 0

  /// Reads the manifest that the store's `CURRENT` names. Blocks on disk I/O.
  ///
  /// - Returns: nil when there is none, as in a new store.
  init?(of directory: String) throws(UnknownRecord) {
    guard let name = Self.currentName(in: directory),
      var reader = RocksDBRecordReader("\(directory)/\(name)", keptBytes: .max)
    else { return nil }
    while let record = try reader.next() {
      add(try Edit(record))
    }
  }

  private var editsWithLog = 0

  private mutating func add(_ edit: Edit) {
    guard let log = edit.firstLog, log >= firstLog else { return }
    editsWithLog += 1
    firstLog = log
    // The edit of a flush has the tables that the logs before went into: the newest change in them is the last one of
    // those logs. The first edit of a manifest is of the whole state, and its tables may have lost their numbers.
    let isOfFlush = editsWithLog > 1 && edit.lastInTables > 0
    lastFlushed = isOfFlush ? edit.lastInTables : edit.lastSequence ?? lastFlushed
  }

  private static func currentName(in directory: String) -> String? {
    let descriptor = open("\(directory)/CURRENT", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0, let end = bytes[..<count].firstIndex(of: 0x0a) else { return nil }
    let name = String(decoding: bytes[..<end], as: UTF8.self)
    return name.hasPrefix("MANIFEST-") && !name.contains("/") ? name : nil
  }
}

/// One edit, as far as it is about logs.
private struct Edit {
  var firstLog: UInt64?
  var lastSequence: UInt64?
  /// The newest change in the tables that it adds; 0 without any.
  var lastInTables: UInt64 = 0

  init(_ record: [UInt8]) throws(UnknownRecord) {
    let isKnown = record.withUnsafeBytes { bytes in
      var reader = ProtobufReader(bytes)
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
    case 1: _ = try reader.nextLengthDelimited()  // comparator
    case 2: firstLog = try reader.nextVarint()
    case 3, 9, 10: _ = try reader.nextVarint()  // next file, previous log, smallest log to keep
    case 4: lastSequence = try reader.nextVarint()
    case 5:  // compaction cursor: level, key
      _ = try reader.nextVarint()
      _ = try reader.nextLengthDelimited()
    case 6:  // deleted table: level, number
      _ = try reader.nextVarint()
      _ = try reader.nextVarint()
    case 7: try table(&reader, hasPath: false, hasSequences: false, hasCustomFields: false)
    case 100: try table(&reader, hasPath: false, hasSequences: true, hasCustomFields: false)
    case 102: try table(&reader, hasPath: true, hasSequences: true, hasCustomFields: false)
    case 103: try table(&reader, hasPath: false, hasSequences: true, hasCustomFields: true)
    case 200, 203, 300: _ = try reader.nextVarint()  // column family, largest one, atomic group
    case 201: _ = try reader.nextLengthDelimited()  // column family's name
    case 202: break  // column family dropped
    case let tag where tag & Self.mayBeSkipped != 0: _ = try reader.nextLengthDelimited()
    default: throw .invalidTag(offset: start)
    }
  }

  private mutating func table(
    _ reader: inout ProtobufReader, hasPath: Bool, hasSequences: Bool, hasCustomFields: Bool
  ) throws(ProtobufError) {
    // Level, number, path, bytes.
    for _ in 0..<(hasPath ? 4 : 3) { _ = try reader.nextVarint() }
    for _ in 0..<2 { _ = try reader.nextLengthDelimited() }  // smallest and largest key
    if hasSequences {
      _ = try reader.nextVarint()
      lastInTables = max(lastInTables, try reader.nextVarint())
    }
    guard hasCustomFields else { return }
    while try reader.nextVarint() != 1 { _ = try reader.nextLengthDelimited() }
  }
}
