import Glibc

/// The files of a RocksDB store at one moment, as far as they tell whether somebody changes it: their names, and
/// how long the manifest is. Logs grow all the time and may.
// SAFETY: The stream is open until the function returns; a name is copied before the next entry is read.
struct RocksDBFiles: Equatable {
  private let names: [String]
  private let manifestBytes: [UInt64?]

  /// Looks at `directory`. Blocks on disk I/O.
  init(_ directory: String) {
    names = Self.names(in: directory).filter { !$0.hasPrefix("LOG") }.sorted()
    manifestBytes = names.filter { $0.hasPrefix("MANIFEST-") }.map { Self.size($0, in: directory) }
  }

  /// All names but `.` and `..`; none when the directory cannot be listed.
  static func names(in directory: String) -> [String] {
    guard let stream = unsafe opendir(directory) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  /// Bytes; nil when there is no such file.
  static func size(_ name: String, in directory: String) -> UInt64? {
    var status = stat()
    return unsafe stat("\(directory)/\(name)", &status) == 0
      ? UInt64(clamping: status.st_size) : nil
  }
}
