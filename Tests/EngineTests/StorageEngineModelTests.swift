import Engine
import LSM
import TestSupport
import Testing

/// Random programs, run on an engine and on the model side by side.
@Suite("Storage engine against the model")
struct StorageEngineModelTests {
  @Test(arguments: EngineUnderTest.allCases.filter(\.keepsData), SeededGenerator.seeds)
  func answersAsTheModelDoes(kind: EngineUnderTest, seed: UInt64) throws {
    print("model test: \(kind), SEANDB_TEST_SEED=\(seed)")
    var program = try ModelProgram(kind, seed: seed)
    defer { program.fixture.remove() }
    try program.run(steps: 4000)
  }
}

/// One run: an engine, the model, and the random choices.
private struct ModelProgram {
  private var random: SeededGenerator
  let fixture: EngineFixture
  private let model = MemoryEngine()
  private var snapshots: [(engine: any EngineSnapshot, model: any EngineSnapshot)] = []
  private var checkpoints = 0
  private let seed: UInt64

  init(_ kind: EngineUnderTest, seed: UInt64) throws {
    self.seed = seed
    random = SeededGenerator(seed: seed)
    var options = EngineOptions.small
    options.memtableSizeBytes = 64 << 10
    options.rangeDeletesBeforeFlush = 50
    // Of a generator of its own, so that all engines run the same program.
    var draw = SeededGenerator(seed: ~seed)
    let tree = kind == .lsm ? TreeOptions.drawn(&draw) : nil
    fixture = try EngineFixture(kind, options: options, tree: tree)
  }

  private var engine: any StorageEngine { fixture.engine }

  mutating func run(steps: Int) throws {
    for step in 0..<steps {
      try runStep(step)
    }
    try compareAll("at the end", nil, nil)
    try fixture.reopen()
    try compareAll("after the last open", nil, nil)
  }

  private mutating func runStep(_ step: Int) throws {
    switch random.next() % 1000 {
    case 0..<550: try write()
    case 550..<700: try compareGet(step)
    case 700..<750: try compareGets(step)
    case 750..<930: try compareScan(step)
    case 930..<950:
      if snapshots.count < 3 { snapshots.append((try engine.snapshot(), try model.snapshot())) }
    case 950..<965: if !snapshots.isEmpty { snapshots.removeFirst() }
    case 965..<980: try engine.flush()
    case 980..<988: try engine.compact(random.next() % 2 == 0 ? nil : range())
    case 988..<994:
      snapshots.removeAll()
      try fixture.reopen()
      try compareAll("step \(step), after open", nil, nil)
    case 994..<997: try compareCheckpoint(step)
    default:
      for pair in snapshots { try compareAll("step \(step), snapshot", pair.engine, pair.model) }
    }
  }

  private mutating func write() throws {
    let batch = WriteBatch()
    for _ in 0..<(1 + random.next() % 8) {
      switch random.next() % 10 {
      case 0..<6: batch.put(key(), value())
      case 6..<9: batch.delete(key())
      default:
        let range = range()
        if range.upper != nil { batch.deleteRange(range) }
      }
    }
    // A flush of every group to disk is slow and changes nothing here: one in sixteen.
    try engine.apply(batch, durability: random.next() % 16 == 0 ? .sync : .buffered)
    try model.apply(batch, durability: .sync)
  }

  private mutating func compareGet(_ step: Int) throws {
    let key = key()
    let pair = pickSnapshot()
    let expected = try model.read(key, tier: .any, snapshot: pair?.model)
    if random.next() % 2 == 0 {
      let quick = try engine.read(key, tier: .memory, snapshot: pair?.engine)
      #expect(quick.outcome == .wouldBlock || quick == expected, "seed \(seed), step \(step)")
    }
    let actual = try engine.read(key, tier: .any, snapshot: pair?.engine)
    #expect(actual == expected, "seed \(seed), step \(step), key \(key)")
  }

