import Bytes
import CNghttp2

// SAFETY: `session` is valid (invariant 4 of `Connection`). nghttp2 copies what a submit is given before it returns,
// but for the addresses of a slot, which outlives the session, and of headers that are never freed.

/// The answering side: response headers, messages, trailers.
extension Connection {
  /// Sends a unary answer whose message bytes follow an empty prefix in `slot.response`.
  func answer(_ slot: SlotReference) {
    MessagePrefix.patch(&slot.pointee.response, at: 0)
    if slot.pointee.answerEncoding != .identity { compressAnswer(slot) }
    slot.pointee.finished = true
    submitResponse(slot)
  }

  /// Completes a call that was pending.
  func complete(_ slot: SlotReference, _ outcome: Completions.Outcome) {
    switch outcome {
    case .empty:
      guard slot.pointee.state == .running else { return }
      slot.pointee.response.append(MessagePrefix.empty)
      slot.pointee.finished = true
      submitResponse(slot)
    case .message(let message):
      guard slot.pointee.state == .running else { return }
      guard !isAnswerMemorySpent else { return fail(slot, .answerMemoryFull) }
      slot.pointee.response = message.take()
      countAnswer(slot, slot.pointee.response.count)
      answer(slot)
    case .failed(let status):
      guard slot.pointee.state == .running else { return }
      fail(slot, status)
    case .streamMessage(let message):
      guard let stream = slot.pointee.stream else { return }
      completePull(slot, stream, message.take())
    case .streamRetry:
      guard let stream = slot.pointee.stream else { return }
      retryPull(slot, stream)
    case .streamFinish(let status):
      guard takeStream(slot) != nil else { return }
      finishStream(slot, status)
    case .metadata(let metadata): addMetadata(slot, metadata)
    }
  }

  /// Keeps fields for what is not sent yet of a call's answer.
  func addMetadata(_ slot: SlotReference, _ metadata: ResponseMetadata) {
    guard !slot.pointee.finished else { return }
    if slot.pointee.responseMetadata == nil { slot.pointee.responseMetadata = .init() }
    slot.pointee.responseMetadata?.add(metadata)
  }

  /// Gives a call up in the middle of its answer: trailers would make a cut message look whole.
  func reset(_ slot: SlotReference, _ code: nghttp2_error_code = NGHTTP2_CANCEL) {
    unsafe nghttp2_submit_rst_stream(session, 0, slot.pointee.streamID, UInt32(code.rawValue))
  }

  func resume(_ slot: SlotReference) {
    guard slot.pointee.deferred else { return }
    slot.pointee.deferred = false
    unsafe nghttp2_session_resume_data(session, slot.pointee.streamID)
  }

  func submitResponse(_ slot: SlotReference) {
    if slot.pointee.stream == nil { slot.pointee.state = .responding }
    slot.pointee.submitted = true
    // Streams of the same urgency are served to their end in turn unless they are incremental: a long
    // answer would hold up every call behind it.
    if slot.pointee.response.count > Self.longAnswerBytes || slot.pointee.stream != nil {
      shareBandwidth(slot)
    }
    var provider = unsafe nghttp2_data_provider()
    unsafe provider.source.ptr = UnsafeMutableRawPointer(slot.address)
    unsafe provider.read_callback = HTTP2Callbacks.readResponse
    let isGzip = slot.pointee.answerEncoding == .gzip
    guard slot.pointee.responseMetadata != nil else {
      let headers = StaticHeaders.shared
      unsafe nghttp2_submit_response(
        session, slot.pointee.streamID,
        isGzip ? headers.gzipResponseHeaders : headers.responseHeaders, isGzip ? 3 : 2, &provider)
      return
    }
    var fields: [(StaticString, [UInt8])] = [
      (":status", Array("200".utf8)), ("content-type", Array("application/grpc".utf8)),
    ]
    if isGzip { fields.append(("grpc-encoding", Array("gzip".utf8))) }
    _ = StaticHeaders.withFields(fields, slot.pointee.responseMetadata?.header ?? []) {
      unsafe nghttp2_submit_response(session, slot.pointee.streamID, $0, $1, &provider)
    }
  }

  /// Answers longer than this take turns with other calls, frame by frame.
  private static let longAnswerBytes = 64 << 10

