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

  /// The highest number in any name; 0 without one.
  var highestNumber: UInt64 {
    (tables + logs + manifests + temporaries).max()?.rawValue ?? 0
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
  private static let tries = 10

  /// Reads the manifest without changing anything, also beside a running server, which may replace it between
  /// two calls: then the next look sees the newer one.
  static func look(
    _ fileSystem: any FileSystem, directory: String,
    _ visit: (UInt64, VersionEdit) -> Void = { _, _ in }
  ) throws(LSMError) -> Outcome {
    for _ in 1..<tries {
      do throws(LSMError) {
        return try read(fileSystem, directory: directory, isReadOnly: true, visit)
      } catch .corruption(let damage) where damage.kind == .missing {
        continue
      }
    }
    return try read(fileSystem, directory: directory, isReadOnly: true, visit)
  }
}
