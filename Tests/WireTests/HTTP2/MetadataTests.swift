import Bytes
import Synchronization
import TestSupport
import Testing
import Wire

private let words = "x-words"
private let bytes = "x-bytes-bin"

/// Says what it is sent, by header and trailer; fails when asked to by an empty message.
private struct Echo: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    var metadata = ResponseMetadata()
    if let text = context.metadata(words) { metadata.add(words, text, to: .header) }
    for value in context.binaryMetadata(bytes) { metadata.add(bytes, value, to: .trailer) }
    context.add(metadata)
    response.append(request)
    return request.isEmpty ? .failed(RPCStatus(.notFound, reason: "NO_DOG", "no dog")) : .done
  }
}

/// Says how many fields it finds.
private struct Counting: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    response.append(
      "\(context.binaryMetadata(bytes).count) \(context.metadata(words) == nil ? 0 : 1)")
    return .done
  }
}

private final class Later: UnaryHandler {
  let token = Mutex<CallToken?>(nil)

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    token.withLock { $0 = context.token }
    return .pending
  }
}

@Suite("Metadata") struct MetadataTests {
  private func link(_ later: Later = Later()) throws -> ServiceLink {
    try ServiceLink(
      unary: [("/t.S/Echo", Echo()), ("/t.S/Plain", Counting()), ("/t.S/Later", later)],
      metadata: ["/t.S/Echo": [bytes, words]])
  }

  private func call(
    _ link: ServiceLink, _ path: String, _ message: [UInt8], _ headers: [(String, String)]
  ) throws -> HTTP2TestClient.Response {
    let stream = link.client.request(
      path, body: HTTP2TestClient.framed(message), headers: headers)
    link.exchange()
    return try #require(link.client.responses[stream])
  }

  @Test(arguments: [[1], []] as [[UInt8]])
  func comesBackInHeaderAndTrailer(_ message: [UInt8]) throws {
    let answer = try call(
      try link(), "/t.S/Echo", message, [(words, "a b"), (bytes, "q6ur"), (words, "c")])
    #expect(answer.headers["grpc-status"] == (message.isEmpty ? "5" : "0"))
    #expect(answer.headers[words] == "a b,c")
    #expect(answer.headers[bytes] == "q6ur")
    #expect(answer.headers["content-type"] == "application/grpc")
  }

  @Test func isKeptForThoseAloneWhoWantIt() throws {
    let link = try link()
    let answer = try call(link, "/t.S/Plain", [1], [(words, "a"), (bytes, "no base64")])
    #expect(answer.body == HTTP2TestClient.framed(Array("0 0".utf8)))
    #expect(answer.headers[words] == nil)
    // And the next call of another client of the same slot has none.
    #expect(try call(link, "/t.S/Echo", [1], []).headers[words] == nil)
  }

  @Test(arguments: ["!!!!", "q", "q6ur=", "q6u==", "q===", "q6ur,?", "=", "q=6u"])
  func refusesBytesThatAreNotBase64(_ value: String) throws {
    let answer = try call(try link(), "/t.S/Echo", [1], [(bytes, value)])
    #expect(answer.headers[":status"] == "400")
    #expect(answer.headers["grpc-status"] == "13")
    #expect(answer.headers["grpc-message"]?.hasPrefix("malformed metadata") == true)
  }

  @Test(
    arguments: [
      ("", [[]]), ("Zg", [[102]]), ("Zg==", [[102]]), ("Zm8", [[102, 111]]),
      ("Zm8=", [[102, 111]]),
      ("+/8", [[251, 255]]), ("Zg==,Zm8, Zg", [[102], [102, 111], [102]]), (",Zg", [[], [102]]),
      ("Z m8", nil), ("Zm8-", nil), ("Zm9v====", nil),
    ] as [(String, [[UInt8]]?)])
  func readsBinaryValues(_ text: String, _ expected: [[UInt8]]?) {
    #expect(HeaderEncoding.binaryValues(Array(text.utf8)) == expected)
  }

  @Test(
    arguments: [
      ("x-a", "text", true), ("x-a", "", true), ("x-a", "ü", false), ("x-a", "a\nb", false),
      ("x-a-bin", "text", false), ("X-A", "text", false), ("", "text", false),
      (":path", "/", false),
      ("grpc-status", "0", false), ("te", "trailers", false), ("content-type", "a", false),
      ("x-a", String(repeating: "a", count: 3000), false),
    ])
  func takesWhatGRPCAllows(_ name: String, _ text: String, _ isTaken: Bool) {
    var metadata = ResponseMetadata()
    #expect(metadata.add(name, text, to: .header) == isTaken)
    #expect((metadata == ResponseMetadata()) == !isTaken)
  }

  @Test func comesFromAnotherThread() throws {
    let later = Later()
    let link = try link(later)
    let stream = link.open("/t.S/Later", [[1]])
    var (first, second) = (ResponseMetadata(), ResponseMetadata())
    first.add("x-first", "1", to: .header)
    second.add("x-second-bin", [0xff], to: .trailer)
    var completions = try #require(link.server?.completions())
    let token = try #require(later.token.withLock { $0 })
    for outcome in [.metadata(first), .metadata(second), .empty] as [Completions.Outcome] {
      completions.complete(token, outcome)
    }
    completions.post()
    link.exchange()
    #expect(link.status(stream) == "0")
    #expect(link.client.responses[stream]?.headers["x-first"] == "1")
    #expect(link.client.responses[stream]?.headers["x-second-bin"] == "/w")
  }
}
