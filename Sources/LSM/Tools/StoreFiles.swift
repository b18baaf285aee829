import Glibc

/// The names in a store's directory, sorted by what they are.
struct StoreFiles {
  private(set) var tables: [FileNumber] = []
  private(set) var logs: [FileNumber] = []
  private(set) var manifests: [FileNumber] = []
  private(set) var temporaries: [FileNumber] = []
  private(set) var hasCurrent = false
  /// Names that no engine of this kind writes.
  private(set) var others: [String] = []

  init(_ fileSystem: any FileSystem, directory: String) throws(LSMError) {
    for text in try fileSystem.list(directory) {
      switch FileName(text) {
      case .table(let number): tables.append(number)
      case .log(let number): logs.append(number)
      case .manifest(let number): manifests.append(number)
      case .temporary(let number): temporaries.append(number)
      case .current: hasCurrent = true
      case .lock: break
      case nil: others.append(text)
      }
    }
    tables.sort()
    logs.sort()
    manifests.sort()
    temporaries.sort()
    others.sort()
  }

  /// The highest number before `limit` in any name; 0 without one.
  func highestNumber(before limit: FileNumber) -> UInt64 {
    (tables + logs + manifests + temporaries).filter { $0 < limit }.max()?.rawValue ?? 0
  }

  /// Every numbered file.
  var numbered: [FileName] {
    tables.map { .table($0) } + logs.map { .log($0) } + manifests.map { .manifest($0) }
      + temporaries.map { .temporary($0) }
  }

  /// Whether there is no store, as the engine sees it: a creation cut short leaves a manifest and a temporary file at
  /// most, and is begun anew.
  var isEmpty: Bool { !hasCurrent && tables.isEmpty && logs.isEmpty }
}

extension ManifestReader {
  /// Reads the manifest without changing anything, also beside a running server; see ``LookingAgain``.
  ///
  /// - Parameter visit: sees the edits of the look that counts.
  static func look(
    _ fileSystem: any FileSystem, directory: String,
    _ visit: (UInt64, VersionEdit) -> Void = { _, _ in }
  ) throws(LSMError) -> Outcome {
    var edits: [(UInt64, VersionEdit)] = []
    let outcome = try LookingAgain.until(directory) { () throws(LSMError) in
      edits = []
      return try read(fileSystem, directory: directory, isReadOnly: true) {
        edits.append(($0, $1))
      }
    }
    for (offset, edit) in edits { visit(offset, edit) }
    return outcome
  }
}

/// Looks at a store that a running server may change meanwhile: it removes and replaces files while they are
/// looked for, and appends to them while they are read, so that a later part may be newer than an earlier one.
///
/// Only what two looks, one after the other, find alike is damage. What goes on being different is
/// ``LSMError/changing(path:)``.
enum LookingAgain {
  static let tries = 20

  static func until<Result>(
    _ directory: String, _ look: () throws(LSMError) -> Result
  ) throws(LSMError) -> Result {
    var last: LSMError?
    for attempt in 0..<tries {
      pause(before: attempt)
      do throws(LSMError) {
        return try look()
      } catch {
        switch error {
        case .corruption, .notFound, .changing: break
        default: throw error
        }
        if error == last, !isOfThisMoment(error) { throw error }
        last = error
      }
    }
    throw .changing(path: directory)
  }

  /// What is under way now should be over at the next look.
  static func pause(before attempt: Int) {
    if attempt > 0 { usleep(1000 << UInt32(min(attempt, 4))) }
  }

  private static func isOfThisMoment(_ error: LSMError) -> Bool {
    if case .changing = error { true } else { false }
  }
}
