import Bytes
import Engine
import NIOEmbedded
import Records
import Server
import TestSupport
import Testing
import Wire

/// Queues one put for each call.
private struct PutOne: UnaryHandler {
  let commits: CommitQueue

  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    let isQueued = commits.enqueue(CommitTicket(context.token), byteCount: request.count) {
      $0.put(request, request)
    }
    return isQueued ? .pending : .failed(RPCStatus(.resourceExhausted, reason: "FULL", "full"))
  }
}

/// The answers of calls that waited for their commit.
@Suite("Call completions") struct CallCompletionsTests {
  /// - Returns: the statuses of `count` calls that were committed to `engine`.
  private func statuses(_ count: Int, _ engine: any StorageEngine) throws -> [String?] {
    let client = HTTP2TestClient()
    let loop = EmbeddedEventLoop()
    let commits = CommitQueue(engine: engine, durability: .sync)
    let server = try #require(
      InMemoryConnection(
        eventLoop: loop, configuration: WireConfiguration(loopCount: 1),
        unary: [("/t.S/Put", PutOne(commits: commits))]))
    func exchange() { client.exchange(with: server) }
    exchange()
    let streams = (0..<count).map {
      client.request("/t.S/Put", body: HTTP2TestClient.framed([UInt8(truncatingIfNeeded: $0), 1]))
    }
    exchange()
    for stream in streams { #expect(client.responses[stream]?.headers["grpc-status"] == nil) }
    commits.start(CallCompletions(server.completions()))
    commits.stop()
    loop.run()
    exchange()
    return streams.map { client.responses[$0]?.headers["grpc-status"] }
  }

  @Test func answerEachCallOfACommit() throws {
    let engine = MemoryEngine()
    #expect(try statuses(200, engine) == Array(repeating: "0", count: 200))
    #expect(try engine.value(forKey: [199, 1]) == [199, 1])
  }

  @Test func answerEachCallOfAFailedCommit() throws {
    let engine = MemoryEngine()
    try engine.close()
    #expect(try statuses(5, engine) == Array(repeating: "14", count: 5))
  }
}
