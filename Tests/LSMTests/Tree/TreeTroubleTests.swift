import Glibc
import LSM
import LSMTestSupport
import Synchronization
import TestSupport
import Testing

/// A disk that refuses for a while: nothing is lost, reads go on, and writing goes on by itself afterwards.
@Suite("Tree in trouble") struct TreeTroubleTests {
  private static func key(_ number: Int) -> [UInt8] { TreeTests.key(number) }

  /// What fails, and whether every write is refused at once.
  private static let rules:
    [(name: String, rule: @Sendable (FileOperation, String) -> MemoryFileSystem.Fault?)] = [
      ("tables find no space", { $0 == .write && $1.hasSuffix(".table") ? .noSpace : nil }),
      ("tables cannot be synced", { $0 == .sync && $1.hasSuffix(".table") ? .lostSync : nil }),
      ("tables cannot be made", { $0 == .create && $1.hasSuffix(".table") ? .refused : nil }),
      (
        "the directory cannot be synced",
        { operation, _ in
          operation == .syncDirectory ? .refused : nil
        }
      ),
      ("the manifest finds no space", { $0 == .write && $1.contains("MANIFEST") ? .noSpace : nil }),
      (
        "the manifest cannot be synced",
        { $0 == .sync && $1.contains("MANIFEST") ? .lostSync : nil }
      ),
      (
        "CURRENT is renamed and yet not",
        { operation, path in
          operation == .rename
            ? .deniedAfterwards
            : operation == .sync && path.contains("MANIFEST") ? .deniedAfterwards : nil
        }
      ),
      ("logs find no space", { $0 == .write && $1.hasSuffix(".log") ? .noSpace : nil }),
      ("logs cannot be made", { $0 == .create && $1.hasSuffix(".log") ? .deniedAfterwards : nil }),
      (
        "nothing finds space",
        { operation, _ in
          operation == .write || operation == .preallocate ? .noSpace : nil
        }
      ),
      (
        "no file can be opened",
        { operation, _ in
          operation == .open || operation == .create ? .refused : nil
        }
      ),
    ]

