import Engine
import LSM
import Testing

/// Defaults that two modules state, neither of which knows the other's.
@Suite("Engine options") struct EngineOptionsTests {
  @Test func haveTheDefaultsOfTheTree() {
    let engine = EngineOptions()
    let tree = TreeOptions()
    #expect(tree.cacheSizeBytes == engine.cacheSizeBytes)
    #expect(tree.memtableSizeBytes == engine.memtableSizeBytes)
    #expect(tree.backgroundThreads == engine.backgroundJobs)
    #expect(tree.rangeDeletesBeforeFlush == engine.rangeDeletesBeforeFlush)
    #expect(tree.isReadOnly == engine.isReadOnly)
    #expect(tree.createIfMissing == engine.createIfMissing)
    #expect(tree.dropsDamagedLogTail == (engine.logRecovery == .pointInTime))
  }
}
