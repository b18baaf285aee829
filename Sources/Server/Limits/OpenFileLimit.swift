import Glibc
import Logging

// SAFETY: a limit is lent to a system call until that returns.

/// The process's limit of open files (RLIMIT_NOFILE).
///
/// The store keeps every table open, and each connection is a file: the usual soft limit of 1024 would
/// end in refused connections or failed reads.
package enum OpenFileLimit {
  /// How many of `wanted` connections the limit allows. Half of the files, at most 1024, are kept for the
  /// store: a log that cannot be opened would end all writes.
  static func connections(_ wanted: Int) -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return wanted
    }
    let files = Int(clamping: limit.rlim_cur)
    return max(1, min(wanted, files - min(files / 2, 1024) - 16))
  }

  /// What any command needs: below it, even reading a schema fails in the middle.
  package static let commandMinimum = 24

  /// What a server needs: each event loop has four, and the store opens a few at once.
  static func serverMinimum(eventLoops: Int) -> Int { 40 + 4 * eventLoops }

  /// Raises the soft limit to the hard one. Warns when that is still low.
  ///
  /// - Throws: when a server cannot even start with it.
  static func raise(_ logger: Logger, eventLoops: Int) throws(ServerError) {
    guard let limit = raise(), limit < 4096 else { return }
    let needed = serverMinimum(eventLoops: eventLoops)
    guard limit >= needed else { throw .tooFewFiles(limit: limit, needed: needed) }
    logger.warning(
      "few files may be open; raise the limit (ulimit -n)", metadata: ["limit": "\(limit)"])
  }

  /// Raises the soft limit to the hard one.
  /// - Returns: the limit in force; nil when the system does not say.
  @discardableResult
  package static func raise() -> UInt64? {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return nil
    }
    if limit.rlim_cur < limit.rlim_max {
      limit.rlim_cur = limit.rlim_max
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    return UInt64(limit.rlim_cur)
  }
}
