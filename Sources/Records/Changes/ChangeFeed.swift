import Bytes
package import Engine
import Synchronization

/// The changes of all models that are watched: which revisions there are, and who is told of them.
///
/// A revision is the number of a call that has changed a record of such a model, over all models, in the order of the
/// commits. The numbers are given out below a ceiling that the catalogue has: a process reserves 2²⁰ at once, and a
/// later one goes on above the ceiling, so that no number is used twice, whatever was lost.
///
/// Thread-safety: any thread; what writes is the commit thread's alone (``ChangeWriter``).
package final class ChangeFeed: Sendable {
  /// Revisions that are reserved at once.
  static let reservedRevisions: UInt64 = 1 << 20
  /// In the catalogue.
  static let ceilingName = "revision-ceiling"

  private let newest: Atomic<UInt64>
  private let logs: [UInt32: ChangeLog]
  private let hook = Mutex(Hook(body: nil))

  // A closure that is the value of a mutex itself gets one layer more each time it is read.
  private struct Hook {
    let body: (@Sendable () -> Void)?
  }

  /// Of this process.
  let firstRevision: UInt64
  /// Those below it are reserved.
  let reservedRevision: UInt64

  /// - Parameters:
  ///   - revisions: that this process may give out, see ``Catalogue/reserveRevisions(beside:)``.
  ///   - logs: of the models that are watched.
  package init(_ revisions: Range<UInt64>, logs: [ChangeLog]) {
    firstRevision = revisions.lowerBound
    reservedRevision = revisions.upperBound
    newest = Atomic(revisions.lowerBound - 1)
    self.logs = Dictionary(
      logs.map { ($0.prefix.model, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Of a database without such models.
  package static var none: ChangeFeed { ChangeFeed(1..<1, logs: []) }

  /// The newest revision: all changes up to it are stored.
  package var revision: UInt64 { newest.load(ordering: .acquiring) }

  /// Has somebody told of each commit, on the commit thread: it must not block. nil tells nobody any more.
  package func whenCommitted(_ body: (@Sendable () -> Void)?) {
    hook.withLock { $0 = Hook(body: body) }
  }

  /// nil for a model that is not watched.
  func log(ofModel id: UInt32) -> ChangeLog? { logs.isEmpty ? nil : logs[id] }

  /// All of them.
  package var all: [ChangeLog] { Array(logs.values) }

  /// Counts what earlier processes have left of a log. Reads all of it; once for each.
  ///
  /// - Parameter isCancelled: asked again and again; nothing is counted then.
  package func load(
    _ log: ChangeLog, _ engine: any StorageEngine, isCancelled: () -> Bool = { false }
  ) throws(EngineError) {
    try log.load(engine, before: firstRevision, isCancelled: isCancelled)
  }

  /// Appends what raises the ceiling.
  static func putCeiling(_ ceiling: UInt64, in batch: WriteBatch) {
    var bytes = ByteWriter()
    bytes.appendLittleEndian(ceiling)
    batch.put(Catalogue.key(ceilingName), bytes.array())
  }

  func didCommit(_ revision: UInt64) {
    newest.store(revision, ordering: .releasing)
    hook.withLock { $0 }.body?()
  }
}
