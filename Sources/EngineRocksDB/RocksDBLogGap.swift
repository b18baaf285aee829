import Engine
import Glibc

/// Changes that are missing between the logs of a RocksDB store, or between its tables and its logs.
///
/// RocksDB 7.8 replays the logs that it finds in their order and does not ask whether one is missing, or ends too
/// early: what came after is then applied to a state that never was. Every batch in a log has the number of its first
/// change and the count of its changes, and the numbers have no holes; so the logs tell it themselves.
package struct RocksDBLogGap: Equatable, CustomStringConvertible {
  /// The last change before the gap.
  package let last: UInt64
  /// The first change after it, and the log that has it.
  package let next: UInt64
  /// The name of the log that has it.
  package let log: String
  /// The log that ends before it; nil when the tables do.
  package let previousLog: String?

  package var description: String {
    let before = previousLog.map { "\($0) ends with" } ?? "the tables end with"
    return
      "\(before) change \(last), and \(log) goes on with change \(next): a log between them is missing or cut"
  }

  func error(in directory: String) -> EngineError {
    .corruption(.init(operation: .open, directory: directory, detail: description))
  }

  /// Looks at the store in `directory`: reads the manifest and every log that counts. Blocks on disk I/O.
  ///
  /// Changes that another process makes meanwhile can look like a gap, and it counts only when ``RocksDBFiles`` is the
  /// same before and after.
  ///
  /// - Returns: nil when nothing is missing.
  /// - Throws: when the files have what this program does not know: nothing is told then.
  package static func find(in directory: String) throws(UnknownRecord) -> RocksDBLogGap? {
    guard var manifest = RocksDBManifest(of: directory) else { return nil }
    try manifest.readToEnd()
    return try find(
      in: directory, firstLog: manifest.firstLog, lastFlushed: manifest.lastFlushed)
  }

  /// Looks at the logs from `firstLog` on, which must go on after the change `lastFlushed`; nil: wherever they begin.
  static func find(
    in directory: String, firstLog: UInt64, lastFlushed: UInt64?
  ) throws(UnknownRecord) -> RocksDBLogGap? {
    let logs = RocksDBFiles.names(in: directory).compactMap { name -> (UInt64, String)? in
      guard name.hasSuffix(".log"), let number = UInt64(name.dropLast(4)),
        number >= firstLog
      else { return nil }
      return (number, name)
    }.sorted { $0.0 < $1.0 }
    // The newest first: a log that a server still wrote to has then become whole before it is read.
    var extents: [(name: String, extent: Extent)] = []
    for (_, name) in logs.reversed() {
      if let extent = try Extent(of: "\(directory)/\(name)") { extents.append((name, extent)) }
    }
    var last = lastFlushed
    var previousLog: String?
    for (name, extent) in extents.reversed() {
      guard let first = extent.first else { continue }
      if let last, first > last + 1 {
        return RocksDBLogGap(last: last, next: first, log: name, previousLog: previousLog)
      }
      if let gap = extent.gap {
        return RocksDBLogGap(last: gap.last, next: gap.next, log: name, previousLog: name)
      }
      last = max(last ?? 0, extent.last)
      previousLog = name
    }
    return nil
  }

  /// The changes of one log.
  private struct Extent {
    /// nil when it has none.
    var first: UInt64?
    var last: UInt64 = 0
    /// The first hole inside.
    var gap: (last: UInt64, next: UInt64)?

    /// nil when the log is gone.
    init?(of path: String) throws(UnknownRecord) {
      // A batch begins with the number of its first change (8 bytes) and the count of its changes (4).
      guard var reader = RocksDBRecordReader(path, keptBytes: 12) else { return nil }
      while let head = try reader.next() {
        guard head.count == 12 else { continue }
        add(
          number: head[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) },
          count: head[8...].reversed().reduce(0) { $0 << 8 | UInt64($1) })
      }
    }

    private mutating func add(number: UInt64, count: UInt64) {
      // RocksDB's numbers have 56 bits.
      guard number > 0, number < 1 << 56 else { return }
      if first == nil {
        first = number
      } else if number > last + 1, gap == nil {
        gap = (last, number)
      }
      // A batch may be empty.
      last = max(last, number + count - 1)
    }
  }
}
