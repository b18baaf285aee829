/// What an engine call can fail with.
package enum EngineError: Error, Equatable, Sendable {
  /// Where a failure happened and what the layer below said.
  package struct Failure: Equatable, Sendable {
    /// The call that failed.
    package let operation: EngineOperation
    /// The engine's data directory (of a checkpoint: the new one).
    package let directory: String
    /// The words of the storage library or the operating system.
    package let detail: String

    package init(operation: EngineOperation, directory: String, detail: String) {
      self.operation = operation
      self.directory = directory
      self.detail = detail
    }
  }

  /// Stored bytes are not what was written: a checksum, order or format is wrong.
  case corruption(Failure)
  /// The operating system refused a read, write or fsync.
  case io(Failure)
  /// The disk or the quota is full.
  case noSpace(Failure)
  /// Another process, or another engine of this one, has the directory open.
  case lockHeld(directory: String)
  /// Another process changes the store so fast that it could not be looked at. Nothing is known to be wrong.
  case busy(directory: String)
  /// The engine takes no writes: an earlier write failed, or it was opened for reading. This one was not stored.
  case readOnly(reason: String)
  /// The engine takes no writes for now, and goes on by itself (``WriteState/paused(reason:)``). This one was not
  /// stored.
  case writesPaused(reason: String, isDiskFull: Bool)
  /// ``StorageEngine/close()`` was called.
  case closed
  /// The snapshot belongs to another engine.
  case foreignSnapshot
  /// The batch, or a record of it, is larger than the engine stores; nothing was changed.
  case tooLarge(bytes: Int, limit: Int)
  /// Bytes that should be a write batch are not one.
  case malformedBatch(offset: Int)
  /// The path cannot be used: it holds a NUL byte, or exists where it must not.
  case invalidPath(path: String, reason: String)
  /// The engine cannot do this at all.
  case unsupported(Failure)
  /// Anything else the storage library reports.
  case other(Failure)
}

/// The engine call a failure belongs to; its raw value completes "cannot …".
package enum EngineOperation: String, Sendable {
  case open, get, scan, apply, snapshot, checkpoint, flush, compact, statistics, close
}

extension EngineError {
  /// Whether stored data are damaged, as against unreachable. Such an answer must reach the user as data
  /// loss, never as "absent".
  package var isCorruption: Bool {
    if case .corruption = self { true } else { false }
  }
}

extension EngineError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .corruption(let failure):
      "\(failure). Stored data are damaged: stop the server, keep a copy of the directory, and see what can be "
        + "saved with `seandb repair --dry-run DIR`, or restore a backup"
    case .io(let failure):
      "\(failure). Check the disk and the permissions"
    case .noSpace(let failure):
      "\(failure). The disk is full: free space"
    case .lockHeld(let directory):
      "cannot open \(directory): it is in use; stop the process that has it open, or use another "
        + "directory"
    case .busy(let directory):
      "\(directory) changes faster than it can be looked at. Nothing is known to be wrong: try again, or stop "
        + "the server first"
    case .readOnly(let reason):
      "no writes are taken: \(reason)"
    case .writesPaused(let reason, _):
      "writes are paused: \(reason)"
    case .closed:
      "the engine is closed"
    case .foreignSnapshot:
      "the snapshot belongs to another engine; take it from the engine that is read"
    case .tooLarge(let bytes, let limit):
      "the engine stores at most \(limit) bytes at once, and these are \(bytes); write less at a time"
    case .malformedBatch(let offset):
      "the write batch is malformed at byte \(offset)"
    case .invalidPath(let path, let reason):
      "cannot use the path \(path): \(reason)"
    case .unsupported(let failure):
      "\(failure): not supported by this engine"
    case .other(let failure):
      "\(failure). See what `seandb verify` says of the data directory"
    }
  }
}

extension EngineError.Failure: CustomStringConvertible {
  package var description: String { "cannot \(operation.rawValue) \(directory): \(detail)" }
}
