import Bytes
import Wire

/// Answers with the request, and with what it was sent of metadata.
struct EchoMethod: UnaryHandler {
  let calls: FuzzedCalls

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    calls.started()
    require(request.count <= FuzzedServer.requestBytes, "no message is too large")
    var metadata = ResponseMetadata()
    if let text = context.metadata("x-a") { metadata.add("x-a", text, to: .header) }
    for bytes in context.binaryMetadata("x-b-bin") { metadata.add("x-b-bin", bytes, to: .trailer) }
    _ = context.metadata("x-c")
    _ = (context.caller, context.isMessageCompressed, context.peer)
    if metadata != ResponseMetadata() { context.add(metadata) }
    response.append(request)
    calls.wrote(request.count)
    return .done
  }
}

/// Fails with the request for a sentence.
struct RefuseMethod: UnaryHandler {
  let calls: FuzzedCalls

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    calls.started()
    calls.wrote(request.count)
    let text = String(decoding: request, as: UTF8.self)
    return .failed(RPCStatus(.notFound, reason: "REFUSED", text, metadata: [("text", text)]))
  }
}

/// Leaves its calls to another thread.
struct LaterMethod: UnaryHandler {
  let calls: FuzzedCalls

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    calls.started()
    calls.wait(context.token)
    return request.isEmpty ? .pending : .cancellable(CallCancellation())
  }
}

/// Sends as many messages as its request says, some of them from another thread.
///
///     count: 8 | which are sent by another thread: 8 | 16 bytes of a message: 8
struct PagesMethod: ServerStreamHandler {
  let calls: FuzzedCalls

  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    guard request.count >= 3 else {
      calls.started()
      return .failed(RPCStatus(.invalidArgument, reason: "SHORT", "three bytes are needed"))
    }
    return .stream(
      Pages(
        calls: calls, token: context.token, count: Int(request[0]), later: request[1],
        bytes: 16 * Int(request[2])))
  }
}

private final class Pages: ServerStream {
  private let calls: FuzzedCalls
  private let order: PullOrder
  private let token: CallToken
  private let later: UInt8
  private let bytes: Int
  private var left: Int

  init(calls: FuzzedCalls, token: CallToken, count: Int, later: UInt8, bytes: Int) {
    self.calls = calls
    self.token = token
    self.later = later
    self.bytes = bytes
    left = count
    order = calls.startedStream()
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    order.pulled()
    guard left > 0, calls.mayWrite else { return order.answers(.finished(nil)) }
    left -= 1
    if later >> UInt8(left % 8) & 1 == 1 {
      calls.wait(token, order)
      return order.answers(.pending)
    }
    response.append([UInt8](repeating: UInt8(left), count: bytes))
    calls.wrote(bytes + 64)
    return order.answers(.message)
  }

  func cancel() { order.cancelled() }
}

/// Answers each message with itself. The first byte of one says: by another thread (bit 0), or fail (all bits).
struct ChatMethod: StreamingHandler {
  let calls: FuzzedCalls

  func start(_ context: CallContext) -> any StreamingCall {
    Chat(calls: calls, token: context.token)
  }
}

private final class Chat: StreamingCall {
  private let calls: FuzzedCalls
  private let order: PullOrder
  private let token: CallToken
  private var message: [UInt8]?
  private var isAtEnd = false

  init(calls: FuzzedCalls, token: CallToken) {
    self.calls = calls
    self.token = token
    order = calls.startedStream()
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    order.pulled()
    guard let message else {
      return order.answers(isAtEnd ? .finished(nil) : .needsMessage)
    }
    self.message = nil
    switch message.first {
    case 0xFF?:
      return order.answers(.finished(RPCStatus(.aborted, reason: "ASKED", "as it was asked to")))
    case let first? where first & 1 == 1:
      calls.wait(token, order)
      return order.answers(.pending)
    default:
      response.append(message)
      calls.wrote(message.count + 64)
      return order.answers(.message)
    }
  }

  func receive(_ message: UnsafeRawBufferPointer) {
    order.received()
    require(message.count <= FuzzedServer.requestBytes, "no message is too large")
    self.message = Array(message)
  }

  func halfClose() {
    order.halfClosed()
    isAtEnd = true
  }

  func cancel() { order.cancelled() }
}
