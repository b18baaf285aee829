import Dispatch
import Engine
import Synchronization

/// A step of a build or of a sweep, on its way to the commit thread.
struct CommitStep: Sendable {
  /// Appends the changes of the step.
  let make: @Sendable (WriteBatch, inout ChangeWriter) throws(EngineError) -> Void
  /// Runs on the commit thread after they were applied, before anything else is.
  let didApply: @Sendable () -> Void
  /// Is told how it ended, at the end.
  let end: @Sendable (EngineError?) -> Void
}

/// Changes that nobody waits for, in turn with those of the calls.
extension CommitQueue {
  /// Groups of short writes that were taken so far.
  var takenGroups: Int { state.withLock { $0.takenGroups } }

  /// Runs a step on the commit thread and waits for it. It is applied without an fsync of its own: what was asked for
  /// later is not on the disk before it.
  ///
  /// - Precondition: called after the start and before the stop.
  func runStep(
    _ make: @escaping @Sendable (WriteBatch, inout ChangeWriter) throws(EngineError) -> Void,
    _ didApply: @escaping @Sendable () -> Void
  ) -> EngineError? {
    let ended = DispatchSemaphore(value: 0)
    let failure = Mutex<EngineError?>(nil)
    let step = CommitStep(make: make, didApply: didApply) { error in
      failure.withLock { $0 = error }
      ended.signal()
    }
    let mustWake = state.withLock { state -> Bool in
      state.steps.append(step)
      defer { state.isIdle = false }
      return state.isIdle
    }
    if mustWake { wakeUp.signal() }
    ended.wait()
    return failure.withLock { $0 }
  }

  func run(_ step: CommitStep, _ changes: inout ChangeWriter) {
    let batch = WriteBatch()
    do throws(EngineError) {
      _ = changes.beginCall()
      try step.make(batch, &changes)
      if !batch.isEmpty { try applyToEngine(batch, .buffered) }
      changes.didApply(true)
      step.didApply()
      if batch.rangeDeleteCount > 0 { sweeper?.add(batch) }
      step.end(nil)
    } catch {
      changes.didApply(false)
      step.end(error)
    }
  }
}
