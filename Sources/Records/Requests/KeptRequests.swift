package import Engine

// SAFETY: the engine lends keys and values to a visit, which looks at parts whose length was checked.

/// A look at all request ids that are kept, for the tools.
package struct KeptRequests {
  /// Ids.
  package private(set) var idCount: UInt64 = 0
  /// Sentences about what cannot be read, the first ones.
  package private(set) var problems: [String] = []

  private static let maximumProblems = 20

  /// Reads all of them. Blocks on disk I/O.
  package static func check(_ engine: any StorageEngine) throws(EngineError) -> KeptRequests {
    var check = KeptRequests()
    _ = try engine.scan(
      KeyRange.prefix([KeyKind.request.rawValue]), direction: .ascending, limit: .max,
      snapshot: nil,
      tier: .any
    ) { key, value in
      unsafe check.look(key, value)
      return check.problems.count < maximumProblems ? .next : .stop
    }
    return check
  }

  private mutating func look(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let idStart = KeyPrefix.byteCount + RequestLog.bucketBytes
    guard KeyPrefix(of: key) == RequestLog.prefix, key.count >= idStart else {
      problems.append("a request id has a key of \(key.count) bytes that cannot be read")
      return
    }
    if key.count == idStart {
      if unsafe RequestLog.begin(value) == nil {
        problems.append("a bucket of request ids has a head that cannot be read")
      }
      return
    }
    idCount += 1
    let id = unsafe RequestID(UnsafeRawBufferPointer(rebasing: key[idStart...]))
    if unsafe id == nil || KeptAnswer.read(value) == nil {
      problems.append("request id \(id?.text ?? "?") has an answer that cannot be read")
    }
  }
}
