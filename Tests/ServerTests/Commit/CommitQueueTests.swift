import Bytes
import Engine
import NIOEmbedded
import Server
import Synchronization
import TestSupport
import Testing
import Wire

/// Queues one put for each call.
private struct PutOne: UnaryHandler {
  let commits: CommitQueue

  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    let isQueued = commits.enqueue(context.token, byteCount: request.count) {
      $0.put(request, request)
    }
    return isQueued ? .pending : .failed(RPCStatus(.resourceExhausted, reason: "FULL", "full"))
  }
}

@Suite("Commit queue") struct CommitQueueTests {
  private let engine = GatedEngine()
  private let client = HTTP2TestClient()
  private let loop = EmbeddedEventLoop()
  private let commits: CommitQueue
  private let server: InMemoryConnection

  init() throws {
    commits = CommitQueue(engine: engine, durability: .sync)
    server = try #require(
      InMemoryConnection(
        eventLoop: loop, configuration: WireConfiguration(loopCount: 1),
        unary: [("/t.S/Put", PutOne(commits: commits))]))
    commits.start(completions: server.completions())
    exchange()
  }

  private func exchange() {
    while true {
      let toServer = client.output()
      if !toServer.isEmpty { server.receive(toServer) }
      let toClient = server.send()
      client.receive(toClient)
      if toServer.isEmpty && toClient.isEmpty { return }
    }
  }

  private func put(_ count: Int) -> [Int32] {
    let streams = (0..<count).map {
      client.request("/t.S/Put", body: HTTP2TestClient.framed([UInt8(truncatingIfNeeded: $0), 1]))
    }
    exchange()
    return streams
  }

  /// Ends the queue, which commits what is in it, and lets the loop send the answers.
  private func finish() {
    commits.stop()
    loop.run()
    exchange()
  }

  @Test func answersOnlyAfterTheEngineHasTheWrite() throws {
    let streams = put(3)
    loop.run()
    exchange()
    for stream in streams { #expect(client.responses[stream]?.headers["grpc-status"] == nil) }
    engine.open()
    finish()
    for stream in streams { #expect(client.responses[stream]?.headers["grpc-status"] == "0") }
    #expect(try engine.value(forKey: [2, 1]) == [2, 1])
  }

  @Test func gathersWhatWaitsIntoOneBatch() throws {
    let streams = put(200)
    engine.open()
    finish()
    let groups = engine.groups.withLock { $0 }
    #expect(groups.reduce(0, +) == 200)
    // The first group holds what came before the commit thread looked; all else waited behind it.
    #expect(groups.count <= 2)
    #expect(streams.allSatisfy { client.responses[$0]?.headers["grpc-status"] == "0" })
  }

  @Test(arguments: [
    (EngineError.readOnly(reason: "fsync failed"), "14", "not stored"),
    (.io(.init(operation: .apply, directory: "d", detail: "EIO")), "14", "not known"),
    (.noSpace(.init(operation: .apply, directory: "d", detail: "ENOSPC")), "8", "not known"),
    (.corruption(.init(operation: .apply, directory: "d", detail: "bad")), "15", "not known"),
    (.tooLarge(bytes: 11, limit: 10), "8", "not stored"),
  ])
  func tellsEveryCallOfAGroupThatItFailed(_ error: EngineError, _ status: String, _ words: String)
    throws
  {
    engine.fail(with: error)
    let streams = put(5)
    engine.open()
    finish()
    for stream in streams {
      #expect(client.responses[stream]?.headers["grpc-status"] == status)
      #expect(client.responses[stream]?.headers["grpc-message"]?.contains(words) == true)
    }
  }

  @Test func givesALargeCallABatchOfItsOwn() throws {
    let large = [UInt8](repeating: 1, count: CommitQueue.groupBytes)
    // The first one keeps the commit thread busy.
    var streams = put(1)
    streams += put(2)
    streams.append(client.request("/t.S/Put", body: HTTP2TestClient.framed(large)))
    exchange()
    streams += put(2)
    engine.open()
    finish()
    #expect(engine.groups.withLock { $0 }.suffix(2) == [1, 2])
    #expect(streams.allSatisfy { client.responses[$0]?.headers["grpc-status"] == "0" })
  }

  @Test func commitsWhatIsQueuedWhenItStopsAndThenTakesNoMore() throws {
    let streams = put(10)
    engine.open()
    finish()
    #expect(streams.allSatisfy { client.responses[$0]?.headers["grpc-status"] == "0" })
    let late = put(1)
    #expect(client.responses[late[0]]?.headers["grpc-status"] == "8")
  }
}
