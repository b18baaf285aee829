import Synchronization

/// Whether it pays to try a look-up without a wait for the disk, before it is left to a thread that looks up again.
///
/// It does not when most tries of late came to nothing: then one of 16 is made, to notice when that changes.
///
/// Thread-safety: every call from any thread; tries that are told at one time may be lost. While all of them find what
/// they look for nothing is written, so that no two cores wait for each other.
package final class MemoryTries: Sendable {
  /// A part of 1024 of the tries that failed, as an average over some thirty of them.
  private let failed = Atomic<Int>(0)
  private let turn = Atomic<Int>(0)

  private static let whole = 1024
  /// The share of failures from which on a try costs more than it spares: 0.6, for RocksDB, whose failed try costs some
  /// 3.5 microseconds. On 10,000,000 records with a cache of a fifth of them 0.78 of all fail.
  private static let limit = 614
  private static let weight = 32
  private static let period = 16

  package init() {}

  /// Whether the next look-up should be tried.
  @inline(__always)
  package var isDue: Bool {
    failed.load(ordering: .relaxed) < Self.limit || isTurn
  }

  @inline(never)
  private var isTurn: Bool {
    turn.wrappingAdd(1, ordering: .relaxed).newValue % Self.period == 0
  }

  /// Tells that a try found its answer.
  @inline(__always)
  package func succeeded() {
    let now = failed.load(ordering: .relaxed)
    if now > 0 { store(now, 0) }
  }

  /// Tells that a try would have had to wait.
  package func wouldBlock() { store(failed.load(ordering: .relaxed), Self.whole) }

  @inline(never)
  private func store(_ now: Int, _ target: Int) {
    // Down to 0 as well, where nothing more is written.
    let step = (target - now) / Self.weight
    failed.store(step == 0 ? target : now + step, ordering: .relaxed)
  }
}

/// Tries that may take blocks from the page cache, and those that may not because their event loop has read enough of
/// them in this turn. Where data is larger than the block cache most of the first find their answer, and most of the
/// second do not.
package struct TriesByTier: Sendable {
  private let pageCache = MemoryTries()
  private let memory = MemoryTries()

  package init() {}

  /// Those of a call that may read blocks, or may not.
  @inline(__always)
  package subscript(_ mayReadBlocks: Bool) -> MemoryTries { mayReadBlocks ? pageCache : memory }
}
