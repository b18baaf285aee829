import Synchronization

/// The range tombstones of a memtable: one writer adds, any number of readers ask without a lock.
///
/// Indexes of doubling sizes (J. L. Bentley and J. B. Saxe, "Decomposable searching problems",
/// 1980): an add merges only the newest small ones, so n adds cost O(n log² n) however reads come
/// in between, and a read asks O(log n) indexes. Rebuilding one list at the first read after every
/// add would be O(n²).
///
/// Thread-safety: ``add(_:)`` by one thread at a time; the rest by any.
///
/// Unsafe island: readers use a state without retaining it. Invariants:
/// 1. `current` is null or an element of `states`.
/// 2. No state is released before deinit, when no reader is left.
/// 3. The bytes of the tombstones live in the memtable's arena, which lives as long.
@safe
final class MemtableTombstones: @unchecked Sendable {
  private final class State {
    /// Sizes fall by half or more from one to the next.
    let indexes: [RangeTombstoneIndex]
    let count: Int

    init(_ indexes: [RangeTombstoneIndex]) {
      self.indexes = indexes
      count = indexes.reduce(0) { $0 + $1.tombstones.count }
    }
  }

  // Atomic: written by the writer only.
  private let current = unsafe Atomic<UnsafeRawPointer?>(nil)
  // The writer's alone.
  private var states: [State] = []

  /// Adds tombstones that are newer than all before; a batch's together, which costs one index in place of one
  /// each.
  func add(_ tombstones: [RangeTombstone]) {
    var merged = tombstones.filter { !$0.isEmpty }
    if merged.isEmpty { return }
    var indexes = states.last?.indexes ?? []
    while let last = indexes.last, last.tombstones.count <= merged.count {
      merged += last.tombstones
      indexes.removeLast()
    }
    indexes.append(RangeTombstoneIndex(merged))
    let state = State(indexes)
    states.append(state)
    // SAFETY: invariants 1 and 2; release, so that a reader sees the whole state.
    unsafe current.store(
      UnsafeRawPointer(Unmanaged.passUnretained(state).toOpaque()), ordering: .releasing)
  }

  private var state: Unmanaged<State>? {
    // SAFETY: invariant 2.
    unsafe current.load(ordering: .acquiring).map { unsafe Unmanaged<State>.fromOpaque($0) }
  }

  var count: Int { unsafe state?._withUnsafeGuaranteedRef { $0.count } ?? 0 }

  /// The indexes as of now, which together hold all tombstones; valid as long as the memtable.
  var indexes: [RangeTombstoneIndex] { unsafe state?._withUnsafeGuaranteedRef { $0.indexes } ?? [] }

  /// See ``RangeTombstoneIndex/newestCovering(_:at:)``. O(log³ n); one load when there are none.
  @inline(__always)
  @safe
  func newestCovering(
    _ key: UnsafeRawBufferPointer, at sequence: SequenceNumber
  ) -> SequenceNumber? {
    guard let state = unsafe state else { return nil }
    return unsafe state._withUnsafeGuaranteedRef { state in
      var newest: SequenceNumber?
      for index in state.indexes {
        if let found = index.newestCovering(key, at: sequence), newest.map({ found > $0 }) ?? true {
          newest = found
        }
      }
      return newest
    }
  }
}
