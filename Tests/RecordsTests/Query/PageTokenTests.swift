import Records
import TestSupport
import Testing

@Suite("Page token") struct PageTokenTests {
  private func filled() async throws -> StoreFixture {
    let fixture = try await StoreFixture(.memory)
    for index in 0..<30 {
      try fixture.put(WireBytes.field(1, "k\(index + 10)") + WireBytes.field(2, "n"))
    }
    return fixture
  }

  private func query(_ expression: TestQuery.Expression = .gte("k1")) -> TestQuery {
    var query = TestQuery(expression)
    query.pageSize = 7
    return query
  }

  /// What a query with this token gives: its first record's key, or the error.
  private func outcome(_ query: TestQuery, _ fixture: StoreFixture) throws -> String {
    do {
      let answer = try fixture.get(query)
      var reader = WireReader(answer.records.first ?? [])
      return reader.next().map { String(decoding: $0.bytes, as: UTF8.self) } ?? "nothing"
    } catch let error as QueryError {
      guard case .badPageToken = error else { throw error }
      return "\(error)"
    }
  }

  @Test func goesOnAfterTheLastRecordAlsoWhenItIsGone() async throws {
    let fixture = try await filled()
    var query = query()
    query.pageToken = try fixture.get(query).nextPageToken
    #expect(try outcome(query, fixture) == "k17")
    try fixture.delete(TestQuery(.range(lower: ("k12", true), upper: ("k17", true))))
    #expect(try outcome(query, fixture) == "k18")
  }

  @Test func allowsAnotherPageSizeAndMask() async throws {
    let fixture = try await filled()
    var query = query()
    query.pageToken = try fixture.get(query).nextPageToken
    query.pageSize = 1
    query.mask = ["pk"]
    query.hasEtags = true
    #expect(try fixture.get(query).records == [WireBytes.field(1, "k17")])
  }

  static let others: [(String, @Sendable (inout TestQuery) -> Void)] = [
    ("bound", { $0.expression = .gte("k2") }), ("expression", { $0.expression = .gt("k1") }),
    ("prefix", { $0.expression = .beginsWith("k1") }), ("order", { $0.isDescending = true }),
    ("keys", { $0.expression = .in(["k17", "k18"]) }),
  ]

  @Test("Refuses the token of another query", arguments: others.map(\.0))
  func refusesTokenOfAnotherQuery(_ name: String) async throws {
    let fixture = try await filled()
    var query = query()
    query.pageToken = try fixture.get(query).nextPageToken
    Self.others.first { $0.0 == name }?.1(&query)
    #expect(try outcome(query, fixture).hasPrefix("page_token is of another query"))
  }

  @Test func refusesTheTokenOfAnotherListOfKeys() async throws {
    let fixture = try await filled()
    var query = query(.in((0..<20).map { "k\($0 + 10)" }))
    query.pageToken = try fixture.get(query).nextPageToken
    #expect(try outcome(query, fixture) == "k17")
    // The order of the keys, and how often one is named, say nothing.
    query.expression = .in((0..<20).map { "k\($0 + 10)" }.reversed() + ["k11"])
    #expect(try outcome(query, fixture) == "k17")
    query.expression = .in((0..<19).map { "k\($0 + 10)" })
    #expect(try outcome(query, fixture).hasPrefix("page_token"))
  }

  @Test func refusesTheTokenOfAnotherDatabase() async throws {
    let (first, second) = (try await filled(), try await filled())
    var query = query()
    query.pageToken = try first.get(query).nextPageToken
    #expect(try outcome(query, second).hasPrefix("page_token is cut off"))
  }

  @Test func refusesEveryCutAndEveryChangedLetter() async throws {
    let fixture = try await filled()
    var query = query()
    let token = try fixture.get(query).nextPageToken
    let letters = Array(token.utf8)
    var bad = letters.indices.dropFirst().map { Array(letters[..<$0]) }
    bad += [letters + [0x41], letters + letters, [0xFF], Array("!".utf8), Array("=".utf8)]
    for index in letters.indices {
      for other in "AZaz09-_+/= é".utf8 where other != letters[index] {
        var changed = letters
        changed[index] = other
        bad.append(changed)
      }
    }
    for token in bad {
      query.pageToken = String(decoding: token, as: UTF8.self)
      #expect(try outcome(query, fixture).hasPrefix("page_token"), "\(query.pageToken)")
    }
  }

  @Test func isThereExactlyWhenMoreRecordsAre() async throws {
    let fixture = try await filled()
    for size in [1, 29, 30, 31] {
      var query = TestQuery(.gte(""))
      query.pageSize = size
      #expect(try fixture.get(query).nextPageToken.isEmpty == (size >= 30), "\(size)")
    }
    // Keys that are named and not stored are no records.
    var query = TestQuery(.in(["k10", "k11", "k1x", "z"]))
    query.pageSize = 2
    #expect(try fixture.get(query).nextPageToken.isEmpty)
    query.pageSize = 1
    #expect(try !fixture.get(query).nextPageToken.isEmpty)
  }

  @Test func endsAPageBeforeItIsTooLargeForClients() async throws {
    let fixture = try await StoreFixture(.memory)
    let name = String(repeating: "n", count: 1 << 20)
    for index in 0..<5 {
      try fixture.put(WireBytes.field(1, "k\(index)") + WireBytes.field(2, name))
    }
    var query = TestQuery(.gte(""))
    query.pageSize = 5
    #expect(try fixture.get(query).records.count == 2)
    // A record that is larger than a page alone is a page.
    try fixture.put(
      WireBytes.field(1, "j") + WireBytes.field(2, String(repeating: "n", count: 3 << 20)))
    let page = try fixture.get(query)
    #expect(page.records.count == 1)
    query.pageToken = page.nextPageToken
    #expect(try fixture.get(query).records.count == 2)
    // Nor is a page larger than an answer may be.
    #expect(throws: StoreFixture.Paused(pause: .tooLarge)) {
      try fixture.get(query, limits: AnswerLimits(bytes: 1 << 20))
    }
  }

  static let contradictions: [(String, QueryError)] = [
    ("size", .countWith("page_size")), ("token", .countWith("page_token")),
  ]

  @Test("Refuses to count a page", arguments: contradictions)
  func refusesToCountAPage(_ what: String, _ expected: QueryError) async throws {
    let fixture = try await filled()
    var query = TestQuery(.gte(""))
    query.isCountOnly = true
    if what == "size" { query.pageSize = 1 } else { query.pageToken = "x" }
    #expect(throws: expected) { try fixture.get(query) }
  }

  @Test("A delete takes an expression alone", arguments: 16...21)
  func deleteTakesAnExpressionAlone(_ number: Int) throws {
    let value =
      number == 17 || number == 19
      ? WireBytes.field(number, []) : WireBytes.field(number, varint: 0)
    let request = WireBytes.field(4, "") + value
    let error = #expect(throws: QueryError.self) {
      try request.withUnsafeBytes { try parseIndexQuery($0).options.refuseForDelete() }
    }
    guard case .notForDelete = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}
