import Engine
import Synchronization
import TestSupport

/// A memory engine whose memory tier finds nothing now and then, as a cache does that is too small; and whose writes
/// can be made to end, as those of a process that dies.
final class ForgetfulEngine: StorageEngine {
  private let memory: MemoryEngine
  private let generator: Mutex<SeededGenerator>
  /// Of 100 reads of the memory tier, how many find nothing.
  private let percentForgotten: Int
  private let writesLeft: Atomic<Int>
  /// Of the next write.
  private let hold = Mutex<Hold?>(nil)
  /// Done once, before a look-up with no snapshot.
  private let interruption = Mutex<Interruption?>(nil)

  // The test's thread sets it and does it.
  private struct Interruption: @unchecked Sendable {
    var left: Int
    let body: () -> Void
  }

  init(
    _ memory: MemoryEngine = MemoryEngine(), seed: UInt64 = 1, percentForgotten: Int = 0,
    writes: Int = .max
  ) {
    self.memory = memory
    generator = Mutex(SeededGenerator(seed: seed))
    self.percentForgotten = percentForgotten
    writesLeft = Atomic(writes)
  }

  /// A write that waits.
  struct Hold {
    let begun = Gate()
    let isReleased = Gate()
  }

  /// Has the next write wait until it is released.
  func holdNextWrite() -> Hold {
    let new = Hold()
    hold.withLock { $0 = new }
    return new
  }

  /// Has something done in the midst of a read: before the n-th look-up with no snapshot, from 0.
  func interrupt(atLookUp count: Int, _ body: @escaping () -> Void) {
    let new = Interruption(left: count, body: body)
    interruption.withLock { $0 = new }
  }

  var traits: EngineTraits { memory.traits }

  func apply(_ batch: WriteBatch, durability: Durability) throws(EngineError) {
    let held = hold.withLock { hold -> Hold? in
      defer { hold = nil }
      return hold
    }
    if let held {
      held.begun.open()
      held.isReleased.wait()
    }
    guard writesLeft.wrappingSubtract(1, ordering: .relaxed).newValue >= 0 else {
      throw .readOnly(reason: "it died")
    }
    try memory.apply(batch, durability: durability)
  }

  func get(
    _ key: UnsafeRawBufferPointer, snapshot: (any EngineSnapshot)?, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(EngineError) -> ReadOutcome {
    if snapshot == nil {
      let due = interruption.withLock { interruption -> Interruption? in
        let due = interruption?.left == 0 ? interruption : nil
        interruption?.left -= 1
        if due != nil { interruption = nil }
        return due
      }
      due?.body()
    }
    if case .memory = tier, generator.withLock({ $0.below(100) }) < percentForgotten {
      return .wouldBlock
    }
    return try memory.get(key, snapshot: snapshot, tier: tier, visit)
  }

  func scan(
    _ range: KeyRange, direction: ScanDirection, limit: Int, snapshot: (any EngineSnapshot)?,
    tier: ReadTier, _ visit: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> ScanStep
  ) throws(EngineError) -> ScanOutcome {
    try memory.scan(
      range, direction: direction, limit: limit, snapshot: snapshot, tier: tier, visit)
  }

  func snapshot() throws(EngineError) -> any EngineSnapshot { try memory.snapshot() }
  func lastSequence() throws(EngineError) -> UInt64 { try memory.lastSequence() }
  func writeState() -> WriteState { memory.writeState() }
  func refuseWrites(_ reason: String) { memory.refuseWrites(reason) }
  func statistics() throws(EngineError) -> EngineStatistics { try memory.statistics() }
  func close() throws(EngineError) {}
}
