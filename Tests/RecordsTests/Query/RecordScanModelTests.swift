import Bytes
import Engine
import Records
import TestSupport
import Testing

/// Programs of writes and queries, on every engine, against a sorted array.
@Suite("Record scan against a model") struct RecordScanModelTests {
  private struct Model {
    var records: [(key: String, bytes: [UInt8])] = []

    mutating func put(_ key: String, _ bytes: [UInt8]) {
      records.removeAll { $0.key == key }
      records.append((key, bytes))
      records.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    mutating func delete(_ query: TestQuery) { records.removeAll { query.names($0.key) } }

    func answer(_ query: TestQuery) -> [[UInt8]] {
      let chosen = records.filter { query.names($0.key) }.map(\.bytes)
      return query.isDescending ? chosen.reversed() : chosen
    }
  }

  private struct Maker {
    var generator: SeededGenerator

    mutating func key() -> String {
      let letters = ["a", "b", "é", "漢", "\0", "z"]
      return (0...generator.below(3)).map { _ in letters[generator.below(letters.count)] }.joined()
    }

    mutating func bound() -> String { generator.below(8) == 0 ? "" : key() }

    mutating func expression() -> TestQuery.Expression {
      switch generator.below(8) {
      case 0: return .eq(key())
      case 1: return .gte(bound())
      case 2: return .lte(bound())
      case 3: return .beginsWith(bound())
      case 4: return .gt(bound())
      case 5: return .lt(bound())
      case 6:
        let ends = generator.below(3)
        return .range(
          lower: ends == 0 ? nil : (bound(), generator.below(2) == 0),
          upper: ends == 1 ? nil : (bound(), generator.below(2) == 0))
      default: return .in((0...generator.below(12)).map { _ in key() })
      }
    }

    mutating func record(_ key: String) -> [UInt8] {
      WireBytes.field(1, key) + WireBytes.field(2, generator.bytes(generator.below(40)).hex)
        + WireBytes.field(
          3, WireBytes.field(1, "o") + WireBytes.field(2, "\(generator.below(100))"))
    }
  }

  @Test(
    "Answers as the model does, in every form of the answer", arguments: EngineKind.allCases,
    SeededGenerator.seeds)
  func answersAsTheModel(_ kind: EngineKind, _ seed: UInt64) async throws {
    let fixture = try await StoreFixture(kind)
    var maker = Maker(generator: SeededGenerator(seed: seed))
    var model = Model()
    for step in 0..<500 {
      let action = maker.generator.below(10)
      if action < 5 {
        let key = maker.key()
        let record = maker.record(key)
        model.put(key, record)
        try fixture.put(record)
      } else if action == 5 {
        let query = TestQuery(maker.expression())
        // Half of what there is at most, so that there is something to ask for.
        guard 2 * model.answer(query).count <= model.records.count + 1 else { continue }
        model.delete(query)
        try fixture.delete(query)
      } else {
        var query = TestQuery(maker.expression())
        query.isDescending = maker.generator.below(2) == 0
        let context = "seed \(seed), step \(step): \(query)"
        try check(query, model.answer(query), fixture, &maker, context)
      }
    }
  }

  private func check(
    _ query: TestQuery, _ expected: [[UInt8]], _ fixture: StoreFixture, _ maker: inout Maker,
    _ context: String
  ) throws {
    let whole = try fixture.get(query)
    #expect(whole.records == expected, "\(context)")
    #expect(whole.nextPageToken.isEmpty, "\(context)")
    // It goes on where it was, however often it is stopped.
    let budget = ReadBudget(
      records: 1 + maker.generator.below(4), bytes: 200 + maker.generator.below(200),
      visitedBytes: maker.generator.below(400))
    #expect(try fixture.get(query, budget: budget) == whole, "\(context)")
    // Pages of any size, with the mask and the size changing from page to page, are the whole.
    var query = query
    query.hasEtags = maker.generator.below(2) == 0
    #expect(try pages(query, fixture, &maker) == expected, "\(context)")
    // So are the chunks of a stream.
    let chunks = try fixture.stream(query, chunkBytes: 1 + maker.generator.below(300))
    #expect(chunks.flatMap(\.records) == expected, "\(context)")
    #expect(chunks.map(\.nextPageToken.isEmpty) == chunks.indices.map { $0 == chunks.count - 1 })
    if query.hasEtags { #expect(chunks.flatMap(\.etags).count == expected.count) }
    // A stream that broke goes on with the token of any chunk.
    if let index = chunks.indices.dropLast().randomElement(using: &maker.generator) {
      var rest = query
      rest.pageToken = chunks[index].nextPageToken
      #expect(
        try fixture.get(rest).records == Array(chunks[(index + 1)...].flatMap(\.records)),
        "\(context)")
    }
    query.isCountOnly = true
    let counted = try fixture.get(query)
    #expect(counted.count == UInt64(expected.count), "\(context)")
    #expect(counted.records.isEmpty && counted.etags.isEmpty, "\(context)")
  }

