import Glibc
import LSM
import LSMTestSupport
import TestSupport
import Testing

/// Programs on a whole tree, cut short at every call of the file system, and each call made to fail.
///
/// After each: all acknowledged writes are there, the state is that of a prefix of the write order, and the
/// store goes on working. A random round is replayed by its seed in `SEANDB_TEST_SEED`.
@Suite("Tree crashes") struct TreeCrashTests {
  private static func key(_ number: Int) -> [UInt8] { Array("key\(number)".utf8) }

  private static func puts(_ range: Range<Int>, bytes: Int = 40, tag: UInt8) -> [TreeStep] {
    range.map { number in
      let value = [UInt8](repeating: tag &+ UInt8(number % 7), count: bytes)
      return .write([.put(key(number), value)], sync: number % 3 == 0)
    }
  }

  /// Small programs that reach flush, compaction, range deletes, snapshots and reopening.
  static let programs: [(name: String, steps: [TreeStep])] = [
    ("a few writes", puts(0..<6, tag: 1)),
    (
      "flush and reopen",
      puts(0..<8, tag: 1) + [.flush] + puts(4..<9, tag: 2) + [.reopen] + puts(2..<5, tag: 3)
        + [.write([.delete(key(2)), .delete(key(7))], sync: true)]
    ),
    (
      "compaction",
      puts(0..<10, bytes: 150, tag: 1) + puts(3..<12, bytes: 150, tag: 2)
        + puts(0..<10, bytes: 150, tag: 3) + [.compact([], nil)]
    ),
    (
      "range deletes",
      puts(0..<9, tag: 1) + [.flush, .write([.deleteRange(key(2), key(6))], sync: true)]
        + puts(4..<5, tag: 2)
        + [
          .flush, .snapshot,
          .write([.deleteRange(key(0), key(9)), .put(key(3), [9])], sync: false),
          .compact([], nil), .release, .compact([], nil),
        ]
    ),
    (
      "large batches",
      [
        .write((0..<20).map { .put(key($0), [UInt8](repeating: 7, count: 200)) }, sync: true),
        .write((0..<20).map { .delete(key($0)) } + [.put(key(30), [1])], sync: false),
        .write((10..<15).map { .put(key($0), [UInt8](repeating: 8, count: 900)) }, sync: true),
        .reopen,
      ]
    ),
  ]

  @Test(arguments: programs.indices)
  func keepsAcknowledgedWritesAtEveryCrashPoint(index: Int) throws {
    let (name, steps) = Self.programs[index]
    let complete = MemoryFileSystem()
    var whole = TreeRun()
    _ = whole.go(steps, on: complete)
    #expect(whole.failure == nil)
    for call in 0...complete.calls {
      let fileSystem = MemoryFileSystem()
      fileSystem.die(afterCall: call)
      var run = TreeRun()
      let tree = run.go(steps, on: fileSystem)
      var killed = run
      killed.check(fileSystem.restart(), atLeast: run.written, "\(name), call \(call), killed")
      for seed in 0..<3 as Range<UInt64> {
        var crashed = run
        crashed.check(
          fileSystem.crash(seed: seed), atLeast: run.synced, "\(name), call \(call), seed \(seed)")
      }
      try? tree?.close()
    }
  }

  @Test(arguments: programs.indices, MemoryFileSystem.Fault.allCases)
  func keepsAcknowledgedWritesAfterEveryError(
    index: Int, fault: MemoryFileSystem.Fault
  ) throws {
    let (name, steps) = Self.programs[index]
    let complete = MemoryFileSystem()
    var whole = TreeRun()
    _ = whole.go(steps, on: complete)
    for call in 1...complete.calls {
      let fileSystem = MemoryFileSystem()
      fileSystem.fail(call: call, fault)
      var run = TreeRun()
      let tree = run.go(steps, on: fileSystem)
      let comment = "\(name), call \(call), \(fault)"
      #expect(fileSystem.hitFaults == 1, "\(comment)")
      if let tree, run.failure != nil { try goesOnReading(tree, run, comment) }
      if let tree, run.failure == nil { try goesOnWriting(tree, &run, comment) }
      var killed = run
      killed.check(fileSystem.restart(), atLeast: run.written, "\(comment), killed")
      for seed in 0..<2 as Range<UInt64> {
        var crashed = run
        crashed.check(
          fileSystem.crash(seed: seed), atLeast: run.synced, "\(comment), seed \(seed)")
      }
      try? tree?.close()
    }
  }

  /// After a failure: reads show what was acknowledged and nothing that was not, and no write is taken.
  private func goesOnReading(_ tree: LSMTree, _ run: TreeRun, _ comment: String) throws {
    #expect(throws: LSMError.self, "\(comment)") { try tree.apply([.put([1], [1])]) }
    guard tree.failure != nil else { return }
    let found = try tree.records().records
    #expect(found == run.model(run.written).sorted(), "\(comment), reading on")
  }

  /// After a failure that harmed nothing: all work is done with the next write, and nothing is left over.
  private func goesOnWriting(
    _ tree: LSMTree, _ run: inout TreeRun, _ comment: String
  ) throws {
    #expect(try tree.records().records == run.model(run.written).sorted(), "\(comment), reading on")
    #expect(tree.failure == nil)
    run.write(Self.key(1), [100], to: tree)
    try tree.compact()
    #expect(tree.trouble == nil, "\(comment)")
    run.write(Self.key(2), [100], to: tree)
    #expect(try tree.records().records == run.model(run.written).sorted(), "\(comment), writing on")
  }

