import Dispatch
import Engine
import Synchronization
import TestSupport

/// A memory engine whose writes wait for `open()`, and can be made to fail.
final class GatedEngine: LocalStore {
  private let memory = MemoryEngine()
  private let gate = Gate()
  private let failure = Mutex<EngineError?>(nil)
  let groups = Mutex<[Int]>([])
  let compactions = Mutex<[KeyRange?]>([])
  /// Signalled after each compaction.
  let didCompact = DispatchSemaphore(value: 0)

  private let state = Mutex(WriteState.open)

  var traits: EngineTraits { EngineTraits(compactsDeletedRanges: false) }

  func open() { gate.open() }
  func say(_ state: WriteState) { self.state.withLock { $0 = state } }
  func fail(with error: EngineError) { failure.withLock { $0 = error } }

  func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError) {
    gate.wait()
    if let error = failure.withLock({ $0 }) { throw error }
    try memory.apply(batch, durability: durability)
    groups.withLock { $0.append(batch.count) }
  }

  func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    try memory.get(key, snapshot: snapshot, tier: tier, visit)
  }

  func scan(
    _ range: KeyRange, direction: ScanDirection, limit: Int, snapshot: (any EngineSnapshot)?,
    tier: ReadTier, _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    try memory.scan(
      range, direction: direction, limit: limit, snapshot: snapshot, tier: tier, visit)
  }

  func snapshot() throws(EngineError) -> any EngineSnapshot { try memory.snapshot() }
  func checkpoint(to directory: String) throws(EngineError) {}
  func flush() throws(EngineError) {}
  func compact(_ range: KeyRange?) throws(EngineError) {
    compactions.withLock { $0.append(range) }
    didCompact.signal()
  }

  func lastSequence() throws(EngineError) -> UInt64 { try memory.lastSequence() }
  func writeState() -> WriteState { state.withLock { $0 } }
  func refuseWrites(_ reason: String) { say(.refused(reason: reason)) }
  func statistics() throws(EngineError) -> EngineStatistics { try memory.statistics() }
  func close() throws(EngineError) { try memory.close() }
}
