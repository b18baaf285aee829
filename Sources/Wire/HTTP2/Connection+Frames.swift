import CNghttp2

// SAFETY: the bytes of a read are lent to the scanner until it returns.

/// What ``FrameScanner`` and ``FrameBudget`` find out about a client is carried out here.
extension Connection {
  /// Looks at what came, before nghttp2 gets it.
  ///
  /// - Returns: how many of the bytes nghttp2 may have; nil when the connection is ended.
  @safe
  @inline(__always)
  func scan(_ bytes: UnsafeRawBufferPointer) -> Int? {
    let accepted = scanner.scan(bytes)
    guard scanner.cost == 0 || spendFrames() else { return nil }
    return accepted
  }

  /// Takes what the client's frames have cost from its budget. False when that is spent: the connection is ended.
  private func spendFrames() -> Bool {
    let calls = scanner.begunStreams
    lifetime.frames.earn(
      dataFrames: sentFrames.whole - sentFrames.earned, calls: calls - sentFrames.earnedCalls)
    let cost = scanner.takeCost() + sentFrames.cut
    sentFrames.earned = sentFrames.whole
    sentFrames.earnedCalls = calls
    sentFrames.cut = 0
    return spend(cost)
  }

  /// Takes from the client's budget; ends the connection when that is spent.
  @discardableResult
  private func spend(_ cost: Int) -> Bool {
    guard lifetime.frames.spend(cost) else {
      end(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_frames")
      return false
    }
    return true
  }

  /// Ends the connection for a frame that nghttp2 would take.
  func endForViolation() {
    switch scanner.violation {
    case .none: break
    case .streamClosed: end(NGHTTP2_STREAM_CLOSED, "stream_closed")
    case .streamOutOfOrder: end(NGHTTP2_PROTOCOL_ERROR, "stream_out_of_order")
    case .selfDependency: end(NGHTTP2_PROTOCOL_ERROR, "self_dependency")
    case .priorityOfConnection: end(NGHTTP2_PROTOCOL_ERROR, "priority_of_connection")
    }
  }

  // MARK: - Header blocks

  /// Inflated headers of a request, in multiples of what is taken, that end the connection: no client has so many by
  /// mistake.
  private static let mostHeaderLists = 8

  /// A request's headers are larger than what is taken.
  ///
  /// - Returns: what nghttp2's callback returns: whether it goes on with the header block.
  func didExceedHeaders(_ slot: SlotReference) -> CInt {
    let most = configuration.maximumHeaderListBytes * Self.mostHeaderLists
    guard slot.pointee.headerBytes > most else { return 0 }
    end(NGHTTP2_ENHANCE_YOUR_CALM, "headers_too_large")
    return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
  }

  /// A call is refused for its headers.
  func didRefuseHeaders(_ slot: SlotReference) {
    spend(slot.pointee.headerBytes / FrameBudget.headerBytes)
  }

  /// A header field came for a stream that is refused.
  ///
  /// - Returns: as ``didExceedHeaders(_:)``.
  func didReceiveUnwantedHeader(_ bytes: Int) -> CInt {
    unwantedHeaderBytes += bytes
    guard unwantedHeaderBytes >= FrameBudget.headerBytes else { return 0 }
    let cost = unwantedHeaderBytes / FrameBudget.headerBytes
    unwantedHeaderBytes %= FrameBudget.headerBytes
    return spend(cost) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
  }

  // MARK: - Errors of streams

  /// Counts the streams that nghttp2 resets for what their client does wrong; too many end the connection.
  func didSendReset(_ code: UInt32) {
    switch nghttp2_error_code(code) {
    case NGHTTP2_PROTOCOL_ERROR, NGHTTP2_FLOW_CONTROL_ERROR, NGHTTP2_STREAM_CLOSED,
      NGHTTP2_FRAME_SIZE_ERROR, NGHTTP2_COMPRESSION_ERROR:
      guard !lifetime.errors.fill() else { return }
      end(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_errors")
    default: break
    }
  }

  // MARK: - Requests that are no calls

  /// Keeps the answer to a request that is not gRPC until the request has come: what is wrong with the rest of it goes
  /// first (RFC 9113 §8.1.1). One that does not end is answered within a second.
  func hold(_ slot: SlotReference, _ status: RPCStatus) {
    slot.pointee.state = .held
    slot.pointee.failure = status
    heldCount += 1
  }

  /// Answers a request that was held, now that it has ended.
  func didEndHeld(_ slot: SlotReference) {
    guard slot.pointee.state == .held else { return }
    slot.pointee.state = .refused
    heldCount -= 1
    enqueue(slot)
  }

  /// Answers the requests that were held at the look before.
  func answerHeld() {
    for slot in callSlots where slot.pointee.state == .held {
      guard slot.pointee.isHeldLong else {
        slot.pointee.isHeldLong = true
        continue
      }
      heldCount -= 1
      refuse(slot)
    }
  }
}

/// Frames of answers, as ``FrameBudget`` counts them.
struct SentFrames {
  /// DATA frames smaller than this are crumbs when a window has cut them.
  static let crumbBytes = 64

  /// DATA frames but those that are counted in `cut`.
  var whole = 0
  /// DATA frames made small by the client's window, since that was last taken.
  var cut = 0
  /// What of `whole`, and of the calls that were begun, the client has been given credit for.
  var earned = 0
  var earnedCalls = 0
}
