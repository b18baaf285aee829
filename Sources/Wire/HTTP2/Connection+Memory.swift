import Bytes
import CNghttp2

/// What a connection holds of what all share, and how it gives some of it up.
extension Connection {
  /// Whether an answer more would be more than the connection's share.
  var isAnswerMemorySpent: Bool { loop.budgets.answers.isSpent(for: heldAnswerBytes) }

  /// Counts what answers hold that were too small to be counted when they were made and have not left since; notes how
  /// far each call is. Twice a second.
  func lookAtCalls() {
    guard callCount > 0 else { return }
    for slot in callSlots where slot.pointee.state != .free {
      slot.pointee.look()
      if slot.pointee.state == .responding && slot.pointee.answerBytes == 0 {
        countAnswer(slot, slot.pointee.response.count)
      }
    }
  }

  /// Memory of requests and answers that its slots hold, those of calls and free ones.
  var keptBytes: Int {
    callSlots.reduce(0) { $0 + $1.pointee.request.capacity + $1.pointee.response.capacity }
  }

  /// How much it holds.
  func held(_ resource: SharedResource) -> Int {
    switch resource {
    case .requests: assembledBytes + loop.compression.heldBytes(ofConnection: index)
    case .answers: heldAnswerBytes
    case .calls: callCount
    }
  }

  /// Ends calls, those that hold the most first, and before others those of which nothing has moved since the look
  /// before the last.
  ///
  /// - Parameters:
  ///   - wanted: how much of the resource is to become free.
  ///   - mayEndMoving: whether calls of which something moves may be ended too.
  /// - Returns: how much became free, or will once what this queues for the client was sent.
  func shed(_ resource: SharedResource, _ wanted: Int, mayEndMoving: Bool) -> Int {
    var candidates: [(isMoving: Bool, held: Int, slot: SlotReference)] = []
    for slot in callSlots where slot.pointee.state != .free {
      let held = Self.held(resource, slot)
      guard held > 0, mayEndMoving || !slot.pointee.hasMoved else { continue }
      candidates.append((slot.pointee.hasMoved, held, slot))
    }
    candidates.sort { $0.isMoving != $1.isMoving ? !$0.isMoving : $0.held > $1.held }
    var freed = 0
    for candidate in candidates where freed < wanted {
      freed += candidate.held
      end(candidate.slot, for: resource)
    }
    deliverStreamEvents()
    return freed
  }

  /// What a call would give up. What the server itself has to do for a call goes on.
  private static func held(_ resource: SharedResource, _ slot: SlotReference) -> Int {
    let isWaitedFor =
      switch slot.pointee.state {
      case .receiving, .responding: true
      case .running: slot.pointee.stream != nil
      case .queued: slot.pointee.isCompressed
      case .free, .headers, .refused, .held: false
      }
    guard isWaitedFor else { return 0 }
    switch resource {
    case .requests: return slot.pointee.request.count + (slot.pointee.stream?.waitingCount ?? 0)
    case .answers: return slot.pointee.answerBytes
    case .calls: return 1
    }
  }

  private func end(_ slot: SlotReference, for resource: SharedResource) {
    if resource == .requests && !slot.pointee.submitted {
      cancelStream(slot)
      dropRequest(slot)
      return fail(slot, .requestBufferFull)
    }
    // A request that is not whole was not looked at: its client may send it again.
    let isUntouched = slot.pointee.state == .receiving && slot.pointee.stream == nil
    cancelStream(slot)
    slot.pointee.rate.stop()
    if slot.pointee.failure == nil {
      slot.pointee.failure = resource == .calls ? .tooManyCalls : .answerMemoryFull
    }
    reset(slot, isUntouched ? NGHTTP2_REFUSED_STREAM : NGHTTP2_ENHANCE_YOUR_CALM)
  }
}
