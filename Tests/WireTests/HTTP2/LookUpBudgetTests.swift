import Bytes
import NIOEmbedded
import Synchronization
import TestSupport
import Testing
import Wire

/// Notes whether each call may read blocks, and counts for as many look-ups as its request has bytes.
private final class Note: UnaryHandler {
  let leaves = Mutex<[Bool]>([])

  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    leaves.withLock { $0.append(context.mayReadBlocks) }
    if request.count > 1 { context.charge(lookUps: request.count - 1) }
    return .done
  }
}

/// Answers with a megabyte.
private struct Large: UnaryHandler {
  func call(_ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter)
    -> UnaryOutcome
  {
    response.append([UInt8](repeating: 0, count: 1 << 20))
    return .done
  }
}

/// How long one read of a connection may hold its event loop.
@Suite("Look-up budget") struct LookUpBudgetTests {
  /// Whether each call that notes it may read blocks, when all calls of a list come in one read.
  private func leaves(_ reads: [[(path: String, bytes: Int)]]) throws -> [[Bool]] {
    let note = Note()
    let server = try #require(
      InMemoryConnection(
        eventLoop: EmbeddedEventLoop(), configuration: WireConfiguration(loopCount: 1),
        unary: [("/t.S/Note", note), ("/t.S/Large", Large())]))
    let client = HTTP2TestClient()
    // The preface, and the settings of both.
    for _ in 0..<2 {
      server.receive(client.output())
      client.receive(server.send())
    }
    return reads.map { calls in
      for call in calls {
        _ = client.request(
          call.path, body: HTTP2TestClient.framed([UInt8](repeating: 0, count: call.bytes)))
      }
      server.receive(client.output())
      return note.leaves.withLock { leaves in
        defer { leaves = [] }
        return leaves
      }
    }
  }

  @Test func isOfOneReadEvent() throws {
    let calls = Array(
      repeating: (path: "/t.S/Note", bytes: 1), count: CallContext.lookUpsPerRead + 3)
    let expected =
      Array(repeating: true, count: CallContext.lookUpsPerRead) + [false, false, false]
    #expect(try leaves([calls, calls]) == [expected, expected])
  }

  @Test func countsWhatAHandlerCharges() throws {
    let most = CallContext.lookUpsPerRead
    #expect(
      try leaves([[("/t.S/Note", most - 1), ("/t.S/Note", 1), ("/t.S/Note", 1)]])
        == [[true, true, false]])
  }

  @Test func countsTheBytesOfAnswers() throws {
    let large = (path: "/t.S/Large", bytes: 0)
    #expect(
      try leaves([[large, ("/t.S/Note", 1), large, ("/t.S/Note", 1)], [("/t.S/Note", 1)]])
        == [[true, false], [true]])
  }
}
