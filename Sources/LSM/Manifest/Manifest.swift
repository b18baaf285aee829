import Bytes

/// The manifest in use: version edits are appended to it, each made durable before it counts.
///
/// A manifest is a log (``LogFormat``), so sync offsets tell damage from a torn tail here too. Its first
/// record states everything; the rest are changes. When it has grown to several times its first record, or
/// at each open, a new one is begun and `CURRENT` put over to it in one step.
///
/// After an error nothing is appended any more: the edit may be durable or not. Every file that the state with it
/// or the one without it needs must stay, until ``roll(to:temporary:state:)`` has made a new manifest, which states
/// everything, the one that counts.
///
/// Thread-safety: none; the tree's turnstile for edits admits one caller at a time. Blocks on disk I/O.
// SAFETY: The record is a local writer, which is not changed while the log copies its bytes.
final class Manifest {
  private let fileSystem: any FileSystem
  private let directory: String
  let store: StoreID
  private(set) var number: FileNumber
  private var writer: LogWriter
  private var sequence: UInt64 = 1
  private var stateBytes: UInt64
  /// Whether the manifest was in doubt since an error; it must be rolled before the next edit.
  private(set) var isInDoubt = false
  /// Manifests that may be there beside the one in use.
  private var leftBehind: [FileNumber] = []

  /// A manifest is begun anew when it is this many times as long as its first record, and not short.
  private static let growthLimit: UInt64 = 4
  /// A manifest with fewer bytes is short.
  fileprivate static let smallestRoll: UInt64 = 1 << 20

  /// Writes a manifest with `state` as its first record, and has `CURRENT` name it.
  ///
  /// - Parameters:
  ///   - number, temporary: never used before; `state` says so already.
  /// - Precondition: `state` is of kind ``VersionEdit/Kind/state``.
  init(
    _ fileSystem: any FileSystem, directory: String, store: StoreID, number: FileNumber,
    temporary: FileNumber, state: VersionEdit
  ) throws(LSMError) {
    self.fileSystem = fileSystem
    self.directory = directory
    self.store = store
    self.number = number
    writer = try Self.begin(fileSystem, directory, store, number, temporary, state)
    stateBytes = writer.length
  }

  private static func begin(
    _ fileSystem: any FileSystem, _ directory: String, _ store: StoreID, _ number: FileNumber,
    _ temporary: FileNumber, _ state: VersionEdit
  ) throws(LSMError) -> LogWriter {
    precondition(state.kind == .state)
    let writer = try LogWriter(
      fileSystem, directory: directory, name: .manifest(number), store: store, after: nil,
      preallocates: false)
    var record = ByteWriter()
    state.encode(into: &record)
    try unsafe writer.append(record.bytes, sequence: 1)
    try writer.sync()
    let current = CurrentFile(store: store, manifest: number)
    try current.install(fileSystem, directory: directory, temporary: temporary)
    return writer
  }

  /// Appends a change and makes it durable.
  func append(_ edit: VersionEdit) throws(LSMError) {
    precondition(edit.kind == .change)
    var record = ByteWriter()
    edit.encode(into: &record)
    sequence += 1
    do throws(LSMError) {
      try unsafe writer.append(record.bytes, sequence: sequence)
      try writer.sync()
    } catch {
      isInDoubt = true
      throw error
    }
  }

  /// Whether ``roll(to:temporary:state:)`` is due.
  var isLong: Bool {
    writer.length >= max(Self.growthLimit * stateBytes, Self.smallestRoll)
  }

  /// Begins a new manifest, and removes the old one.
  ///
  /// On an error `CURRENT` may name either, and both are whole: the manifest is in doubt.
  func roll(to number: FileNumber, temporary: FileNumber, state: VersionEdit) throws(LSMError) {
    if !isInDoubt {
      isInDoubt = true
      _ = try writer.finish()
    }
    leftBehind.append(number)
    writer = try Self.begin(fileSystem, directory, store, number, temporary, state)
    leftBehind.removeLast()
    leftBehind.append(self.number)
    self.number = number
    sequence = 1
    stateBytes = writer.length
    isInDoubt = false
    // What stays there the next open removes.
    for old in leftBehind {
      do throws(LSMError) {
        try fileSystem.remove(FileName.manifest(old).path(in: directory))
      } catch {}
    }
    leftBehind = []
  }

  /// Seals the manifest, so that damage to any of it is told from a torn tail. One in doubt is left as it is: it is
  /// whole up to the edit that failed.
  func finish() throws(LSMError) {
    if !isInDoubt { _ = try writer.finish() }
  }
}

