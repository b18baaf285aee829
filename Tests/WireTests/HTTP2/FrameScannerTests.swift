import Testing
import Wire

/// A frame of HTTP/2.
func http2Frame(
  _ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8] = []
) -> [UInt8] {
  var bytes = bigEndianBytes(UInt32(payload.count) << 8 | UInt32(type))
  bytes.append(flags)
  bytes += bigEndianBytes(stream)
  bytes += payload
  return bytes
}

func bigEndianBytes(_ value: UInt32) -> [UInt8] {
  withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

@Suite("Frame scanner") struct FrameScannerTests {
  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  private static let endStream: UInt8 = 1
  private static let endHeaders: UInt8 = 4

  /// HEADERS that begin a request; `rest` are more flags.
  private static func headers(_ stream: UInt32, _ rest: UInt8 = 0, whole: Bool = true) -> [UInt8] {
    http2Frame(1, (whole ? endHeaders : 0) | rest, stream, [0x82, 0x86])
  }

  private static func data(_ stream: UInt32, _ bytes: Int = 9, end: Bool = false) -> [UInt8] {
    http2Frame(0, end ? endStream : 0, stream, [UInt8](repeating: 7, count: bytes))
  }

  private static func priority(_ stream: UInt32, on other: UInt32) -> [UInt8] {
    var payload = bigEndianBytes(other)
    payload.append(15)
    return http2Frame(2, 0, stream, payload)
  }

  /// HEADERS of a request without a body, which depends on another one.
  private static func headers(
    _ stream: UInt32, on other: UInt32, padded: Bool = false
  ) -> [UInt8] {
    var payload: [UInt8] = padded ? [0] : []
    payload += bigEndianBytes(other)
    payload += [15, 0x82]
    return http2Frame(1, padded ? 0x2D : 0x25, stream, payload)
  }

  private struct Seen: Equatable {
    var accepted: Int
    var violation: FrameScanner.Violation?
    var cost: Int
    var begun: Int
  }

  /// What comes of frames that come in these pieces.
  private static func scan(_ pieces: [ArraySlice<UInt8>]) -> Seen {
    var scanner = FrameScanner()
    var accepted = 0
    for piece in pieces {
      accepted += Array(piece).withUnsafeBytes { scanner.scan($0) }
      if scanner.violation != nil { break }
    }
    return Seen(
      accepted: accepted, violation: scanner.violation, cost: scanner.cost,
      begun: scanner.begunStreams)
  }

  struct Row: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var frames: [[UInt8]]
    /// Found in the last frame.
    var violation: FrameScanner.Violation?
    var cost = 0
    var begun = 0

    init(
      _ name: String, _ frames: [[UInt8]], _ violation: FrameScanner.Violation? = nil,
      cost: Int = 0, begun: Int = 0
    ) {
      testDescription = name
      self.frames = frames
      self.violation = violation
      self.cost = cost
      self.begun = begun
    }
  }

  static let rows: [Row] = [
    Row("nothing", []),
    Row("a unary call", [headers(1), data(1, end: true)], begun: 1),
    Row(
      "calls in turn",
      [headers(1), headers(3), data(3), data(1, end: true), data(3, end: true)], begun: 2),
    Row("trailers", [headers(1), data(1), headers(1, endStream)], cost: 4, begun: 1),
    Row("DATA after its end", [headers(1), data(1, end: true), data(1)], .streamClosed, begun: 1),
    Row("DATA after HEADERS that end", [headers(1, endStream), data(1)], .streamClosed, begun: 1),
    Row(
      "DATA after trailers", [headers(1), headers(1, endStream), data(1)], .streamClosed, cost: 4,
      begun: 1),
    Row(
      "DATA after RST_STREAM", [headers(1), http2Frame(3, 0, 1, [0, 0, 0, 8]), data(1)],
      .streamClosed,
      cost: 1, begun: 1),
    Row(
      "HEADERS after their end", [headers(1, endStream), headers(1)], .streamClosed, cost: 4,
      begun: 1),
    Row(
      "WINDOW_UPDATE and RST_STREAM after the end",
      [
        headers(1, endStream), http2Frame(8, 0, 1, [0, 0, 0, 1]),
        http2Frame(3, 0, 1, [0, 0, 0, 8]),
      ], cost: 2,
      begun: 1),
    Row(
      "a stream that was left out", [headers(5), headers(3)], .streamOutOfOrder, cost: 4, begun: 1),
    Row("DATA on one that was left out", [headers(5), data(3)], .streamClosed, begun: 1),
    Row("streams far apart", [headers(1), headers(1 << 30 | 1), data(1)], cost: 1, begun: 2),
    Row(
      "the oldest that is remembered", [headers(1, endStream), headers(511), data(1)],
      .streamClosed,
      begun: 2),
    Row(
      "one that is forgotten", [headers(1, endStream), headers(513), data(1)], cost: 1, begun: 2),
    // nghttp2 ends the connection for these.
    Row("an idle stream", [data(1)], cost: 1),
    Row("an even stream", [headers(2)], cost: 4),
    Row("stream 0", [headers(0), data(0)], cost: 5),
    Row("DATA inside a block", [headers(1, endStream, whole: false), data(1)], cost: 1, begun: 1),
    Row(
      "CONTINUATION",
      [headers(1, whole: false), http2Frame(9, 0, 1, [1]), http2Frame(9, 4, 1), data(1)],
      cost: 2, begun: 1),
    // Dependencies.
    Row("a dependency", [priority(3, on: 1), priority(1, on: 0)], cost: 2),
    Row(
      "PRIORITY on itself", [headers(1), priority(1, on: 1)], .selfDependency, cost: 1, begun: 1),
    Row("PRIORITY on itself, exclusive", [priority(7, on: 1 << 31 | 7)], .selfDependency, cost: 1),
    Row("PRIORITY on stream 0", [priority(0, on: 1)], .priorityOfConnection, cost: 1),
    Row(
      "HEADERS with a dependency", [headers(3, on: 1), data(3)],
      .streamClosed, begun: 1),
    Row(
      "HEADERS on themselves", [headers(3, on: 3)], .selfDependency),
    Row(
      "padded HEADERS on themselves", [headers(3, on: 3, padded: true)],
      .selfDependency),
    // Frames that carry nothing.
    Row(
      "empty DATA", [headers(1), data(1, 0), data(1, 4), data(1, 5), data(1, 0, end: true)],
      cost: 2, begun: 1),
    Row("SETTINGS", [http2Frame(4, 0, 0, [UInt8](repeating: 0, count: 12))], cost: 18),
    Row("SETTINGS that acknowledge", [http2Frame(4, 1, 0)], cost: 1),
    Row("PING", [http2Frame(6, 0, 0, [UInt8](repeating: 0, count: 8))]),
    Row("the answer to a PING", [http2Frame(6, 1, 0, [UInt8](repeating: 0, count: 8))], cost: 1),
    Row("an unknown type", [http2Frame(0x5A, 0xFF, 77, [1, 2, 3])], cost: 1),
    Row("short PRIORITY", [http2Frame(2, 0, 1, [0, 0, 0])], cost: 1),
  ]

  /// Every row at once, and cut in two at every byte, and byte by byte.
  @Test(arguments: rows)
  func seesTheSameHoweverTheBytesCome(_ row: Row) {
    let bytes = Self.preface + row.frames.joined()
    let last = row.violation == nil ? 0 : row.frames.last?.count ?? 0
    let expected = Seen(
      accepted: bytes.count - last, violation: row.violation, cost: row.cost, begun: row.begun)
    #expect(Self.scan([bytes[...]]) == expected)
    for cut in 0...bytes.count {
      var seen = Self.scan([bytes[..<cut], bytes[cut...]])
      // Of a header in two pieces the first one has been given away.
      if seen.violation != nil { seen.accepted = min(seen.accepted, expected.accepted) }
      #expect(seen == expected, "cut at \(cut)")
    }
    var seen = Self.scan(bytes.indices.map { bytes[$0...$0] })
    if seen.violation != nil { seen.accepted = min(seen.accepted, expected.accepted) }
    #expect(seen == expected)
  }

  @Test func takesTheCostOnce() {
    var scanner = FrameScanner()
    let bytes = Self.preface + http2Frame(4, 1, 0)
    bytes.withUnsafeBytes { _ = scanner.scan($0) }
    #expect(scanner.takeCost() == 1)
    #expect(scanner.takeCost() == 0)
  }

  /// The longest payload that a header can tell of is skipped without being there.
  @Test func skipsLongPayloads() {
    var scanner = FrameScanner()
    let header: [UInt8] = [0xFF, 0xFF, 0xFF, 0x5A, 0, 0, 0, 0, 0]
    (Self.preface + header).withUnsafeBytes { _ = scanner.scan($0) }
    let piece = [UInt8](repeating: 0, count: 1 << 16)
    for _ in 0..<255 { piece.withUnsafeBytes { _ = scanner.scan($0) } }
    #expect(scanner.takeCost() == 1)
    piece.dropLast().withUnsafeBytes { _ = scanner.scan($0) }
    #expect(scanner.takeCost() == 0)
    http2Frame(4, 1, 0).withUnsafeBytes { _ = scanner.scan($0) }
    #expect(scanner.takeCost() == 1)
  }
}

@Suite("Frame budget") struct FrameBudgetTests {
  @Test func givesBackWithTime() {
    var budget = FrameBudget()
    #expect(budget.spend(FrameBudget.capacity) == true)
    #expect(budget.spend(1) == false)
    budget.recover(2_000_000_000)
    #expect(budget.spend(2 * FrameBudget.perSecond - 1) == true)
    #expect(budget.spend(1) == false)
    budget.recover(.max)
    #expect(budget.spend(FrameBudget.capacity) == true)
    #expect(budget.spend(1) == false)
  }

  @Test func isEarnedByTakingAnswers() {
    var budget = FrameBudget()
    #expect(budget.spend(FrameBudget.capacity) == true)
    budget.earn(dataFrames: 10, calls: 5)
    #expect(budget.spend(50) == true)
    #expect(budget.spend(1) == false)
    budget.earn(dataFrames: 1 << 40, calls: 0)
    #expect(budget.spend(FrameBudget.mostSaved) == true)
    #expect(budget.spend(1) == false)
    // Time does not take away what was earned.
    budget.earn(dataFrames: 10_000, calls: 0)
    budget.recover(1_000_000_000)
    #expect(budget.spend(39_999) == true)
  }
}