  /// An error while opening is that error, never a shorter answer; the next open finds everything.
  @Test(arguments: MemoryFileSystem.Fault.allCases)
  func reportsEveryErrorOfRecovery(fault: MemoryFileSystem.Fault) throws {
    let fileSystem = MemoryFileSystem()
    var run = TreeRun()
    _ = run.go(Self.programs[3].steps + Self.puts(0..<9, bytes: 300, tag: 9), on: fileSystem)
    #expect(run.failure == nil)
    let complete = fileSystem.restart()
    _ = try LSMTree.open(complete, directory: TreeRun.directory, options: run.options)
    let calls = complete.calls
    for call in 1...calls {
      let faulty = fileSystem.restart()
      faulty.fail(call: call, fault)
      let tree = try? LSMTree.open(faulty, directory: TreeRun.directory, options: run.options)
      if let tree {
        // Only what is done in passing may fail without a word: removing leftovers.
        #expect(try tree.records().records == run.model(run.written).sorted(), "call \(call)")
        try tree.close()
      }
      var killed = run
      killed.check(faulty.restart(), atLeast: run.written, "call \(call), \(fault)")
      for seed in 0..<2 as Range<UInt64> {
        var crashed = run
        crashed.check(
          faulty.crash(seed: seed), atLeast: run.synced, "call \(call), \(fault), seed \(seed)")
      }
    }
  }

  /// The directory was made by a process that died before it was durable: the next one has to see to that.
  @Test(arguments: 0..<4 as Range<UInt64>)
  func makesTheDirectoryDurableWhoeverMadeIt(seed: UInt64) throws {
    let first = MemoryFileSystem()
    try first.createDirectory(TreeRun.directory)
    let fileSystem = first.restart()
    var run = TreeRun()
    _ = run.go([.write([.put([1], [1])], sync: true)], on: fileSystem)
    #expect(run.synced == 1)
    run.check(fileSystem.crash(seed: seed), atLeast: 1, "seed \(seed)")
  }

  /// On a full disk every open fails; none may take more of what was freed for it than the one before.
  @Test func aFailedOpenGivesItsSpaceBackToTheNext() throws {
    let fileSystem = MemoryFileSystem()
    var run = TreeRun()
    let options = run.options
    run.options.memtableSizeBytes = 1 << 20
    let tree = run.go(Self.puts(0..<60, bytes: 300, tag: 1), on: fileSystem)
    try tree?.close()
    // Now the log is many memtables' worth.
    run.options = options
    let complete = fileSystem.restart()
    let opened = try LSMTree.open(complete, directory: TreeRun.directory, options: options)
    let calls = complete.calls
    try opened.close()
    var largest = 0
    for call in 1...calls {
      var files = fileSystem.restart()
      var tables: [Int] = []
      for _ in 0..<3 {
        files.fail(call: files.calls + call, .noSpace)
        let tree = try? LSMTree.open(files, directory: TreeRun.directory, options: options)
        if let tree {
          // What may fail without a word is the removal of leftovers.
          try tree.close()
          break
        }
        files = files.restart()
        tables.append(try files.list(TreeRun.directory).count { $0.hasSuffix(".table") })
      }
      largest = max(largest, tables.max() ?? 0)
      #expect(tables.allSatisfy { $0 <= tables[0] }, "call \(call): \(tables)")
      run.check(files.restart(), atLeast: run.written, "call \(call)")
    }
    #expect(largest > 3, "the log is too short for this test")
  }

  /// 200 rounds, or as many as `SEANDB_TREE_CRASH_ROUNDS` says.
  @Test func survivesRandomCrashes() {
    let first = SeededGenerator.drawnSeed()
    let rounds = getenv("SEANDB_TREE_CRASH_ROUNDS").flatMap { UInt64(String(cString: $0)) } ?? 200
    print("tree crashes: SEANDB_TEST_SEED=\(first), \(rounds) rounds")
    var losses = 0
    for round in 0..<rounds { losses += survive(seed: first &+ round) ? 1 : 0 }
    // A test that never loses anything would prove nothing.
    #expect(losses > rounds / 20)
  }

  /// Several lives of a store, each ended by a crash or an error; true when a crash took batches.
  private func survive(seed: UInt64) -> Bool {
    var random = SeededGenerator(seed: seed)
    var fileSystem = MemoryFileSystem()
    var run = TreeRun()
    run.options = .random(&random)
    var lost = false
    for life in 0..<4 {
      // Sizes may change from one life to the next; the store must not care.
      if random.below(3) == 0 { run.options = .random(&random) }
      let before = fileSystem.calls
      if random.below(3) == 0 {
        fileSystem.fail(
          call: before + 1 + random.below(400),
          MemoryFileSystem.Fault.allCases[random.below(MemoryFileSystem.Fault.allCases.count)])
      } else {
        fileSystem.die(afterCall: before + 1 + random.below(400))
      }
      let tree = run.go(TreeStep.program(10 + random.below(60), &random), on: fileSystem)
      let attempted = run.batches.count
      let isKill = random.below(4) == 0
      let next = isKill ? fileSystem.restart() : fileSystem.crash(seed: random.next())
      let kept = run.check(
        next, atLeast: isKill ? run.written : run.synced, "seed \(seed), life \(life)")
      lost = lost || kept < attempted
      try? tree?.close()
      fileSystem = next.restart()
    }
    return lost
  }
}
