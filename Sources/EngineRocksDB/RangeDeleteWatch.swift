import Engine
import Synchronization

/// Knows whether the database may hold range deletes, in a memtable or a table.
///
/// Scans need to know (``RocksDBEngine/scan(_:direction:limit:snapshot:tier:_:)``). "Yes" may be wrong and
/// costs speed; "no" is never wrong: `generation` moves before a range delete can be seen, and once more
/// when its write has ended, so that whoever looked for range deletes in between looked in vain.
///
/// Thread-safety: every call from any thread.
final class RangeDeleteWatch: Sendable {
  private let generation = Atomic<UInt64>(1)
  /// The generation that was found free of range deletes.
  private let cleanGeneration = Atomic<UInt64>(0)
  private let unflushed = Atomic<Int>(0)

  /// Whether there may be range deletes.
  ///
  /// After an iterator or snapshot was created, "no" holds for what it shows.
  var mayBePresent: Bool {
    generation.load(ordering: .acquiring) != cleanGeneration.load(ordering: .acquiring)
  }

  /// To be called before a batch with range deletes is written, with ``didWrite()`` after it.
  func willWrite() { generation.add(1, ordering: .sequentiallyConsistent) }

  /// To be called after a batch with range deletes, whatever became of it.
  func didWrite() { generation.add(1, ordering: .sequentiallyConsistent) }

  /// Runs `search`, which flushes the memtables and says whether no table holds a range delete.
  func update(_ search: () throws(EngineError) -> Bool) throws(EngineError) {
    let before = generation.load(ordering: .sequentiallyConsistent)
    // A write that has ended before this point is in what `search` flushes; one that ends later has moved
    // the generation on, and leaves the state at "maybe".
    if try search() { cleanGeneration.store(before, ordering: .sequentiallyConsistent) }
  }

  // MARK: - Range deletes in the memtable

  /// Range deletes written since the last flush they caused.
  var unflushedCount: Int { unflushed.load(ordering: .relaxed) }

  /// Counts range deletes; true when `limit` is reached, and then the count starts again.
  func countUnflushed(_ count: Int, limit: Int) -> Bool {
    guard unflushed.add(count, ordering: .relaxed).newValue >= limit else { return false }
    unflushed.store(0, ordering: .relaxed)
    return true
  }
}
