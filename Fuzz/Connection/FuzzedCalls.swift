import Bytes
import Wire

/// The calls of a connection under random bytes: those that wait, and counts that have to agree.
// SAFETY of `@unchecked Sendable`: libFuzzer's only thread is the only one.
final class FuzzedCalls: CallObserver, @unchecked Sendable {
  /// The longest message that a method makes by itself.
  static let messageBytes = 4096
  /// Handlers make no more than this in one run.
  private static let mostWrittenBytes = 512 << 10

  private(set) var writtenBytes = 0
  private var startedCalls = 0
  private var endedCalls = 0
  private var waiting: [Waiting] = []
  private var streams: [PullOrder] = []

  private struct Waiting {
    let token: CallToken
    /// Of a streaming call.
    let order: PullOrder?
  }

  var mayWrite: Bool { writtenBytes < Self.mostWrittenBytes }

  func started() { startedCalls += 1 }

  func wrote(_ bytes: Int) { writtenBytes += bytes }

  func startedStream() -> PullOrder {
    startedCalls += 1
    let order = PullOrder()
    streams.append(order)
    return order
  }

  func wait(_ token: CallToken, _ order: PullOrder? = nil) {
    waiting.append(Waiting(token: token, order: order))
  }

  /// Completes one of the calls that wait.
  func complete(_ choice: UInt8, _ how: UInt8, _ bytes: [UInt8], _ completions: Completions) {
    guard !waiting.isEmpty else { return }
    var completions = completions
    let call = waiting[Int(choice) % waiting.count]
    // Some are completed again, and again when they are gone.
    if how & 0x80 == 0 || call.order != nil { waiting.remove(at: Int(choice) % waiting.count) }
    if how & 0x40 != 0 {
      var metadata = ResponseMetadata()
      metadata.add("x-late", String(decoding: bytes.prefix(8), as: UTF8.self), to: .header)
      metadata.add("x-late-bin", bytes, to: .trailer)
      completions.complete(call.token, .metadata(metadata))
    }
    completions.complete(call.token, outcome(of: call, how, bytes))
    completions.post()
  }

  private func outcome(of call: Waiting, _ how: UInt8, _ bytes: [UInt8]) -> Completions.Outcome {
    wrote(bytes.count)
    let failure = RPCStatus(.aborted, reason: "LATE", String(decoding: bytes, as: UTF8.self))
    guard let order = call.order else {
      switch how & 3 {
      case 0: return .empty
      case 1: return .failed(failure)
      case 2:
        var message = Completions.messageWriter()
        message.append(bytes)
        return .message(OwnedMessage(message))
      // What does not fit the call is dropped.
      default: return .streamFinish(nil)
      }
    }
    switch how & 3 {
    case 0:
      order.wasFinished()
      return .streamFinish(how & 4 == 0 ? nil : failure)
    case 1:
      order.wasAnswered()
      return .streamRetry
    default:
      order.wasAnswered()
      var message = ByteWriter()
      message.append(bytes)
      return .streamMessage(OwnedMessage(message))
    }
  }

  func callEnded(_ call: EndedCall) {
    endedCalls += 1
    require(call.requestMessages >= 0 && call.responseMessages >= 0, "messages are counted")
    require(
      call.requestBytes >= 0 && call.requestBytes <= Int(UInt32.max) * max(1, call.requestMessages),
      "the bytes of requests are counted")
    require(call.responseBytes >= 0, "the bytes of answers are counted")
  }

  /// The connection is gone.
  func checkEnd() {
    require(startedCalls <= endedCalls, "the end of each call is told")
    require(streams.allSatisfy { $0.isOver }, "each stream ends, or is told that it is over")
    waiting = []
  }
}

/// What a stream may be told next, by what it was told before.
final class PullOrder {
  private(set) var isOver = false
  private var isAsked = false
  private var needsMessage = false
  private var isHalfClosed = false

  func pulled() {
    require(!isOver, "nothing is pulled after the end")
    require(!isAsked, "one pull is answered before the next")
    isAsked = true
  }

  func answers(_ outcome: PullOutcome) -> PullOutcome {
    switch outcome {
    case .message: isAsked = false
    case .finished: (isAsked, isOver) = (false, true)
    case .pending: break
    case .needsMessage: needsMessage = true
    }
    return outcome
  }

  func received() {
    require(!isOver && isAsked && needsMessage, "a message comes when one was asked for")
    require(!isHalfClosed, "no message comes after the last one")
    (isAsked, needsMessage) = (false, false)
  }

  func halfClosed() {
    received()
    isHalfClosed = true
  }

  /// Another thread has answered a pull. It may be too late.
  func wasAnswered() { (isAsked, needsMessage) = (false, false) }

  func wasFinished() { isOver = true }

  func cancelled() {
    require(!isOver, "the end is told once")
    isOver = true
  }
}