/// Reads the manifest that `CURRENT` names.
package enum ManifestReader {
  private static var smallestRoll: UInt64 { Manifest.smallestRoll }

  /// What a manifest says the store consists of.
  package struct Outcome: Sendable {
    /// Which manifest it was, and of which store.
    package var current: CurrentFile
    /// Everything as one edit of kind ``VersionEdit/Kind/state``, its tables in no order.
    package var state: VersionEdit
    /// Records read.
    package var editCount: Int
    /// Whether the manifest was finished, by a clean close or by a successor.
    package var isSealed: Bool
    /// Whether the store was closed cleanly, and so its last log is sealed too: a manifest that is short enough was
    /// not finished for a successor.
    package var isClosed = false
  }

  /// - Parameters:
  ///   - isReadOnly: syncs nothing.
  ///   - visit: sees each edit with its offset in the file, for tools.
  /// - Throws: ``LSMError/corruption(_:)`` with file and offset; ``LSMError/notFound(_:)`` when there is no
  ///   `CURRENT`.
  package static func read(
    _ fileSystem: any FileSystem, directory: String, isReadOnly: Bool = false,
    _ visit: (UInt64, VersionEdit) -> Void = { _, _ in }
  ) throws(LSMError) -> Outcome {
    let current = try CurrentFile(fileSystem, directory: directory)
    return try read(fileSystem, directory: directory, current, isReadOnly: isReadOnly, visit)
  }

  /// Reads the manifest that `current` names, whatever the file `CURRENT` says.
  static func read(
    _ fileSystem: any FileSystem, directory: String, _ current: CurrentFile, isReadOnly: Bool,
    _ visit: (UInt64, VersionEdit) -> Void
  ) throws(LSMError) -> Outcome {
    let name = FileName.manifest(current.manifest)
    let path = name.path(in: directory)
    let reader: LogReader
    do throws(LSMError) {
      // What reads show may be in memory only, left there by a process whose fsync failed.
      if !isReadOnly { try fileSystem.sync(path) }
      reader = try LogReader(
        fileSystem, directory: directory, name: name, store: current.store, ending: .open)
    } catch .notFound {
      throw .corruption(LSMError.Damage(path: path, offset: 0, .missing))
    }
    var state: VersionEdit?
    var tables: [FileNumber: VersionEdit.Addition] = [:]
    var editCount = 0
    while let record = try reader.next() {
      let edit: VersionEdit
      do throws(DamageInBlock) {
        edit = try VersionEdit(decoding: record.bytes)
        try apply(edit, to: &state, &tables)
      } catch {
        throw error.located(path: path, offset: record.offset)
      }
      visit(record.offset, edit)
      editCount += 1
    }
    // CURRENT names a manifest only once its first record is durable.
    guard var state else {
      throw .corruption(LSMError.Damage(path: path, offset: 0, .order(field: "the first edit")))
    }
    state.added = tables.values.sorted { $0.table.number < $1.table.number }
    var outcome = Outcome(
      current: current, state: state, editCount: editCount, isSealed: reader.isSealed)
    if outcome.isSealed, let end = reader.end { outcome.isClosed = end.length < Self.smallestRoll }
    return outcome
  }

  private static func apply(
    _ edit: VersionEdit, to state: inout VersionEdit?,
    _ tables: inout [FileNumber: VersionEdit.Addition]
  ) throws(DamageInBlock) {
    guard (edit.kind == .state) == (state == nil) else {
      throw DamageInBlock(.order(field: "an edit of kind \(edit.kind.rawValue)"))
    }
    if let state {
      guard edit.nextFileNumber >= state.nextFileNumber, edit.nextEpoch >= state.nextEpoch,
        edit.flushedSequence >= state.flushedSequence, edit.logNumber >= state.logNumber
      else { throw DamageInBlock(.order(field: "the counters of an edit")) }
    }
    for removal in edit.removed {
      guard let table = tables.removeValue(forKey: removal.number), table.level == removal.level
      else {
        throw DamageInBlock(.unknown(field: "a removed table", value: removal.number.rawValue))
      }
    }
    for addition in edit.added {
      guard tables.updateValue(addition, forKey: addition.table.number) == nil,
        addition.table.number < edit.nextFileNumber
      else {
        throw DamageInBlock(
          .unknown(field: "an added table", value: addition.table.number.rawValue))
      }
    }
    var next = edit
    next.kind = .state
    next.removed = []
    next.added = []
    state = next
  }
}
