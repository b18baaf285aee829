import CRocksDB
import Engine
import Glibc

/// A status that RocksDB's C API reports as a string: "Code: words".
///
/// Owns the string (`errptr`), which is freed with it.
// SAFETY: It owns the string, which C ended with NUL and which is freed once, in deinit.
@safe
struct RocksDBStatus: ~Copyable {
  private let message: UnsafeMutablePointer<CChar>

  /// - Parameter message: what a C call stored in its `errptr`; nil is success, and no status.
  init?(_ message: UnsafeMutablePointer<CChar>?) {
    guard let message = unsafe message else { return nil }
    unsafe self.message = message
  }

  deinit { unsafe rocksdb_free(message) }

  /// Whether a read would have had to leave memory (`kBlockCacheTier`).
  var isIncomplete: Bool { hasPrefix("Result incomplete") }

  private func hasPrefix(_ prefix: StaticString) -> Bool {
    // SAFETY: both are NUL-terminated; strncmp stops at the end of the shorter one.
    unsafe prefix.utf8Start.withMemoryRebound(to: CChar.self, capacity: prefix.utf8CodeUnitCount) {
      unsafe strncmp(message, $0, prefix.utf8CodeUnitCount) == 0
    }
  }

  /// The words, on one line: RocksDB appends the words of several failures to each other.
  var text: String {
    unsafe Self.withNamesOnDisk(
      String(cString: message).split(separator: "\n").joined(separator: "; "))
  }

  /// The words with the names that tables have on the disk. Of a table that is missing RocksDB tells the name that
  /// LevelDB would have given it, which it tries last (rocksdb:db/table_cache.cc).
  private static func withNamesOnDisk(_ text: String) -> String {
    var pieces: [Substring] = []
    var rest = text[...]
    while let found = rest.firstRange(of: ".ldb") {
      let name = rest[..<found.lowerBound]
      let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }
      let isWhole =
        rest[found.upperBound...].first.map { !$0.isLetter && !$0.isNumber && $0 != "/" } ?? true
      pieces += [name, digits.count >= 6 && isWhole ? ".sst" : ".ldb"]
      rest = rest[found.upperBound...]
    }
    return pieces.joined() + rest
  }

  /// Whether an fsync failed, after which nobody knows what the disk has.
  var isFailedSync: Bool {
    let text = text
    return text.contains("While fsync") || text.contains("While fdatasync")
      || text.contains("sync_file_range")
  }

  /// Whether the write-ahead log is what could not be written.
  var isAboutLog: Bool {
    text.split { " :;".contains($0) }.contains { word in
      guard word.hasSuffix(".log"), let name = word.split(separator: "/").last else { return false }
      return name.dropLast(4).allSatisfy(\.isNumber)
    }
  }

  /// The error to throw for it (rocksdb:util/status.cc has the prefixes).
  func error(_ operation: EngineOperation, in directory: String) -> EngineError {
    let text = text
    let failure = EngineError.Failure(operation: operation, directory: directory, detail: text)
    if hasPrefix("Corruption:") { return .corruption(failure) }
    if hasPrefix("IO error:") {
      if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        return .noSpace(failure)
      }
      let isLock =
        text.contains("/LOCK") && (text.contains("lock file") || text.contains("lock hold"))
      return operation == .open && isLock ? .lockHeld(directory: directory) : .io(failure)
    }
    if hasPrefix("Not implemented:") { return .unsupported(failure) }
    return .other(failure)
  }
}
