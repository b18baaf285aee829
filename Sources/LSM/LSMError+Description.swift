import Glibc

extension LSMError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .io(let failure) where failure.code == EISDIR:
      "\(failure), where a file of the store belongs; move it out of the store's folder"
    case .io(let failure) where failure.code == EROFS:
      "\(failure); mount the file system for writing"
    case .io(let failure):
      "\(failure); check the disk and the permissions"
    case .noSpace(let failure):
      "\(failure); free space"
    case .notFound(let failure):
      "\(failure); put it back, or restore a backup"
    case .alreadyExists(let failure):
      "\(failure); move it away"
    case .lockHeld(let path):
      "\(path) is locked; stop the process that has the store open"
    case .corruption(let damage):
      "\(damage). See what can be saved: `seandb repair --dry-run`"
    case .unsupportedFormat(let path, let version):
      "\(path) has format \(version), which this program does not know; use a newer program"
    case .poisoned(let cause):
      "the store takes no writes because an earlier one failed: \(cause)"
    case .refused(let cause):
      "the write was not stored, since the store cannot go on at the moment: \(cause)"
    case .closed(let path):
      "\(path) is closed"
    case .tooLarge(let bytes, let limit):
      "\(bytes) bytes are over the limit of \(limit)"
    case .unsortedKeys(let path):
      "the keys for \(path) are not in order; the file was given up"
    case .wouldBlock:
      "the answer is not in memory"
    case .malformedBatch(let offset):
      "the batch is malformed at byte \(offset)"
    case .readOnly(let path):
      "\(path) was opened for reading only"
    case .changing(let path):
      "\(path) changes faster than it can be looked at. Nothing is known to be wrong: try again, or stop the "
        + "server first"
    case .stopped(let reason):
      reason
    case .brokenInvariant(let what):
      "a check of the engine failed, and nothing was changed: \(what). Please report it"
    }
  }
}

extension LSMError.Failure: CustomStringConvertible {
  package var description: String {
    // SAFETY: strerror returns a NUL-terminated string, copied before any other call here.
    let words = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    return "cannot \(operation.rawValue) \(path): \(words)"
  }
}

extension LSMError.Damage: CustomStringConvertible {
  package var description: String {
    kind == .missing ? "\(path) is missing" : "\(path) is damaged at byte \(offset): \(kind)"
  }
}

extension DamageKind: CustomStringConvertible {
  package var description: String {
    switch self {
    case .checksum(let expected, let actual):
      "the checksum is \(String(actual, radix: 16)), not \(String(expected, radix: 16))"
    case .length(let field, let value, let limit):
      "\(field) is \(value), over \(limit)"
    case .value(let field, let expected, let actual):
      "\(field) is \(actual), not \(expected)"
    case .truncated(let field, let needed, let available):
      "\(field) needs \(needed) bytes, and \(available) are there"
    case .unknown(let field, let value):
      "\(field) has the unknown value \(value)"
    case .absent(let field):
      "\(field) is not there: the file is empty or was written over"
    case .order(let field):
      "\(field) is where it cannot be"
    case .malformedBatch(let byte):
      "the batch is malformed at its byte \(byte)"
    case .disagreement(let field):
      "\(field) differ from what the manifest says"
    case .outsideChain:
      "the log does not belong to the chain of logs"
    case .foreign(let field):
      "\(field) is of another store"
    case .missing:
      "the file is missing"
    }
  }
}