  @Test(arguments: rules.indices) func goesOnByItselfOnceTheCauseIsMended(index: Int) throws {
    let (name, rule) = Self.rules[index]
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 10
    let tree = try TreeTests.open(fileSystem, options)
    var model = TreeModel()
    var random = SeededGenerator(seed: UInt64(index))
    func write(_ number: Int) throws -> Bool {
      let changes: [Change] = [.put(Self.key(number % 40), random.bytes(120))]
      let before = tree.lastSequence
      do throws(LSMError) {
        try tree.apply(changes, sync: number % 3 == 0)
      } catch .refused {
        #expect(tree.lastSequence == before)
        return false
      }
      model.apply(changes)
      return true
    }
    for number in 0..<30 { #expect(try write(number)) }
    #expect(tree.trouble == nil)
    for round in 0..<3 {
      fileSystem.fail(by: rule)
      var refusals = 0
      for number in 0..<100 { refusals += try write(number) ? 0 : 1 }
      #expect(refusals > 0, "\(name): nothing was refused")
      let trouble = try #require(tree.trouble)
      #expect(!trouble.isFinal && tree.failure == nil, "\(name): \(trouble)")
      #expect(try tree.statistics().trouble == trouble)
      if index != 10 { #expect(try tree.records().records == model.sorted(), "\(name)") }
      // A death in the middle of it.
      for seed in 0..<3 as Range<UInt64> {
        let killed = try TreeTests.open(fileSystem.restart(), options)
        #expect(try killed.records().records == model.sorted(), "\(name), killed")
        try killed.close()
        let cut = try TreeTests.open(fileSystem.crash(seed: seed), options)
        #expect(cut.lastSequence <= tree.lastSequence)
        try cut.close()
      }
      // Nothing more is taken of the disk by each try.
      let tables = fileSystem.names(in: TreeRun.directory).count { $0.hasSuffix(".table") }
      for number in 0..<50 { _ = try write(number) }
      let later = fileSystem.names(in: TreeRun.directory).count { $0.hasSuffix(".table") }
      #expect(later <= tables + 2, "\(name): \(tables) tables, then \(later)")
      fileSystem.fail(by: nil)
      for number in 0..<40 { #expect(try write(number + round), "\(name), afterwards") }
      try tree.compact()
      #expect(tree.trouble == nil, "\(name)")
      #expect(try tree.records().records == model.sorted(), "\(name), afterwards")
    }
    let names = fileSystem.names(in: TreeRun.directory)
    let live = try tree.statistics().levels.reduce(0) { $0 + $1.fileCount }
    #expect(names.count { $0.hasSuffix(".table") } == live, "\(name): \(names)")
    #expect(names.count { $0.hasPrefix("MANIFEST") } == 1, "\(name): \(names)")
    try tree.close()
    #expect(try fileSystem.restart().problems().isEmpty, "\(name)")
    #expect(try fileSystem.records(options: options) == model.sorted(), "\(name), opened again")
  }

  /// Random programs while the disk refuses now this, now that; whatever was acknowledged is there after each death.
  @Test func losesNothingOnADiskThatComesAndGoes() throws {
    let seed = SeededGenerator.drawnSeed()
    print("tree in trouble: SEANDB_TEST_SEED=\(seed)")
    var refusals = 0
    for round in 0..<60 as Range<UInt64> {
      var random = SeededGenerator(seed: seed &+ round)
      var fileSystem = MemoryFileSystem()
      var run = TreeRun()
      run.options = .random(&random)
      for life in 0..<3 {
        var steps: [TreeStep] = []
        for _ in 0..<4 { steps += TreeStep.program(12, &random) }
        let rule = Self.rules[random.below(Self.rules.count - 1)].rule
        let begin = fileSystem.calls + random.below(150)
        let end = begin + random.below(200)
        fileSystem.fail(byCalls: begin..<end, rule)
        let tree = run.go(steps, on: fileSystem)
        let isKill = random.below(2) == 0
        let next = isKill ? fileSystem.restart() : fileSystem.crash(seed: random.next())
        run.check(
          next, atLeast: isKill ? run.written : run.synced, "seed \(seed &+ round), life \(life)")
        fileSystem.fail(by: nil)
        try? tree?.close()
        fileSystem = next.restart()
      }
      refusals += run.refusals
    }
    #expect(refusals > 20, "\(refusals) refusals")
  }

  /// With threads: whoever waits gets the error, and the retry comes by itself.
  @Test func aWaitingWriterIsToldAndBackgroundWorkGoesOn() throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 10
    options.backgroundThreads = 2
    options.shortestRetryNanoseconds = 1_000_000
    options.longestRetryNanoseconds = 4_000_000
    let tree = try TreeTests.open(fileSystem, options)
    fileSystem.fail(by: Self.rules[0].rule)
    var count = 0
    var refusal: LSMError?
    while refusal == nil, count < 10_000 {
      do throws(LSMError) {
        try tree.apply([.put(Self.key(count), [UInt8](repeating: 1, count: 100))])
        count += 1
      } catch {
        refusal = error
      }
    }
    guard case .refused(.noSpace)? = refusal else {
      Issue.record("\(String(describing: refusal))")
      return
    }
    #expect(tree.trouble?.work == .flush)
    #expect(throws: LSMError.self) { try tree.flush() }
    fileSystem.fail(by: nil)
    // The retry alone mends it: nothing is written meanwhile.
    while tree.trouble != nil { sched_yield() }
    try tree.apply([.put(Self.key(count), [1])])
    try tree.flush()
    #expect(try tree.records().records.count == count + 1)
    try tree.close()
  }

  @Test(arguments: [MemoryFileSystem.Fault.lostSync, .refused])
  func aLogInDoubtEndsAllWriting(fault: MemoryFileSystem.Fault) throws {
    let fileSystem = MemoryFileSystem()
    let tree = try TreeTests.open(fileSystem)
    try tree.apply([.put([1], [1])], sync: true)
    fileSystem.fail { operation, path in
      operation == .sync && path.hasSuffix(".log") ? fault : nil
    }
    #expect(throws: LSMError.self) { try tree.apply([.put([2], [2])], sync: true) }
    fileSystem.fail(by: nil)
    let trouble = try #require(tree.trouble)
    #expect(trouble.isFinal)
    let later = #expect(throws: LSMError.self) { try tree.apply([.put([3], [3])]) }
    #expect(later == .poisoned(cause: trouble.cause))
    #expect(try tree.records().records == [TreeRecord(key: [1], value: [1])])
    try tree.close()
  }
}
