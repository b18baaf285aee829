import Synchronization

/// Why a tree does not do all that it should at the moment.
package struct TreeTrouble: Equatable, Sendable, CustomStringConvertible {
  /// What cannot go on.
  package enum Work: String, Sendable {
    case flush = "flushing"
    case compaction = "compacting"
    case log = "beginning a new log"
    /// All writing.
    case everything = "writing"
  }

  /// The work that fails.
  package let work: Work
  /// Its last error.
  package let cause: LSMError
  /// How many times in a row it was tried.
  package let attempts: Int
  /// Whether nothing more is written until the store is opened again. Else it is tried again, and goes on by
  /// itself once the cause is mended.
  package var isFinal: Bool { work == .everything }

  package var description: String {
    isFinal
      ? "the store takes no writes until it is opened again: \(cause)"
      : "\(work.rawValue) has failed \(attempts == 1 ? "once" : "\(attempts) times") and is tried again: \(cause)"
  }
}

extension LSMTree {
  /// Work that failed without any harm, and when it is tried again.
  struct Setback: Sendable {
    var cause: LSMError
    var attempts: Int
    /// Nanoseconds of ``MonotonicTime``.
    var retryAt: UInt64

    /// The setback after one more failure, its pauses doubling.
    static func after(_ last: Setback?, _ cause: LSMError, _ options: TreeOptions) -> Setback {
      let attempts = (last?.attempts ?? 0) + 1
      let pause = min(
        options.shortestRetryNanoseconds << UInt64(min(attempts - 1, 30)),
        max(options.longestRetryNanoseconds, options.shortestRetryNanoseconds))
      return Setback(
        cause: cause, attempts: attempts, retryAt: MonotonicTime.nanoseconds &+ pause)
    }
  }

  /// What is wrong now; nil while all is well. One atomic load then, so that it can be asked every second; from
  /// any thread.
  package var trouble: TreeTrouble? {
    guard hasTrouble.load(ordering: .acquiring) else { return nil }
    return state.withLock { state in
      if let failure = state.failure {
        return TreeTrouble(work: .everything, cause: failure, attempts: 1)
      }
      for (work, setback) in [
        (TreeTrouble.Work.log, state.logSetback), (.flush, state.flushSetback),
        (.compaction, state.compactionSetback),
      ] {
        if let setback {
          return TreeTrouble(work: work, cause: setback.cause, attempts: setback.attempts)
        }
      }
      return nil
    }
  }

  /// Notes that work failed, or that it was done. Wakes those who wait for it.
  ///
  /// - Precondition: the failure left everything as it was: ``LSMError/isPassing``.
  func note(_ failure: LSMError?, of work: TreeTrouble.Work) {
    func update(_ setback: inout Setback?) -> Bool {
      if failure == nil && setback == nil { return false }
      setback = failure.map { .after(setback, $0, options) }
      return true
    }
    let changed = state.withLock { state in
      let changed =
        switch work {
        case .flush: update(&state.flushSetback)
        case .compaction: update(&state.compactionSetback)
        case .log: update(&state.logSetback)
        case .everything: preconditionFailure("that is poison")
        }
      if !changed { return false }
      noteTrouble(&state)
      return true
    }
    if changed { state.wakeAll() }
  }

  /// - Precondition: under the lock of `state`.
  func noteTrouble(_ state: inout State) {
    let isThere =
      state.failure != nil || state.flushSetback != nil || state.compactionSetback != nil
      || state.logSetback != nil
    hasTrouble.store(isThere, ordering: .releasing)
  }

  /// Whether work may be tried now. Without threads of its own the tree tries with every write.
  func isDue(_ setback: Setback?) -> Bool {
    guard let setback, options.backgroundThreads > 0 else { return true }
    return setback.retryAt <= MonotonicTime.nanoseconds
  }

  /// When to look again for something to be tried; nil when only a wake-up can bring it.
  func nextRetry(_ state: State) -> UInt64? {
    if state.failure != nil || state.isClosing { return nil }
    let setbacks = [
      state.isFlushing || state.immutables.isEmpty ? nil : state.flushSetback,
      state.compactionSetback,
    ]
    guard let next = setbacks.compactMap({ $0?.retryAt }).min() else { return nil }
    // What is due and was not taken waits for something else, such as the try that runs: no reason to look
    // all the time.
    let now = MonotonicTime.nanoseconds
    return next > now ? next : now &+ Self.looksWhenDue
  }

  /// Nanoseconds.
  private static let looksWhenDue: UInt64 = 100_000_000

  /// Whether a new memtable would be taken at once.
  package var hasRoom: Bool {
    state.withLock { state in
      state.immutables.count < options.maximumImmutableMemtables
        && state.version.level0.count < options.level0StopCount
    }
  }
}
