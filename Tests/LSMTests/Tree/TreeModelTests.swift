import LSM
import LSMTestSupport
import TestSupport
import Testing

/// Random programs under random options, compared with a dictionary after every few steps.
///
/// The options must not change an answer: tiny blocks, tiny memtables, a cache of nothing, restart interval
/// 1, tables of one record. A failing round is replayed by its seed in `SEANDB_TEST_SEED`.
@Suite("Tree against the model") struct TreeModelTests {
  @Test(arguments: SeededGenerator.seeds)
  func answersAsTheModelDoes(seed: UInt64) throws {
    print("tree model: SEANDB_TEST_SEED=\(seed)")
    for round in 0..<12 as Range<UInt64> {
      try run(seed: seed &+ round &* 1_000_003)
    }
  }

  private func run(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var options = TreeOptions.random(&random)
    let fileSystem = MemoryFileSystem()
    var tree = try LSMTree.open(fileSystem, directory: TreeRun.directory, options: options)
    var model = TreeModel()
    var snapshots: [(TreeSnapshot, TreeModel)] = []
    for step in 0..<250 {
      let comment = "seed \(seed), step \(step)"
      switch TreeStep.program(1, &random)[0] {
      case .write(let changes, let sync):
        try tree.apply(changes, sync: sync)
        model.apply(changes)
      case .flush: try tree.flush()
      case .compact(let lower, let upper): try tree.compact(lower, upper)
      case .snapshot:
        if snapshots.count < 4 { snapshots.append((tree.snapshot(), model)) }
      case .release: if !snapshots.isEmpty { snapshots.removeFirst() }
      case .reopen:
        snapshots = []
        try tree.close()
        // The next life may have other options.
        options = .random(&random)
        tree = try LSMTree.open(fileSystem, directory: TreeRun.directory, options: options)
      }
      try compare(tree, nil, model, &random, comment)
      if let (snapshot, then) = snapshots.randomElement(using: &random) {
        try compare(tree, snapshot, then, &random, comment + ", snapshot")
      }
    }
    snapshots = []
    try checkpoint(tree, model, fileSystem, options, "seed \(seed)")
    #expect(tree.failure == nil)
    try tree.close()
  }

  private func compare(
    _ tree: LSMTree, _ snapshot: TreeSnapshot?, _ model: TreeModel, _ random: inout SeededGenerator,
    _ comment: String
  ) throws {
    let key = Change.randomKey(&random)
    let found = try tree.value(key, snapshot: snapshot)
    #expect(found.value == model.records[key], "\(comment), key \(key)")
    let quick = try tree.value(key, snapshot: snapshot, tier: .memory)
    #expect(quick.outcome == .wouldBlock || quick == found, "\(comment), key \(key), memory")

    let lower = random.below(3) == 0 ? [] : Change.randomKey(&random)
    let upper = random.below(3) == 0 ? nil : Change.randomKey(&random)
    let descending = random.below(2) == 0
    let limit = random.below(4) == 0 ? 1 + random.below(5) : Int.max
    let all = model.sorted(from: lower, upTo: upper)
    let expected = Array((descending ? all.reversed() : all).prefix(limit))
    let scanned = try tree.records(
      from: lower, upTo: upper, descending: descending, limit: limit, snapshot: snapshot)
    #expect(
      scanned.records == expected, "\(comment), \(lower)..<\(upper ?? []) \(descending) \(limit)")
    #expect(scanned.outcome == (expected.count == limit ? .limitReached : .complete), "\(comment)")
    let inMemory = try tree.records(
      from: lower, upTo: upper, descending: descending, limit: limit, snapshot: snapshot,
      tier: .memory)
    if inMemory.outcome == .wouldBlock {
      #expect(expected.starts(with: inMemory.records), "\(comment), memory")
    } else {
      #expect(inMemory.records == expected, "\(comment), memory")
    }
  }

  private func checkpoint(
    _ tree: LSMTree, _ model: TreeModel, _ fileSystem: MemoryFileSystem, _ options: TreeOptions,
    _ comment: String
  ) throws {
    try tree.checkpoint(to: "/copy")
    try tree.apply([.put([1, 2, 3], [9])])
    for survivor in [fileSystem.restart(), fileSystem.crash(seed: 5)] {
      let copy = try LSMTree.open(survivor, directory: "/copy", options: options)
      #expect(try copy.records().records == model.sorted(), "\(comment), checkpoint")
      try copy.apply([.put([7], [7])], sync: true)
      try copy.close()
    }
    #expect(throws: LSMError.self) { try tree.checkpoint(to: "/copy") }
  }
}
