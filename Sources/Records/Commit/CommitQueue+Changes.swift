package import Engine
import Synchronization

/// What the commit thread does for those that watch.
extension CommitQueue {
  /// A moment of the store, and the newest revision in it.
  package struct Moment: Sendable {
    /// Whoever has it keeps what is overwritten.
    package let snapshot: any EngineSnapshot
    /// All changes up to it are in the snapshot, and no others.
    package let revision: UInt64
  }

  /// Takes a moment between two groups. Blocks until then.
  ///
  /// - Throws: what keeps the engine from giving one.
  package func moment() throws(EngineError) -> Moment {
    let taken = Mutex<Moment?>(nil)
    let (engine, feed) = (engine, feed)
    let failure = runStep(
      { (_, _) throws(EngineError) in
        let moment = Moment(snapshot: try engine.snapshot(), revision: feed.revision)
        taken.withLock { $0 = moment }
      }, {})
    if let failure { throw failure }
    guard let moment = taken.withLock({ $0 }) else { preconditionFailure("the step has run") }
    return moment
  }

  /// Removes changes that are not kept any more. Blocks; what cannot be removed is tried again later.
  package func remove(_ dropped: ChangeLog.Dropped, of log: ChangeLog) {
    _ = runStep(
      { (batch, _) throws(EngineError) in log.remove(through: dropped.last, in: batch) },
      { log.didRemove(dropped) })
  }
}
