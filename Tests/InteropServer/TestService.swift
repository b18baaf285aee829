import Bytes
import Synchronization
import Wire

/// gRPC's own service for tests of interoperability, `grpc.testing.TestService`. `UnimplementedCall` is left out, as
/// the tests want it.
enum TestService {
  /// Fields of a request that come back in the answer's header and trailer.
  static let echoedText = "x-grpc-test-echo-initial"
  static let echoedBytes = "x-grpc-test-echo-trailing-bin"

  static func register(on server: GRPCServer) {
    let metadata = [echoedText, echoedBytes]
    func path(_ method: String) -> String { "/grpc.testing.TestService/\(method)" }
    server.register(path("EmptyCall"), unary: EmptyCall())
    server.register(path("UnaryCall"), unary: UnaryCall(), metadata: metadata)
    server.register(path("StreamingOutputCall"), serverStream: StreamingOutputCall())
    server.register(path("StreamingInputCall"), streaming: StreamingInputCall())
    server.register(
      path("FullDuplexCall"), streaming: DuplexCall(answersAtOnce: true), metadata: metadata)
    server.register(
      path("HalfDuplexCall"), streaming: DuplexCall(answersAtOnce: false), metadata: metadata)
  }

  static func echoMetadata(_ context: CallContext) {
    var metadata = ResponseMetadata()
    if let text = context.metadata(echoedText) { metadata.add(echoedText, text, to: .header) }
    for bytes in context.binaryMetadata(echoedBytes) {
      metadata.add(echoedBytes, bytes, to: .trailer)
    }
    if metadata != ResponseMetadata() { context.add(metadata) }
  }

  static let notCompressed = RPCStatus(
    .invalidArgument, reason: "NOT_COMPRESSED", "the message was to be compressed, and is not")
}

private struct EmptyCall: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome { .done }
}

private struct UnaryCall: UnaryHandler {
  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(RPCStatus) {
      let request = try TestRequest(request, .simple)
      TestService.echoMetadata(context)
      if request.expectsCompressed && !context.isMessageCompressed {
        return .failed(TestService.notCompressed)
      }
      if let status = request.status { return .failed(status) }
      context.compressAnswers(request.answers[0].isCompressed)
      response.appendPayload(request.answers[0].bytes)
      return .done
    } catch {
      return .failed(error)
    }
  }
}

// MARK: - Streams

/// The answers that requests ask for, each at its time. Confined to an event loop.
private final class Answers {
  private var waiting: [TestRequest.Answer] = []
  private var next = 0
  private let output: ResponseStream
  /// The time before the next one has begun.
  private var timer: Task<Void, Never>?

  init(_ output: ResponseStream) { self.output = output }

  func append(_ answers: [TestRequest.Answer]) {
    waiting.removeFirst(next)
    next = 0
    waiting += answers
  }

  /// Nil when none is left.
  func pull(_ response: inout ByteWriter) -> PullOutcome? {
    guard next < waiting.count else { return nil }
    let answer = waiting[next]
    if answer.intervalMicroseconds > 0, timer == nil {
      timer = Task { [output] in
        try? await Task.sleep(for: .microseconds(answer.intervalMicroseconds))
        output.retry()
      }
      return .pending
    }
    timer = nil
    next += 1
    output.compressMessages(answer.isCompressed)
    response.appendPayload(answer.bytes)
    return .message
  }

  func cancel() { timer?.cancel() }
}

private struct StreamingOutputCall: ServerStreamHandler {
  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    do throws(RPCStatus) {
      let request = try TestRequest(request, .streamingOutput)
      if let status = request.status { return .failed(status) }
      return .stream(Output(request, context.output))
    } catch {
      return .failed(error)
    }
  }

  private final class Output: ServerStream {
    private let answers: Answers

    init(_ request: TestRequest, _ output: ResponseStream) {
      answers = Answers(output)
      answers.append(request.answers)
    }

    func pull(_ response: inout ByteWriter) -> PullOutcome {
      answers.pull(&response) ?? .finished(nil)
    }

    func cancel() { answers.cancel() }
  }
}

private struct StreamingInputCall: StreamingHandler {
  func start(_ context: CallContext) -> any StreamingCall { Input(context.output) }

  private final class Input: StreamingCall {
    private let output: ResponseStream
    private var payloadBytes = 0
    private var isAtEnd = false
    private var isAnswered = false
    private var failure: RPCStatus?

    init(_ output: ResponseStream) { self.output = output }

    func pull(_ response: inout ByteWriter) -> PullOutcome {
      if let failure { return .finished(failure) }
      guard isAtEnd else { return .needsMessage }
      guard !isAnswered else { return .finished(nil) }
      isAnswered = true
      if payloadBytes > 0 { response.appendField(1, varint: UInt64(payloadBytes)) }
      return .message
    }

    func receive(_ message: UnsafeRawBufferPointer) {
      do throws(RPCStatus) {
        let request = try TestRequest(message, .streamingInput)
        if request.expectsCompressed && !output.isMessageCompressed {
          failure = TestService.notCompressed
        }
        payloadBytes += request.payloadBytes
      } catch {
        failure = error
      }
    }

    func halfClose() { isAtEnd = true }
    func cancel() {}
    func drain() -> RPCStatus? { nil }
  }
}

/// Answers each request at once, or all of them after the last.
private struct DuplexCall: StreamingHandler {
  let answersAtOnce: Bool

  func start(_ context: CallContext) -> any StreamingCall {
    TestService.echoMetadata(context)
    return Exchange(context.output, answersAtOnce: answersAtOnce)
  }

  private final class Exchange: StreamingCall {
    private let answers: Answers
    private let answersAtOnce: Bool
    private var isAtEnd = false
    private var end: RPCStatus?

    init(_ output: ResponseStream, answersAtOnce: Bool) {
      answers = Answers(output)
      self.answersAtOnce = answersAtOnce
    }

    func pull(_ response: inout ByteWriter) -> PullOutcome {
      if answersAtOnce || isAtEnd, let outcome = answers.pull(&response) { return outcome }
      if let end { return .finished(end) }
      return isAtEnd ? .finished(nil) : .needsMessage
    }

    func receive(_ message: UnsafeRawBufferPointer) {
      do throws(RPCStatus) {
        let request = try TestRequest(message, .streamingOutput)
        answers.append(request.answers)
        end = request.status
      } catch {
        end = error
      }
    }

    func halfClose() { isAtEnd = true }
    func cancel() { answers.cancel() }
  }
}