  /// Several keys, some of them twice, in any order.
  private mutating func compareGets(_ step: Int) throws {
    let keys = (0..<random.next() % 30).map { _ in key() }
    let pair = pickSnapshot()
    let expected = try keys.map { try model.read($0, tier: .any, snapshot: pair?.model).value }
    if random.next() % 2 == 0 {
      let quick = try engine.read(keys, tier: .memory, snapshot: pair?.engine)
      #expect(expected.starts(with: quick.values), "seed \(seed), step \(step)")
      #expect(
        quick.outcome == (quick.values.count == keys.count ? .complete : .wouldBlock),
        "seed \(seed), step \(step)")
    }
    let actual = try engine.read(keys, tier: .any, snapshot: pair?.engine)
    #expect(actual == (.complete, expected), "seed \(seed), step \(step), keys \(keys)")
    let stop = Int(random.next() % 30)
    let stopped = try engine.read(keys, tier: .any, snapshot: pair?.engine, upTo: stop)
    #expect(stopped.values == Array(expected.prefix(stop + 1)), "seed \(seed), step \(step)")
    #expect(stopped.outcome == (stop < keys.count ? .stopped : .complete))
  }

  private mutating func compareScan(_ step: Int) throws {
    let range = range()
    let direction = ScanDirection.allCases[Int(random.next() % 2)]
    let limit = random.next() % 4 == 0 ? Int(random.next() % 10) : .max
    let pair = pickSnapshot()
    let expected = try model.scanned(range, direction, limit: limit, snapshot: pair?.model)
    if random.next() % 2 == 0 {
      let quick = try engine.scanned(
        range, direction, limit: limit, snapshot: pair?.engine, tier: .memory)
      if quick.outcome == .wouldBlock {
        #expect(expected.records.starts(with: quick.records), "seed \(seed), step \(step)")
      } else {
        #expect(quick == expected, "seed \(seed), step \(step)")
      }
    }
    let actual = try engine.scanned(range, direction, limit: limit, snapshot: pair?.engine)
    #expect(actual == expected, "seed \(seed), step \(step), \(range) \(direction) \(limit)")
  }

  private mutating func compareCheckpoint(_ step: Int) throws {
    checkpoints += 1
    let target = fixture.directory.path("checkpoint-\(checkpoints)")
    try engine.checkpoint(to: target)
    let copy = try fixture.open(target)
    #expect(try copy.records() == model.records(), "seed \(seed), step \(step), checkpoint")
    try copy.close()
  }

  private func compareAll(
    _ moment: String, _ engineSnapshot: (any EngineSnapshot)?,
    _ modelSnapshot: (any EngineSnapshot)?
  ) throws {
    for direction in ScanDirection.allCases {
      let actual = try engine.records(.all, direction, snapshot: engineSnapshot)
      let expected = try model.records(.all, direction, snapshot: modelSnapshot)
      #expect(actual == expected, "seed \(seed), \(moment)")
    }
  }

  // MARK: - Choices

  private mutating func pickSnapshot() -> (
    engine: any EngineSnapshot, model: any EngineSnapshot
  )? {
    guard !snapshots.isEmpty, random.next() % 3 == 0 else { return nil }
    return snapshots.randomElement(using: &random)
  }

  /// Few and close keys, so that overwrites, prefixes and bounds meet; some with 00 and FF.
  private mutating func key() -> [UInt8] {
    let alphabet: [UInt8] = [0x00, 0x61, 0x62, 0xff]
    let length = Int(random.next() % 6)
    return (0..<length).map { _ in alphabet[Int(random.next() % 4)] }
  }

  private mutating func value() -> [UInt8] {
    let length = random.next() % 20 == 0 ? Int(random.next() % 5000) : Int(random.next() % 40)
    let byte = UInt8(truncatingIfNeeded: random.next())
    return [UInt8](repeating: byte, count: length)
  }

  private mutating func range() -> KeyRange {
    switch random.next() % 5 {
    case 0: .prefix(key())
    case 1: .from(key())
    case 2: .upTo(including: key())
    default: KeyRange(lower: key(), upper: key())
    }
  }
}
