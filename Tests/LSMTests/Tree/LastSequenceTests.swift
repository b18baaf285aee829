import LSM
import LSMTestSupport
import Testing

/// The last sequence number: what a guard outside of the store remembers, to tell a store that has lost
/// something from a whole one.
@Suite("Last sequence number") struct LastSequenceTests {
  private static func open(
    _ fileSystem: MemoryFileSystem, readOnly: Bool = false
  ) throws -> LSMTree {
    var options = TreeOptions.tiny
    options.isReadOnly = readOnly
    return try LSMTree.open(fileSystem, directory: TreeRun.directory, options: options)
  }

  @Test func countsEveryChangeOfEveryBatch() throws {
    let tree = try Self.open(MemoryFileSystem())
    #expect(tree.lastSequence == 0)
    try tree.apply([.put([1], [1])])
    #expect(tree.lastSequence == 1)
    try tree.apply([.put([1], [2]), .delete([2]), .deleteRange([3], [4])], sync: true)
    #expect(tree.lastSequence == 4)
    try tree.flush()
    try tree.compact()
    #expect(tree.lastSequence == 4)
    try tree.close()
  }

  /// Wherever the last batches are: in the log, in a table, or compacted away.
  @Test(arguments: [false, true]) func isThereAgainAfterEveryOpen(readOnly: Bool) throws {
    let fileSystem = MemoryFileSystem()
    var last: UInt64 = 0
    for round in 0..<6 {
      let tree = try Self.open(fileSystem)
      #expect(tree.lastSequence == last, "round \\(round)")
      for number in 0..<(round * 7) { try tree.apply([.put([UInt8(number)], [UInt8(round)])]) }
      if round % 2 == 1 { try tree.apply([.deleteRange([], [255])]) }
      if round % 3 == 1 { try tree.flush() }
      if round % 3 == 2 { try tree.compact() }
      last = tree.lastSequence
      if readOnly {
        let beside = try Self.open(fileSystem, readOnly: true)
        #expect(beside.lastSequence == last, "round \\(round)")
        try beside.close()
      }
      try tree.close()
      if readOnly {
        let after = try Self.open(fileSystem, readOnly: true)
        #expect(after.lastSequence == last, "round \\(round), closed")
        try after.close()
      }
    }
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func coversWhatWasAcknowledgedAfterADeath(seed: UInt64) throws {
    let fileSystem = MemoryFileSystem()
    let tree = try Self.open(fileSystem)
    for number in 0..<30 { try tree.apply([.put([UInt8(number)], [1])], sync: number % 4 == 0) }
    try tree.apply([.put([99], [1])], sync: true)
    let synced = tree.lastSequence
    try tree.apply([.put([98], [1]), .delete([99])], sync: false)
    let written = tree.lastSequence
    let killed = try Self.open(fileSystem.restart())
    #expect(killed.lastSequence == written)
    try killed.close()
    let cut = try Self.open(fileSystem.crash(seed: seed))
    #expect((synced...written).contains(cut.lastSequence))
    try cut.close()
  }

  @Test func aCheckpointGoesOnFromItsOrigin() throws {
    let fileSystem = MemoryFileSystem()
    let tree = try Self.open(fileSystem)
    for number in 0..<9 { try tree.apply([.put([UInt8(number)], [1])]) }
    try tree.checkpoint(to: "/copy")
    let copy = try LSMTree.open(fileSystem, directory: "/copy", options: .tiny)
    #expect(copy.lastSequence == tree.lastSequence)
    try copy.close()
    try tree.close()
  }
}
