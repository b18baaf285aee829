package import Engine

// SAFETY: the engine lends keys and values to a visit, which looks at parts whose length was checked.

/// A look at all changes that are kept, for the tools.
package struct ChangeCheck {
  /// Changes.
  package private(set) var count: UInt64 = 0
  /// Bytes of them, keys included.
  package private(set) var bytes: UInt64 = 0
  /// Of the first change and of the last one; 0 for none.
  package private(set) var first: UInt64 = 0
  /// See ``first``.
  package private(set) var last: UInt64 = 0
  /// Sentences about what cannot be so, the first ones.
  package private(set) var problems: [String] = []

  private static let maximumProblems = 20

  /// Reads all of them. Blocks on disk I/O.
  ///
  /// - Parameter directory: the data directory, for error sentences.
  package static func run(
    _ engine: any StorageEngine, directory: String
  ) throws(DatabaseError) -> ChangeCheck {
    let catalogue = Catalogue(engine: engine, directory: directory)
    let ceiling = try catalogue.revisionCeiling()
    let logs = try catalogue.storedLogs()
    var check = ChangeCheck()
    do throws(EngineError) {
      _ = try engine.scan(
        KeyRange.prefix([KeyKind.change.rawValue]), direction: .ascending, limit: .max,
        snapshot: nil, tier: .any
      ) { key, value in
        unsafe check.look(key, value, ceiling, logs)
        return check.problems.count < maximumProblems ? .next : .stop
      }
    } catch {
      throw .engine(error)
    }
    return check
  }

  private mutating func look(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ ceiling: UInt64,
    _ logs: [UInt32: ChangeLog.Start]
  ) {
    guard let model = KeyPrefix(of: key)?.model, let revision = ChangeRecord.revision(ofKey: key)
    else {
      problems.append("a change has a key of \(key.count) bytes that cannot be read")
      return
    }
    count += 1
    bytes += UInt64(key.count + value.count)
    if count == 1 { first = revision }
    first = min(first, revision)
    last = max(last, revision)
    guard let oldest = logs[model]?.revision else {
      problems.append("there is a change of model \(model), whose changes are not kept")
      return
    }
    if ChangeRecord(value) == nil {
      problems.append("the change of model \(model) with revision \(revision) cannot be read")
    } else if revision >= ceiling || revision <= oldest {
      problems.append(
        "there is a change of model \(model) with revision \(revision), and those that are kept are between \(oldest) and \(ceiling)"
      )
    }
  }
}
