import LSM
import LSMTestSupport
import Testing

/// Repairs cut short at every call of the file system, and run again.
@Suite("Repair crashes") struct RepairCrashTests {
  enum Harm: CaseIterable {
    case missingCurrent
    case missingManifest
    case damagedBlock
    case damagedLog
    case missingTable
  }

  private static func harmed(_ harm: Harm) throws -> MemoryFileSystem {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    switch harm {
    case .missingCurrent: try store.remove(ToolFixture.path("CURRENT"))
    case .missingManifest: try store.remove(ToolFixture.path(try fixture.name("MANIFEST")))
    case .damagedBlock:
      let path = FileName.table(try fixture.largestTable().number).path(in: ToolFixture.directory)
      store.damage(path, at: 2..<5)
    case .damagedLog: store.damage(ToolFixture.path(try fixture.name(".log")), at: 150..<152)
    case .missingTable:
      try store.remove(
        FileName.table(try fixture.largestTable().number).path(in: ToolFixture.directory))
    }
    try store.syncDirectory(ToolFixture.directory)
    return store
  }

  private static func isToBeKnown(_ line: String) -> Bool {
    line.hasPrefix("lost: ") || line.contains("may come back") || line.contains("may show")
  }

  @Test(arguments: Harm.allCases)
  func canBeRunAgainAfterEveryCall(harm: Harm) throws {
    let complete = try Self.harmed(harm).restart()
    let report = try complete.repair()
    let calls = complete.calls
    let expected = try complete.repairedRecords()
    for call in 0..<calls {
      let store = try Self.harmed(harm).restart()
      store.die(afterCall: call)
      _ = try? store.repair()
      var after = [("killed", store.restart())]
      for seed in 0..<3 as Range<UInt64> { after.append(("seed \(seed)", store.crash(seed: seed))) }
      for (how, next) in after {
        let comment = "\(harm), call \(call) of \(calls), \(how)"
        if harm == .damagedBlock {
          // The engine does not meet the damage when it opens, and must not meet one of the repair's.
          let tree = try LSMTree.open(
            next.restart(), directory: TreeRun.directory, options: .tiny)
          try tree.close()
        }
        let again = try next.repair()
        #expect(again.isNeeded || !again.earlier.isEmpty, "\(comment)")
        let told = Set((again.lines + again.earlier.flatMap(\.lines)).filter(Self.isToBeKnown))
        #expect(told.isSuperset(of: report.lines.filter(Self.isToBeKnown)), "\(comment)")
        #expect(try next.repairedRecords(comment) == expected, "\(comment)")
      }
    }
  }

  @Test(arguments: Harm.allCases, MemoryFileSystem.Fault.allCases)
  func canBeRunAgainAfterEveryError(harm: Harm, fault: MemoryFileSystem.Fault) throws {
    let complete = try Self.harmed(harm).restart()
    _ = try complete.repair()
    let calls = complete.calls
    let expected = try complete.repairedRecords()
    for call in 1...calls {
      let store = try Self.harmed(harm).restart()
      store.fail(call: call, fault)
      guard (try? store.repair()) == nil else { continue }
      let comment = "\(harm), call \(call), \(fault)"
      let next = store.restart()
      _ = try next.repair()
      #expect(try next.repairedRecords(comment) == expected, "\(comment)")
    }
  }
}
