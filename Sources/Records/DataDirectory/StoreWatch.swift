package import Engine
import Glibc
import Platform

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns, and a
// `stat` likewise.

/// Sees that a store is taken away from under a running server: its folder, the file that names its manifest or its
/// logs were removed, or renamed. The engine has its files open and would not notice: what it acknowledges then is in
/// files without a name, and gone with the process.
///
/// The one file is replaced by a rename now and then, and logs come and go: there must be one of each, whichever. A
/// name is missed only when a second look does not find it either.
package struct StoreWatch: Sendable {
  private let path: String
  private let files: StoreFileNames
  private let device: dev_t
  private let inode: ino_t
  /// The folder's time of change when all was there; nil when it may yet change without that showing.
  private var changedAt: timespec?
  private var isSuspect = false

  /// Remembers the folder of an open store; nil when it cannot be looked at.
  package init?(_ path: String, _ files: StoreFileNames) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    self.path = path
    self.files = files
    device = status.st_dev
    inode = status.st_ino
  }

  /// One look at the folder, which is listed only after names in it have changed. To be called every second.
  ///
  /// - Parameters:
  ///   - needsLog: whether there must be a log.
  ///   - isLast: looks twice at once.
  /// - Returns: what is gone, and what to do; nil while all is there, or missed for the first time.
  package mutating func look(needsLog: Bool = true, isLast: Bool = false) -> String? {
    guard var missed = missing(needsLog) else {
      isSuspect = false
      return nil
    }
    if isLast {
      guard let again = missing(needsLog) else { return nil }
      missed = again
    } else if !isSuspect {
      isSuspect = true
      return nil
    }
    return
      "\(missed) while the server ran, and with it what was acknowledged since. Put it back, or restore a backup"
  }

  private mutating func missing(_ needsLog: Bool) -> String? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      // Any other error says nothing of the names.
      return errno == ENOENT || errno == ENOTDIR ? "\(path) was removed or renamed" : nil
    }
    guard status.st_dev == device, status.st_ino == inode else {
      return "\(path) was replaced by another one"
    }
    let changed = status.st_mtim
    if let changedAt, changedAt.tv_sec == changed.tv_sec, changedAt.tv_nsec == changed.tv_nsec {
      return nil
    }
    guard let names = Folder.names(in: path) else { return nil }
    guard names.contains(files.current) else {
      return "\(path)/\(files.current) was removed or renamed"
    }
    if !names.contains(where: { if case .log = files.kind(of: $0) { true } else { false } }) {
      changedAt = nil
      guard needsLog else { return nil }
      return "the log (\(path)/\(files.anyLog)) was removed or renamed"
    }
    // Two changes within the clock's granularity look alike.
    changedAt = time(nil) - changed.tv_sec >= 2 ? changed : nil
    return nil
  }
}
