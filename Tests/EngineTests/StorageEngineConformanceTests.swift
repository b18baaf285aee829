import Engine
import Synchronization
import Testing

/// What the tasks of a test tell each other.
private final class Progress: Sendable {
  let isDone = Atomic<Bool>(false)
  let compactions = Atomic<Int>(0)
}

/// The sentences of ``StorageEngine``, one by one, on every engine.
@Suite("Storage engine conformance")
struct StorageEngineConformanceTests {
  // MARK: - Keys, values, order

  @Test(arguments: EngineUnderTest.allCases)
  func findsWhatWasPutAndNothingElse(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    try engine.put(Record("a", "1"), Record("b", "2"))
    #expect(try engine.value("a") == "1")
    #expect(try engine.value("b") == "2")
    #expect(try engine.value("") == nil)
    #expect(try engine.value("aa") == nil)
    #expect(try engine.value("c") == nil)
    try engine.put(Record("a", "3"))
    #expect(try engine.value("a") == "3")
    try engine.delete("a")
    try engine.delete("never there")
    #expect(try engine.value("a") == nil)
  }

  @Test(arguments: EngineUnderTest.allCases)
  func takesAnyBytesAndOrdersThemByMemcmp(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let keys: [[UInt8]] = [
      [], [0], [0, 0], [0, 0xff], [1], [0x61], [0x61, 0], [0x61, 0, 0], [0x61, 0x62], [0x62],
      [0x7f],
      [0x80], [0xfe, 0xff], [0xff], [0xff, 0], [0xff, 0xff], [0xff, 0xff, 0xff],
    ]
    let records = keys.map { Record($0, $0 + [0, 0xff]) }
    for record in records.shuffled() { try fixture.engine.put(record) }
    #expect(try fixture.engine.records() == records)
    #expect(try fixture.engine.records(.all, .descending) == records.reversed())
    try fixture.engine.flush()
    try fixture.reopen()
    #expect(try fixture.engine.records() == records)
    for record in records {
      #expect(try fixture.engine.value(forKey: record.key) == record.value)
    }
  }

  @Test(arguments: EngineUnderTest.allCases)
  func tellsAnEmptyValueFromNone(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    try fixture.engine.put(Record("empty", ""))
    for _ in 0..<2 {
      #expect(try fixture.engine.read(Array("empty".utf8), tier: .any) == (.found, []))
      #expect(try fixture.engine.read(Array("none".utf8), tier: .any) == (.absent, nil))
      #expect(try fixture.engine.records() == [Record("empty", "")])
      try fixture.engine.flush()
      try fixture.reopen()
    }
  }

  @Test(arguments: EngineUnderTest.allCases)
  func keepsLargeValues(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let value = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
    try fixture.engine.put(Record([1], value), Record([2], [2]))
    try fixture.reopen()
    #expect(try fixture.engine.value(forKey: [1]) == value)
    #expect(try fixture.engine.value(forKey: [2]) == [2])
  }

  @Test(arguments: EngineUnderTest.allCases)
  func looksSeveralKeysUpInTheOrderAskedFor(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    for number in 0..<50 { try fixture.engine.put(Record("k\(number)", "old")) }
    let before = try fixture.engine.snapshot()
    try fixture.engine.flush()
    // In a memtable, in a table, deleted, never there, and twice.
    for number in 0..<10 { try fixture.engine.put(Record("k\(number)", "new")) }
    try fixture.engine.delete("k11")
    try fixture.engine.deleteRange("k20", "k21")
    let names = ["k30", "k3", "none", "k11", "k3", "k20", "k12", "k49", "", "k0"]
    let keys = names.map { Array($0.utf8) }
    let expected = ["old", "new", nil, nil, "new", nil, "old", "old", nil, "new"]
    let read = try fixture.engine.read(keys)
    #expect(read.outcome == .complete)
    #expect(read.values == expected.map { $0.map { Array($0.utf8) } })
    let earlier = names.map { $0.isEmpty || $0 == "none" ? nil : Array("old".utf8) }
    #expect(try fixture.engine.read(keys, snapshot: before) == (.complete, earlier))
    #expect(try fixture.engine.read(keys, upTo: 3) == (.stopped, Array(read.values.prefix(4))))
    #expect(try fixture.engine.read([[UInt8]]()) == (.complete, []))
    try fixture.engine.close()
    #expect(throws: EngineError.closed) { try fixture.engine.read(keys) }
  }

