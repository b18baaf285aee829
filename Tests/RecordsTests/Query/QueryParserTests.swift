import Records
import Schema
import TestSupport
import Testing

@Suite("Query parser")
struct QueryParserTests {
  /// `gte abc`, or the error's sentence.
  private func parse(_ bytes: [UInt8]) -> String {
    do {
      return try bytes.withUnsafeBytes { buffer in
        switch try parseIndexQuery(buffer).expression {
        case .eq(let key): "eq \(String(decoding: key, as: UTF8.self))"
        case .gte(let key): "gte \(String(decoding: key, as: UTF8.self))"
        case .lte(let key): "lte \(String(decoding: key, as: UTF8.self))"
        case .beginsWith(let key): "begins_with \(String(decoding: key, as: UTF8.self))"
        case .gt(let key): "gt \(String(decoding: key, as: UTF8.self))"
        case .lt(let key): "lt \(String(decoding: key, as: UTF8.self))"
        case .range(let lower, let upper):
          "range "
            + (lower.map { ($0.isIncluded ? "[" : "(") + String(decoding: $0.key, as: UTF8.self) }
              ?? "-") + ".."
            + (upper.map { String(decoding: $0.key, as: UTF8.self) + ($0.isIncluded ? "]" : ")") }
              ?? "-")
        case .in(let list):
          "in \(Self.keys(list).joined(separator: ","))"
        }
      }
    } catch {
      return "\(error)"
    }
  }

  private static func keys(_ list: KeyList) -> [String] {
    var keys: [String] = []
    list.visitKeys { keys.append(String(decoding: $0, as: UTF8.self)) }
    return keys
  }

  static let long = String(repeating: "k", count: 4096)

  static let legal: [([UInt8], String)] = [
    (WireBytes.field(1, "a"), "eq a"), (WireBytes.field(2, "a"), "gte a"),
    (WireBytes.field(3, "ключ"), "lte ключ"), (WireBytes.field(4, "a"), "begins_with a"),
    (WireBytes.field(2, ""), "gte "), (WireBytes.field(3, ""), "lte "),
    (WireBytes.field(4, ""), "begins_with "), (WireBytes.field(1, long), "eq \(long)"),
    (WireBytes.field(99, varint: 1) + WireBytes.field(1, "a") + WireBytes.group(77, []), "eq a"),
    (WireBytes.field(32, "x") + WireBytes.field(99, "y") + WireBytes.field(1, "a"), "eq a"),
    (keys("b", "a", "b"), "in b,a,b"), (keys(long), "in \(long)"),
    (WireBytes.field(16, varint: 7) + keys("a") + WireBytes.field(20, varint: 1), "in a"),
    (WireBytes.field(5, "a"), "gt a"), (WireBytes.field(5, ""), "gt "),
    (WireBytes.field(6, "ключ"), "lt ключ"), (WireBytes.field(6, ""), "lt "),
    (range((1, "a"), (3, "b")), "range [a..b]"), (range((4, "b"), (2, "a")), "range (a..b)"),
    (range((1, "")), "range [..-"), (range((2, "a")), "range (a..-"),
    (range((3, long)), "range -..\(long)]"), (range((4, "")), "range -..)"),
    // Contradicting bounds are a legal question; its answer is empty.
    (range((1, "b"), (4, "a")), "range [b..a)"),
    (WireBytes.field(99, "x") + range((1, "a")) + WireBytes.field(40, varint: 7), "range [a..-"),
  ]

  /// A query by `Range`, with the fields given.
  private static func range(_ fields: (Int, String)...) -> [UInt8] {
    WireBytes.field(7, fields.flatMap { WireBytes.field($0.0, $0.1) })
  }

  /// A query by `in`, with the keys given.
  private static func keys(_ keys: String...) -> [UInt8] {
    WireBytes.field(8, keys.flatMap { WireBytes.field(1, $0) })
  }

