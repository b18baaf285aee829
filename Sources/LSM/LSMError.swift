import Glibc

/// What a call of this module can fail with.
package enum LSMError: Error, Equatable, Sendable {
  /// A file-system call that the operating system refused.
  package struct Failure: Equatable, Sendable {
    /// The call that failed.
    package let operation: FileOperation
    /// The file or directory it was about.
    package let path: String
    /// The `errno` of the call.
    package let code: Int32

    /// - Parameter code: the `errno`, taken before any other call.
    package init(_ operation: FileOperation, path: String, code: Int32) {
      self.operation = operation
      self.path = path
      self.code = code
    }
  }

  /// Stored bytes that are not what was written.
  package struct Damage: Equatable, Sendable {
    /// The damaged file.
    package let path: String
    /// Where the damaged part starts in the file, in bytes.
    package let offset: UInt64
    /// How its bytes differ from what must be there.
    package let kind: DamageKind

    /// - Parameter offset: in bytes from the start of the file.
    package init(path: String, offset: UInt64, _ kind: DamageKind) {
      self.path = path
      self.offset = offset
      self.kind = kind
    }
  }

  /// The operating system refused a read, write, fsync or directory change.
  case io(Failure)
  /// The disk or the quota is full.
  case noSpace(Failure)
  /// There is no such file.
  case notFound(Failure)
  /// There is such a file already.
  case alreadyExists(Failure)
  /// Another process, or another owner in this one, holds the lock file.
  case lockHeld(path: String)
  /// Stored bytes are damaged, or a file that must be there is missing.
  case corruption(Damage)
  /// The file was written in a format that this program does not know.
  case unsupportedFormat(path: String, version: UInt64)
  /// An earlier write or fsync failed: nothing more is written, nothing deleted. Open the store again.
  indirect case poisoned(cause: LSMError)
  /// This write was not taken, and is not in the store: flushing, compacting or beginning a log fails at the
  /// moment. It is tried again; once the cause is mended writes are taken again.
  indirect case refused(cause: LSMError)
  /// The file or store was closed before.
  case closed(path: String)
  /// A record, key or value over the format's limit.
  case tooLarge(bytes: Int, limit: Int)
  /// Entries were given to a table in another order than theirs: a bug of the caller, stopped before it
  /// is on disk.
  case unsortedKeys(path: String)
  /// The answer is not in memory, and the read was not to touch the disk.
  case wouldBlock
  /// Bytes that should be a batch are not one, at this offset.
  case malformedBatch(offset: Int)
  /// The store was opened for reading only.
  case readOnly(path: String)
  /// A running server replaced files faster than they could be read; nothing is known to be wrong.
  case changing(path: String)
  /// Whoever has the store open wants nothing more to be written, for this reason.
  case stopped(reason: String)
  /// What a check in the engine itself forbids: a bug of this program, stopped before it is on disk.
  case brokenInvariant(String)
}

/// The call a failure belongs to; its raw value completes "cannot … PATH".
package enum FileOperation: String, Sendable {
  case create, open, read, write, sync, close, list, rename, remove, link, lock
  case inspect
  case preallocate, truncate
  case createDirectory = "create the directory"
  case syncDirectory = "sync the directory"
}

/// How stored bytes differ from what must be there.
package enum DamageKind: Equatable, Sendable {
  case checksum(expected: UInt64, actual: UInt64)
  /// A length or offset that does not fit into what holds it.
  case length(field: String, value: UInt64, limit: UInt64)
  /// A field with a value it must not have.
  case value(field: String, expected: UInt64, actual: UInt64)
  /// The bytes end before the field does.
  case truncated(field: String, needed: UInt64, available: UInt64)
  /// A tag or type byte that nobody writes.
  case unknown(field: String, value: UInt64)
  /// What every such file begins with: the file is empty, or was written over.
  case absent(field: String)
  /// Parts that are whole, in an order nobody writes.
  case order(field: String)
  /// A record of a log that is no batch, or whose sequence numbers were given out before.
  case malformedBatch(byte: Int)
  /// A table that says something else of itself than the manifest does.
  case disagreement(field: String)
  /// A log that the newest one does not lead back to.
  case outsideChain
  /// The file belongs to another store.
  case foreign(field: String)
  /// The file is named by another one, and is not there.
  case missing
}

extension LSMError {
  /// A file that a listing does not have.
  static func absent(_ path: String) -> LSMError {
    .notFound(Failure(.open, path: path, code: ENOENT))
  }

  /// Whether what the operating system refuses now may succeed later: a full disk, too many open files.
  var isPassing: Bool {
    switch self {
    case .io, .noSpace, .notFound, .alreadyExists, .tooLarge, .refused: true
    default: false
    }
  }

  /// Whether stored data are damaged, as against unreachable. Never to be answered by "absent".
  package var isCorruption: Bool {
    switch self {
    case .corruption: true
    case .poisoned(let cause), .refused(let cause): cause.isCorruption
    default: false
    }
  }
}