  private func pages(
    _ query: TestQuery, _ fixture: StoreFixture, _ maker: inout Maker
  ) throws -> [[UInt8]] {
    var query = query
    var records: [[UInt8]] = []
    while true {
      query.pageSize = 1 + maker.generator.below(5)
      let page = try fixture.get(query)
      #expect(page.records.count <= query.pageSize)
      #expect(page.etags.count == (query.hasEtags ? page.records.count : 0))
      records += page.records
      guard !page.nextPageToken.isEmpty else { return records }
      #expect(page.records.count == query.pageSize)
      query.pageToken = page.nextPageToken
    }
  }

  @Test(
    "Begins anew when something is written during its first slice", arguments: EngineKind.allCases)
  func beginsAnew(_ kind: EngineKind) async throws {
    let fixture = try await StoreFixture(kind)
    for index in 0..<100 { try fixture.put(WireBytes.field(1, "k\(index + 100)")) }
    let request = TestQuery(.gte("k")).bytes
    let keys = try request.withUnsafeBytes { request in
      var scan = try fixture.store.scan(
        parseIndexQuery(request), of: request, AnswerLimits(bytes: 1 << 20))
      var response = ByteWriter()
      response.append([0xFF])
      var visits = 0
      while true {
        let pause = try scan.run(
          tier: .any, budget: ReadBudget(records: 10, bytes: .max), start: 1, into: &response
        ) {
          visits += 1
          // Once before the scan's place and once after it, so that a mixture would show.
          if visits == 5 {
            try? fixture.put(WireBytes.field(1, "k100x"))
            try? fixture.put(WireBytes.field(1, "k150x"))
          }
          return false
        }
        if pause == .complete { break }
      }
      return TestAnswer(Array(response.array().dropFirst())).records
    }
    #expect(keys.count == 102)
    #expect(keys.contains(WireBytes.field(1, "k100x")))
    #expect(keys.contains(WireBytes.field(1, "k150x")))
  }

  /// A snapshot that is released has RocksDB rewrite tables.
  @Test(
    "Takes no snapshot for a short read that the disk is in the way of",
    arguments: [EngineKind.lsm, .rocksdb])
  func takesNoSnapshotForTheDisk(_ kind: EngineKind) async throws {
    let fixture = try await StoreFixture(kind, cacheSizeBytes: 0)
    for index in 0..<100 { try fixture.put(WireBytes.field(1, "k\(index + 100)")) }
    try (fixture.engine as? any LocalStore)?.flush()
    let request = TestQuery(.gte("k")).bytes
    try request.withUnsafeBytes { request in
      var scan = try fixture.store.scan(
        parseIndexQuery(request), of: request, AnswerLimits(bytes: 1 << 20))
      var response = ByteWriter()
      response.append([0xFF])
      let budget = ReadBudget(records: 1000, bytes: .max)
      var pause = try scan.run(tier: .memory, budget: budget, start: 1, into: &response) { false }
      #expect(pause == .wouldBlock)
      #expect(response.array() == [0xFF])
      #expect(try fixture.engine.statistics().snapshotCount == 0)
      // What is written meanwhile is seen: nothing of the answer is there yet.
      try fixture.put(WireBytes.field(1, "k100x"))
      pause = try scan.run(tier: .any, budget: budget, start: 1, into: &response) { false }
      #expect(pause == .complete)
      #expect(try fixture.engine.statistics().snapshotCount == 0)
      #expect(TestAnswer(Array(response.array().dropFirst())).records.count == 101)
    }
  }

  @Test("Sees one moment, whatever is written between its slices", arguments: EngineKind.allCases)
  func seesOneMoment(_ kind: EngineKind) async throws {
    let fixture = try await StoreFixture(kind)
    let keys = (0..<100).map { "k\($0 + 100)" }
    for key in keys { try fixture.put(WireBytes.field(1, key)) }
    for query in [TestQuery(.beginsWith("")), TestQuery(.in(keys))] {
      let request = query.bytes
      let answer = try request.withUnsafeBytes { request in
        var scan = try fixture.store.scan(
          parseIndexQuery(request), of: request, AnswerLimits(bytes: 1 << 20))
        var response = ByteWriter()
        var slices = 0
        while true {
          let pause = try scan.run(
            tier: .any, budget: ReadBudget(records: 10, bytes: .max), start: 0, into: &response
          ) { false }
          if pause == .complete { break }
          #expect(pause == .budgetSpent)
          // Before and after the place where the scan is.
          try fixture.put(WireBytes.field(1, "k000\(slices)"))
          try fixture.put(WireBytes.field(1, "k199\(slices)"))
          try fixture.delete(TestQuery(.range(lower: ("k150", true), upper: ("k160", true))))
          slices += 1
        }
        #expect(slices >= 9)
        return TestAnswer(response.array())
      }
      #expect(answer.records == keys.map { WireBytes.field(1, $0) })
      for key in keys { try fixture.put(WireBytes.field(1, key)) }
      try fixture.delete(TestQuery(.beginsWith("k000")))
      try fixture.delete(TestQuery(.beginsWith("k199")))
      try fixture.put(WireBytes.field(1, "k199"))
    }
  }
}

extension [UInt8] {
  /// Two small letters for each byte.
  var hex: String {
    map { "\(Character(Unicode.Scalar($0 >> 4 + 97)))\(Character(Unicode.Scalar($0 & 15 + 97)))" }
      .joined()
  }
}