  @Test("Reads the expression", arguments: legal)
  func reads(_ bytes: [UInt8], _ expected: String) { #expect(parse(bytes) == expected) }

  static let refused: [([UInt8], QueryError)] =
    [
      ([], .missing), (WireBytes.field(99, "x"), .missing), (WireBytes.field(1, ""), .emptyKey),
      (WireBytes.field(1, "a") + WireBytes.field(4, ""), .several(1, 4)),
      (WireBytes.field(4, "") + WireBytes.field(1, "a"), .several(4, 1)),
      (WireBytes.field(2, "a") + WireBytes.field(3, "b"), .several(2, 3)),
      (WireBytes.field(1, "a") + WireBytes.field(1, "b"), .several(1, 1)),
      (WireBytes.field(1, "") + WireBytes.field(1, "a"), .several(1, 1)),
      (WireBytes.field(1, long + "k") + WireBytes.field(2, "a"), .several(1, 2)),
      (
        WireBytes.field(2, "a") + WireBytes.field(99, "x") + WireBytes.field(3, "b")
          + WireBytes.field(4, ""), .several(2, 3)
      ),
      (WireBytes.field(1, long + "k"), .keyTooLong(4097)),
      (WireBytes.field(4, long + "k"), .keyTooLong(4097)),
      (WireBytes.field(2, [0x61, 0xFF]), .invalidUTF8(field: 2, offset: 3)),
      (WireBytes.field(2, [0xFF]) + WireBytes.field(1, "a"), .invalidUTF8(field: 2, offset: 2)),
      (WireBytes.field(5, "a") + WireBytes.field(6, "b"), .several(5, 6)),
      (WireBytes.field(6, "a") + WireBytes.field(6, "b"), .several(6, 6)),
      (range((1, "a")) + range((3, "b")), .several(7, 7)),
      (range((1, "a")) + WireBytes.field(4, ""), .several(7, 4)),
      (WireBytes.field(4, "") + range(), .several(4, 7)),
      (WireBytes.field(5, long + "k"), .keyTooLong(4097)),
      (WireBytes.field(6, [0xFF]), .invalidUTF8(field: 6, offset: 2)),
      (range(), .unbounded), (range((1, "a"), (2, "b")), .severalBounds(1, 2)),
      (range((4, "a"), (1, "k"), (3, "b")), .severalBounds(4, 3)),
      (range((3, "a"), (3, "b")), .severalBounds(3, 3)),
      (range((1, "a"), (5, "b")), .unsupportedBound(5)), (range((9, "a")), .unsupportedBound(9)),
      (range((2, long + "k"), (4, "a")), .keyTooLong(4097)),
      (
        WireBytes.field(7, WireBytes.field(1, "a") + WireBytes.field(4, [0x61, 0xFF])),
        .boundNotUTF8(field: 4, offset: 8)
      ),
    ]
    + [
      (keys(), .noKeys), (keys("a", ""), .emptyKeyInList(1)),
      (keys("a", long + "k"), .keyTooLong(4097)),
      (
        WireBytes.field(8, (0...1000).flatMap { _ in WireBytes.field(1, "k") }), .tooManyKeys(1001)
      ),
      (keys("a") + keys("b"), .several(8, 8)),
      (keys("a") + WireBytes.field(1, "b"), .several(8, 1)),
      (
        WireBytes.field(8, WireBytes.field(1, "a") + WireBytes.field(2, "b")),
        .unsupportedIn(message: "IndexQuery.Keys", field: 2)
      ),
      (
        WireBytes.field(8, WireBytes.field(1, "a") + WireBytes.field(1, [0x61, 0xFF])),
        .invalidUTF8(field: 8, offset: 8)
      ),
      (WireBytes.field(18, varint: 2) + WireBytes.field(1, "a"), .unknownOrder(2)),
    ]
    + (Array(9...15) + Array(22...31)).flatMap { number -> [([UInt8], QueryError)] in
      [
        (WireBytes.field(number, "x"), .unsupported(number)),
        (WireBytes.field(number, varint: 0) + WireBytes.field(4, ""), .unsupported(number)),
        (WireBytes.field(4, "") + WireBytes.field(number, []), .unsupported(number)),
      ]
    }

  @Test("Refuses what it cannot answer", arguments: refused)
  func refuses(_ bytes: [UInt8], _ expected: QueryError) {
    #expect(parse(bytes) == "\(expected)")
  }

  static let malformed: [[UInt8]] = [
    [0x0A], [0x0A, 2, 0x61], [0x80], [0x00], [0x0E], WireBytes.tag(1, 4), WireBytes.tag(9, 3),
    WireBytes.field(1, varint: 1), WireBytes.field(1, "a") + [0x22],
    WireBytes.tag(5, 2) + [9], WireBytes.tag(2, 5) + [0, 0, 0, 0], WireBytes.field(7, varint: 1),
    WireBytes.field(7, [0x0A]), WireBytes.field(7, [0x0A, 2, 0x61]), WireBytes.field(7, [0x08, 1]),
    WireBytes.field(8, varint: 1), WireBytes.field(8, [0x0A]), WireBytes.field(8, [0x0A, 2, 0x61]),
    WireBytes.field(16, "a"), WireBytes.field(17, varint: 1), WireBytes.field(18, "a"),
    WireBytes.field(19, varint: 1), WireBytes.field(20, "a"), WireBytes.field(21, "a"),
    WireBytes.tag(16, 0), WireBytes.tag(17, 2) + [3], WireBytes.field(4, "") + [0x80, 1, 0xFF],
    WireBytes.field(7, WireBytes.tag(9, 3)), WireBytes.field(7, [0x0A, 1, 0x61, 0x80]),
  ]

  @Test("Refuses what is malformed", arguments: malformed)
  func refusesMalformed(_ bytes: [UInt8]) {
    do {
      _ = try bytes.withUnsafeBytes { _ = try parseIndexQuery($0) }
      Issue.record("accepted")
    } catch {
      guard case .malformed(let reason)? = error as? QueryError else {
        Issue.record("\(error)")
        return
      }
      #expect(reason.offset <= bytes.count)
    }
  }

  @Test func saysWhatToDo() {
    #expect(parse([]).contains("eq, gte, gt, lte, lt, range, in, begins_with"))
    #expect(
      parse(WireBytes.field(1, "a") + WireBytes.field(4, ""))
        == "the query has two expressions, eq and begins_with: set one alone")
    #expect(
      parse(WireBytes.field(2, "a") + WireBytes.field(2, "b"))
        == "the query has two expressions, both gte: set one alone")
    #expect(parse(WireBytes.field(15, "x")).contains("field 15 of IndexQuery"))
    #expect(
      parse(WireBytes.field(1, varint: 1))
        == "eq of the query is no string, at byte 0; generate the client from this server's schema")
    #expect(parse(WireBytes.field(7, varint: 1)).hasPrefix("range of the query is no message"))
    #expect(
      parse(Self.range((1, "a"), (2, "b"))).contains("two bounds of one end, gte and gt: set"))
    #expect(parse(Self.range()).contains("has no bound: set one of gte and gt"))
    #expect(
      parse(WireBytes.field(3, [0xFF]))
        == "lte of the query is not UTF-8 at byte 2; keys are UTF-8 text")
  }
}
