import CNghttp2

/// Clients that are slow on purpose hold memory of the server for nothing: here their calls are ended.
///
/// A call is slow by its own bytes, see ``RateLimit``. But many calls share a slow network, and some of them stand
/// still while others move: while there is memory, a slow call is ended only if its whole connection is slow. A client
/// that feeds one call and starves the others can hold memory until none is left, and then each call is looked at
/// alone.
extension Connection {
  /// Ends the calls whose clients send a request, or take an answer, too slowly.
  ///
  /// Only the client's time counts: not while nothing is read, nor while a full socket hides how fast its answers move
  /// (TCP ends that of a client that reads nothing). Streams have credit and hold little: they may stand still as long
  /// as they like while there is memory for answers.
  ///
  /// - Returns: whether there is something to send.
  func endSlowCalls(now: UInt64, isReading: Bool, isWriting: Bool) -> Bool {
    if !isReading { lifetime.requestRate.stop() }
    if !isWriting { lifetime.answerRate.stop() }
    guard callCount > 0 else { return false }
    let mayEndRequests =
      lifetime.requestRate.isTooSlow(progress: lifetime.heardBytes, of: 1, now: now)
      || loop.budgets.requests.isSpent(for: assembledBytes)
    let isShort = isAnswerMemorySpent
    let mayEndAnswers =
      lifetime.answerRate.isTooSlow(progress: lifetime.sentBytes, of: 1, now: now) || isShort
    var hasEnded = false
    for slot in callSlots where slot.pointee.state != .free {
      // Each direction of each call is a subject of its own.
      let call = Int(slot.pointee.generation) << 2
      if slot.pointee.state == .receiving, slot.pointee.isBodyDue, isReading {
        let isSlow = slot.pointee.rate.isTooSlow(
          progress: slot.pointee.receivedBytes, of: call | 1, now: now)
        guard isSlow && mayEndRequests else { continue }
        endSlowRequest(slot)
        hasEnded = true
      } else if slot.pointee.unsentBytes > 0, isShort || isWriting && !slot.pointee.isStream {
        let isSlow = slot.pointee.rate.isTooSlow(
          progress: slot.pointee.sentBytes, of: call | 2, now: now)
        guard isSlow && mayEndAnswers else { continue }
        endSlowAnswer(slot)
        hasEnded = true
      } else {
        slot.pointee.rate.stop()
      }
    }
    if hasEnded { deliverStreamEvents() }
    return hasEnded
  }

  private func endSlowRequest(_ slot: SlotReference) {
    cancelStream(slot)
    dropRequest(slot)
    fail(slot, Self.requestTooSlow)
  }

  private func endSlowAnswer(_ slot: SlotReference) {
    cancelStream(slot)
    slot.pointee.rate.stop()
    slot.pointee.failure = Self.answerTooSlow
    lifetime.hasResetSlowAnswer = true
    reset(slot, NGHTTP2_ENHANCE_YOUR_CALM)
  }

  private static let requestTooSlow = RPCStatus(
    .resourceExhausted, reason: "REQUEST_TOO_SLOW",
    "less than \(RateLimit.bytesPerSecond) bytes a second of the request came over 30 s; send a request at once"
  )

  /// For the log; the client gets a reset.
  private static let answerTooSlow = RPCStatus(
    .resourceExhausted, reason: "ANSWER_TOO_SLOW",
    "less than \(RateLimit.bytesPerSecond) bytes a second of the answer were taken over 30 s; read answers at once"
  )

  /// Which header block is under way, if one is.
  var headerBlock: Int? {
    guard let lastBegun, lastBegun.pointee.state == .headers else { return nil }
    return Int(lastBegun.pointee.generation) << 32 | Int(lastBegun.pointee.index)
  }
}