  // MARK: - Ranges

  @Test(arguments: EngineUnderTest.allCases)
  func scansWithinItsBoundsInBothDirections(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let keys = ["a", "ab", "b", "ba", "c"]
    for key in keys { try engine.put(Record(key, key)) }
    let cases: [(KeyRange, [String])] = [
      (.all, keys),
      (.upTo(including: Array("b".utf8)), ["a", "ab", "b"]),
      (.from(Array("b".utf8)), ["b", "ba", "c"]),
      (.prefix(Array("b".utf8)), ["b", "ba"]),
      (KeyRange(lower: Array("aa".utf8), upper: Array("bb".utf8)), ["ab", "b", "ba"]),
      (KeyRange(lower: Array("b".utf8), upper: Array("b".utf8)), []),
      (KeyRange(lower: Array("c".utf8), upper: Array("a".utf8)), []),
      (KeyRange(lower: Array("d".utf8), upper: nil), []),
      (KeyRange(lower: [], upper: []), []),
      (KeyRange(lower: [], upper: Array("a".utf8)), []),
    ]
    for (range, expected) in cases {
      #expect(try engine.keys(range) == expected)
      #expect(try engine.keys(range, .descending) == expected.reversed())
    }
  }

  @Test(arguments: EngineUnderTest.allCases)
  func prefixOfAllOnesHasNoEnd(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let keys: [[UInt8]] = [[0xfe], [0xff], [0xff, 0], [0xff, 0xff], [0xff, 0xff, 0xff, 1]]
    for key in keys { try engine.put(Record(key, [])) }
    #expect(try engine.records(.prefix([0xff])).map(\.key) == Array(keys.dropFirst()))
    #expect(try engine.records(.prefix([0xff, 0xff])).map(\.key) == Array(keys.dropFirst(3)))
    #expect(
      try engine.records(.prefix([0xff]), .descending).map(\.key) == keys.dropFirst().reversed())
  }

  @Test(arguments: EngineUnderTest.allCases)
  func prefixesDoNotRunIntoEachOther(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let numbers = [0x0000_0061, 0x0000_0062, 0x0000_00ff, 0x0000_0100, 0xffff_ffff] as [UInt32]
    let prefixes = [0, 1, 2].flatMap { first in numbers.map { FixedPrefix(first, $0).bytes } }
    let keys: [[UInt8]] = [[0], [0x61], [0xff], [0xff, 0xff]]
    for prefix in prefixes {
      for key in keys { try engine.put(Record(prefix + key, prefix)) }
    }
    for prefix in prefixes {
      let own = keys.map { Record(prefix + $0, prefix) }
      let all = KeyRange.prefix(prefix)
      let atLeast = KeyRange(lower: prefix + [0x61], upper: all.upper)
      let atMost = KeyRange(lower: prefix, upper: prefix + [0xff, 0])
      #expect(try engine.records(all) == own)
      #expect(try engine.records(atLeast) == Array(own.dropFirst()))
      #expect(try engine.records(atMost) == Array(own.dropLast()))
      #expect(try engine.records(.prefix(prefix + [0xff])) == Array(own.suffix(2)))
    }
    let deleted = KeyRange.prefix(prefixes[6])
    let batch = WriteBatch()
    batch.deleteRange(deleted)
    try engine.apply(batch, durability: .sync)
    #expect(try engine.records(deleted).isEmpty)
    #expect(try engine.records().count == (prefixes.count - 1) * keys.count)
  }

  @Test(arguments: EngineUnderTest.allCases)
  func endsAScanAtItsLimitOrOnRequest(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let records = (0..<10).map { Record([UInt8($0)], [UInt8($0)]) }
    for record in records { try engine.put(record) }
    #expect(try engine.scanned(limit: 0) == (.limitReached, []))
    #expect(try engine.scanned(limit: 3) == (.limitReached, Array(records[..<3])))
    #expect(
      try engine.scanned(.all, .descending, limit: 3)
        == (.limitReached, Array(records[7...].reversed())))
    #expect(try engine.scanned(limit: 11) == (.complete, records))
    for direction in ScanDirection.allCases {
      var visited = 0
      let outcome = try engine.scan(
        .all, direction: direction, limit: 100, snapshot: nil, tier: .any
      ) { _, _ in
        visited += 1
        return visited == 4 ? .stop : .next
      }
      #expect(outcome == .stopped)
      #expect(visited == 4)
    }
  }

  // MARK: - Batches

  @Test(arguments: EngineUnderTest.allCases)
  func appliesABatchInItsOrder(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    try fixture.engine.put(Record("a", "old"), Record("b", "old"), Record("c", "old"))
    let batch = WriteBatch()
    batch.put(Array("a".utf8), Array("1".utf8))
    batch.delete(Array("a".utf8))
    batch.put(Array("a".utf8), Array("2".utf8))
    batch.put(Array("b".utf8), Array("1".utf8))
    batch.delete(Array("b".utf8))
    batch.put(Array("d".utf8), Array("1".utf8))
    batch.deleteRange(Array("c".utf8), Array("e".utf8))
    batch.put(Array("d".utf8), Array("2".utf8))
    try fixture.engine.apply(batch, durability: .sync)
    let expected = [Record("a", "2"), Record("d", "2")]
    #expect(try fixture.engine.records() == expected)
    #expect(try fixture.engine.value("c") == nil)
    try fixture.reopen()
    #expect(try fixture.engine.records() == expected)
    try fixture.engine.compact(nil)
    #expect(try fixture.engine.records() == expected)
  }

  @Test(arguments: EngineUnderTest.allCases)
  func takesAnEmptyBatchAndABatchTwice(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let batch = WriteBatch()
    try engine.apply(batch, durability: .sync)
    #expect(try engine.records().isEmpty)
    batch.put([1], [1])
    try engine.apply(batch, durability: .buffered)
    try engine.apply(batch, durability: .sync)
    batch.clear()
    #expect(try engine.records() == [Record([1], [1])])
  }

  /// Every batch writes one number under all keys; a read that sees two numbers saw a part of a batch.
  @Test(arguments: EngineUnderTest.allCases)
  func showsNoPartOfABatch(kind: EngineUnderTest) async throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let keys = (0..<8 as Range<UInt8>).map { [$0] }
    let write = { @Sendable (round: UInt8) throws in
      let batch = WriteBatch()
      batch.deleteRange([0], [0xff])
      for key in keys { batch.put(key, [round]) }
      try engine.apply(batch, durability: .buffered)
    }
    try write(0)
    try await withThrowingTaskGroup { group in
      group.addTask { for round in 1...200 as ClosedRange<UInt8> { try write(round) } }
      group.addTask {
        for direction in [ScanDirection.ascending, .descending] {
          for _ in 0..<300 {
            let values = try engine.records(.all, direction).map(\.value)
            #expect(values.count == keys.count)
            #expect(Set(values).count == 1)
            await Task.yield()
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test(arguments: EngineUnderTest.allCases)
  func neverShowsADeletedRecordWhileItCompacts(kind: EngineUnderTest) async throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let progress = Progress()
    try await withThrowingTaskGroup { group in
      group.addTask {
        while !progress.isDone.load(ordering: .relaxed) {
          try engine.compact(nil)
          // A compaction elsewhere, with something to flush, must not make it forget what comes meanwhile.
          try engine.put(Record("a", "1"))
          try engine.compact(.prefix(Array("a".utf8)))
          progress.compactions.add(1, ordering: .relaxed)
          await Task.yield()
        }
      }
      group.addTask {
        defer { progress.isDone.store(true, ordering: .relaxed) }
        for round in 0..<200 {
          // So that the deletes meet the compaction at all its stages.
          for _ in 0..<(round * 7 % 101) { _ = try engine.keys(.all) }
          try engine.put(Record("k\(round % 7)", "\(round)"))
          try engine.deleteRange("k", "l")
          // Long enough for the compaction that runs now, and the next one, to have their say.
          let start = progress.compactions.load(ordering: .relaxed)
          while progress.compactions.load(ordering: .relaxed) < start + 2 {
            let shown = try engine.keys(.prefix(Array("k".utf8)))
            #expect(shown == [], "round \(round)")
            if shown != [] { return }
            await Task.yield()
          }
        }
      }
      try await group.waitForAll()
    }
  }

  // MARK: - Snapshots

  @Test(arguments: EngineUnderTest.allCases)
  func snapshotStaysAsItWas(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    let before = [Record("a", "1"), Record("b", "1"), Record("c", "1")]
    for record in before { try engine.put(record) }
    let snapshot = try engine.snapshot()
    try engine.put(Record("a", "2"), Record("d", "2"))
    try engine.delete("b")
    try engine.deleteRange("c", "d")
    for step in 0..<3 {
      #expect(try engine.records(snapshot: snapshot) == before)
      #expect(try engine.records(.all, .descending, snapshot: snapshot) == before.reversed())
      #expect(try engine.value("a", snapshot: snapshot) == "1")
      #expect(try engine.value("b", snapshot: snapshot) == "1")
      #expect(try engine.value("c", snapshot: snapshot) == "1")
      #expect(try engine.value("d", snapshot: snapshot) == nil)
      #expect(try engine.records() == [Record("a", "2"), Record("d", "2")])
      if step == 0 { try engine.flush() } else { try engine.compact(nil) }
    }
  }

  @Test(arguments: EngineUnderTest.allCases)
  func refusesTheSnapshotOfAnotherEngine(kind: EngineUnderTest) throws {
    let one = try kind.makeFixture()
    defer { one.remove() }
    let other = try kind.makeFixture()
    defer { other.remove() }
    let snapshot = try one.engine.snapshot()
    #expect(throws: EngineError.foreignSnapshot) {
      _ = try other.engine.value("a", snapshot: snapshot)
    }
    #expect(throws: EngineError.foreignSnapshot) {
      _ = try other.engine.records(snapshot: snapshot)
    }
  }

  // MARK: - Range deletes

  @Test(arguments: EngineUnderTest.allCases)
  func rangeDeleteHoldsAcrossFlushCompactionAndReopen(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let keys = (0..<500).map { "k\(1000 + $0)" }
    for key in keys { try fixture.engine.put(Record(key, "old")) }
    try fixture.engine.flush()
    try fixture.engine.deleteRange("k1100", "k1400")
    try fixture.engine.put(Record("k1200", "new"))
    let expected = (keys[..<100] + ["k1200"] + keys[400...]).sorted()
    let steps: [() throws -> Void] = [
      {}, { try fixture.engine.flush() }, { try fixture.reopen() },
      { try fixture.engine.compact(KeyRange(lower: Array("k1".utf8), upper: Array("k13".utf8))) },
      { try fixture.engine.compact(nil) }, { try fixture.reopen() },
    ]
    for step in steps {
      try step()
      #expect(try fixture.engine.keys(.all) == expected)
      #expect(try fixture.engine.keys(.all, .descending) == expected.reversed())
      #expect(try fixture.engine.value("k1099") == "old")
      #expect(try fixture.engine.value("k1100") == nil)
      #expect(try fixture.engine.value("k1200") == "new")
      #expect(try fixture.engine.value("k1399") == nil)
      #expect(try fixture.engine.value("k1400") == "old")
      #expect(try fixture.engine.read(Array("k1399".utf8), tier: .memory).outcome != .found)
    }
  }

  // MARK: - Life

  @Test(arguments: EngineUnderTest.allCases, [Durability.sync, .buffered])
  func keepsWritesAcrossReopen(kind: EngineUnderTest, durability: Durability) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    for round in 0..<3 as Range<UInt8> {
      try fixture.engine.put(Record([round], [round]), durability: durability)
      try fixture.reopen()
      #expect(try fixture.engine.records() == (0...round).map { Record([$0], [$0]) })
    }
  }

  @Test(arguments: EngineUnderTest.allCases.filter(\.keepsData))
  func checkpointOpensAndEqualsTheStateOfItsMoment(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    for index in 0..<300 { try fixture.engine.put(Record("k\(index)", "\(index)")) }
    try fixture.engine.flush()
    try fixture.engine.deleteRange("k2", "k3")
    try fixture.engine.put(Record("unflushed", "yes"))
    let expected = try fixture.engine.records()
    let target = fixture.directory.path("checkpoint")
    try fixture.engine.checkpoint(to: target)
    try fixture.engine.put(Record("later", "no"))
    try fixture.engine.compact(nil)

    let copy = try fixture.open(target)
    #expect(try copy.records() == expected)
    try copy.put(Record("of the copy", "yes"))
    try copy.close()
    #expect(try fixture.engine.value("of the copy") == nil)
    #expect(try fixture.engine.value("later") == "no")
  }

  @Test(arguments: EngineUnderTest.allCases.filter(\.keepsData))
  func refusesACheckpointOverSomethingThatIsThere(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let target = fixture.directory.path("checkpoint")
    try fixture.engine.checkpoint(to: target)
    #expect(throws: EngineError.self) { try fixture.engine.checkpoint(to: target) }
    #expect(throws: EngineError.self) {
      try fixture.engine.checkpoint(to: fixture.directory.path("no/such/parent"))
    }
    try fixture.engine.put(Record("a", "1"))
  }

  @Test(arguments: EngineUnderTest.allCases)
  func refusesEveryCallAfterClose(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    try engine.put(Record("a", "1"))
    let snapshot = try engine.snapshot()
    try engine.close()
    try engine.close()
    #expect(throws: EngineError.closed) { _ = try engine.value("a") }
    #expect(throws: EngineError.closed) { _ = try engine.value("a", snapshot: snapshot) }
    #expect(throws: EngineError.closed) { _ = try engine.records() }
    #expect(throws: EngineError.closed) { try engine.put(Record("a", "2")) }
    #expect(throws: EngineError.closed) { _ = try engine.snapshot() }
    #expect(throws: EngineError.closed) { _ = try engine.statistics() }
    guard let store = engine as? any LocalStore else { return }
    #expect(throws: EngineError.closed) {
      try store.checkpoint(to: fixture.directory.path("checkpoint"))
    }
    #expect(throws: EngineError.closed) { try store.flush() }
    #expect(throws: EngineError.closed) { try store.compact(nil) }
  }

  @Test(arguments: EngineUnderTest.allCases)
  func closesUnderReadersAndWriters(kind: EngineUnderTest) async throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    for index in 0..<200 { try engine.put(Record("k\(index)", "v")) }
    await withTaskGroup { group in
      for worker in 0..<4 {
        group.addTask {
          // Ends with the refusal, and with nothing else.
          for round in 0... {
            do {
              let snapshot = try engine.snapshot()
              #expect(try engine.records(snapshot: snapshot).count >= 200)
              #expect(try engine.value("k7") == "v")
              if worker == 0 { try engine.put(Record("w\(round)", "v")) }
              await Task.yield()
            } catch {
              #expect(error as? EngineError == .closed)
              break
            }
          }
        }
      }
      group.addTask { #expect(throws: Never.self) { try engine.close() } }
    }
    try fixture.reopen()
  }

  @Test(arguments: EngineUnderTest.allCases)
  func countsWhatItHolds(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    for index in 0..<100 { try engine.put(Record("k\(index)", "v")) }
    #expect(try engine.statistics().estimatedKeyCount == 100)
    #expect(try engine.statistics().memtableBytes > 0)
    #expect(try engine.statistics().readOnlyReason == nil)
  }

  // MARK: - Sequence

  @Test(arguments: EngineUnderTest.allCases)
  func tellsHowFarItReaches(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    var last = try fixture.engine.lastSequence()
    func hasGrown(by changes: UInt64) throws {
      let now = try fixture.engine.lastSequence()
      #expect(now >= last + changes)
      last = now
    }
    try fixture.engine.put(Record("a", "1"), Record("b", "2"), Record("b", "3"))
    try hasGrown(by: 3)
    try fixture.engine.delete("never there")
    try hasGrown(by: 1)
    try fixture.engine.deleteRange("a", "b")
    try hasGrown(by: 1)
    try fixture.reopen()
    try hasGrown(by: 0)
    try fixture.engine.flush()
    try fixture.engine.compact(nil)
    try fixture.reopen()
    try hasGrown(by: 0)
    #expect(fixture.engine.writeState() == .open)
    try fixture.engine.close()
    #expect(throws: EngineError.closed) { _ = try fixture.engine.lastSequence() }
  }

  @Test(arguments: EngineUnderTest.allCases.filter(\.keepsData))
  func reachesAsFarForReadingOnly(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    for round in 0..<3 {
      for index in 0..<20 { try fixture.engine.put(Record("k\(index)", "\(round)")) }
      let last = try fixture.engine.lastSequence()
      var options = fixture.options
      options.isReadOnly = true
      options.createIfMissing = false
      let reader = try fixture.open(fixture.path, options: options)
      #expect(try reader.lastSequence() == last)
      guard case .refused = reader.writeState() else {
        Issue.record("an engine for reading takes writes")
        return
      }
      try reader.close()
      if round == 1 { try fixture.engine.flush() }
    }
  }
}
