import Glibc
import Platform

/// The files of a RocksDB store at one moment, as far as they tell whether somebody changes it: their names, and
/// how long the manifest is. Logs grow all the time and may.
// SAFETY: A String lends its path, which ends with NUL, to a system call until that returns, and a `stat` likewise.
struct RocksDBFiles: Equatable {
  private let names: [String]
  private let manifestBytes: [UInt64?]

  /// Looks at `directory`. Blocks on disk I/O.
  init(_ directory: String) {
    names = Self.names(in: directory).filter { !$0.hasPrefix("LOG") }
    manifestBytes = names.filter { $0.hasPrefix("MANIFEST-") }.map { Self.size($0, in: directory) }
  }

  /// All names but `.` and `..`; none when the directory cannot be listed.
  static func names(in directory: String) -> [String] { Folder.names(in: directory) ?? [] }

  /// Bytes; nil when there is no such file.
  static func size(_ name: String, in directory: String) -> UInt64? {
    var status = stat()
    return unsafe stat("\(directory)/\(name)", &status) == 0
      ? UInt64(clamping: status.st_size) : nil
  }
}
