import Engine
import Glibc
import Platform

// SAFETY: a String lends its path, which ends with NUL, to a system call until that returns.

/// Keeps servers away from a store while a tool mends it, and the tool away from a store that a server has.
///
/// Changes nothing: where there is no file LOCK, no server can have the directory, and none is made.
///
/// Thread-safety: constant after init. The lock goes with the last reference, or with the process.
package final class StoreLock: Sendable {
  /// -1 without a file LOCK.
  private let descriptor: Int32

  /// - Throws: ``DatabaseError/directoryInUse(path:)`` while a process has the data directory or its store.
  package init(_ location: StoreLocation) throws(DatabaseError) {
    if location.engine.isLocked(location.storePath) {
      throw .directoryInUse(path: location.dataDirectory ?? location.storePath)
    }
    guard let directory = location.dataDirectory else {
      descriptor = -1
      return
    }
    let path = directory + "/LOCK"
    let lock = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard lock >= 0 || errno == ENOENT else { throw .cannot("open", path) }
    guard lock < 0 || flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let isHeld = errno == EWOULDBLOCK
      let problem = DatabaseError.cannot("lock", path)
      close(lock)
      throw isHeld ? .directoryInUse(path: directory) : problem
    }
    descriptor = lock
  }

  deinit {
    guard descriptor >= 0 else { return }
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}