  /// Makes a stream incremental and less urgent than unary calls with short answers (RFC 9218).
  private func shareBandwidth(_ slot: SlotReference) {
    var priority = nghttp2_extpri(urgency: UInt32(NGHTTP2_EXTPRI_DEFAULT_URGENCY) + 1, inc: 1)
    unsafe nghttp2_session_change_extpri_stream_priority(
      session, slot.pointee.streamID, &priority, 1)
  }

  /// Ends a call with an error: as Trailers-Only, or after the messages already on their way.
  func fail(_ slot: SlotReference, _ status: RPCStatus) {
    if status.code == .resourceExhausted && status == .answerMemoryFull {
      loop.budgets.answers.noteRefusal(of: heldAnswerBytes)
    }
    slot.pointee.finished = true
    slot.pointee.failure = status
    slot.pointee.state = .responding
    if slot.pointee.submitted { return resume(slot) }
    slot.pointee.response.removeAll(keepingAtMost: CallSlot.retainedBytes)
    submitTrailersOnly(slot, status)
  }

  /// Answers a call that was refused while it was being received.
  func refuse(_ slot: SlotReference) {
    guard let status = slot.pointee.failure else { return }
    switch slot.pointee.plainHTTPStatus {
    case 415: submitPlainHTTP(slot, status)
    default: fail(slot, status)
    }
  }

  func submitTrailersOnly(_ slot: SlotReference, _ status: RPCStatus?) {
    hasNewAnswer = true
    let httpStatus = slot.pointee.plainHTTPStatus == 0 ? 200 : slot.pointee.plainHTTPStatus
    var fields: [(StaticString, [UInt8])] = [
      (":status", Array(String(httpStatus).utf8)), ("content-type", Array("application/grpc".utf8)),
    ]
    fields += Self.trailers(status, slot)
    // One block is both; clients take all of it for trailing metadata.
    let metadata = slot.pointee.responseMetadata.map { $0.header + $0.trailer }
    _ = StaticHeaders.withFields(fields, metadata ?? []) {
      unsafe nghttp2_submit_response(session, slot.pointee.streamID, $0, $1, nil)
    }
  }

  /// Answers a request that is not gRPC, so that plain HTTP clients do not take it for success.
  private func submitPlainHTTP(_ slot: SlotReference, _ status: RPCStatus) {
    slot.pointee.response.append(status.message)
    slot.pointee.finished = true
    slot.pointee.submitted = true
    slot.pointee.state = .responding
    var provider = unsafe nghttp2_data_provider()
    unsafe provider.source.ptr = UnsafeMutableRawPointer(slot.address)
    unsafe provider.read_callback = HTTP2Callbacks.readResponse
    let fields: [(StaticString, [UInt8])] = [
      (":status", Array(String(slot.pointee.plainHTTPStatus).utf8)),
      ("content-type", Array("text/plain".utf8)),
    ]
    _ = StaticHeaders.withFields(fields) {
      unsafe nghttp2_submit_response(session, slot.pointee.streamID, $0, $1, &provider)
    }
  }

  /// Queues the trailers after the last DATA frame; called by nghttp2's read callback for that frame.
  static func submitTrailers(
    _ session: OpaquePointer?, _ streamID: Int32, _ slot: SlotReference
  ) {
    guard slot.pointee.failure != nil || slot.pointee.responseMetadata != nil else {
      unsafe nghttp2_submit_trailer(session, streamID, StaticHeaders.shared.okTrailers, 1)
      return
    }
    let fields = trailers(slot.pointee.failure, slot)
    _ = StaticHeaders.withFields(fields, slot.pointee.responseMetadata?.trailer ?? []) {
      unsafe nghttp2_submit_trailer(session, streamID, $0, $1)
    }
  }

  private static func trailers(
    _ status: RPCStatus?, _ slot: SlotReference
  ) -> [(StaticString, [UInt8])] {
    guard let status else { return [("grpc-status", Array("0".utf8))] }
    var fields: [(StaticString, [UInt8])] = [
      ("grpc-status", Array(String(status.code.rawValue).utf8))
    ]
    if !status.message.isEmpty {
      fields.append(("grpc-message", HeaderEncoding.percentEncoded(status.truncatedMessage)))
    }
    if let details = status.details() {
      fields.append(("grpc-status-details-bin", HeaderEncoding.base64(details)))
    }
    if slot.pointee.encoding == .refused {
      fields.append(("grpc-accept-encoding", Array(MessageEncoding.accepted.utf8)))
    }
    return fields
  }
}
