import Dispatch
import Engine
import Records
import Synchronization
import Testing

@Suite("Range delete sweeper") struct RangeDeleteSweeperTests {
  private let engine = GatedEngine()

  private func rangeDelete(_ lower: UInt8, _ upper: UInt8) -> WriteBatch {
    let batch = WriteBatch()
    batch.put([0], [0])
    batch.deleteRange([lower], [upper])
    return batch
  }

  @Test func compactsWhatWasDeleted() {
    let sweeper = RangeDeleteSweeper(engine: engine)
    sweeper.start()
    sweeper.add(rangeDelete(1, 5))
    engine.didCompact.wait()
    sweeper.stop()
    sweeper.waitUntilEnded()
    #expect(engine.compactions.withLock { $0 } == [KeyRange(lower: [1], upper: [5])])
  }

  @Test func joinsRangesThatPileUp() throws {
    let sweeper = RangeDeleteSweeper(engine: engine)
    for lower in UInt8(10)..<60 { sweeper.add(rangeDelete(lower, lower + 1)) }
    sweeper.start()
    engine.didCompact.wait()
    sweeper.stop()
    sweeper.waitUntilEnded()
    let first = try #require(engine.compactions.withLock { $0.first })
    #expect(first?.lower == [10])
    #expect(first.map { ($0.upper ?? []).lexicographicallyPrecedes([40]) } == false)
  }

  @Test func endsWithoutWork() {
    let sweeper = RangeDeleteSweeper(engine: engine)
    sweeper.start()
    sweeper.stop()
    sweeper.waitUntilEnded()
    #expect(engine.compactions.withLock { $0 }.isEmpty)
  }
}
