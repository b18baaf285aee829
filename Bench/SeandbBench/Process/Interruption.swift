import Synchronization

/// What to do when the user ends a run and no child is left: nothing is left lying about, and what was measured is
/// shown.
///
/// Thread-safety: any thread.
final class Interruption: Sendable {
  private let scratch: ScratchDirectory
  private let record = Mutex<RunRecord?>(nil)

  init(scratch: ScratchDirectory) { self.scratch = scratch }

  /// From now on there is something to show.
  func watch(_ record: RunRecord) { self.record.withLock { $0 = record } }

  func run() {
    scratch.remove()
    record.withLock { $0 }?.printInterrupted()
  }
}
