import Bytes
import CNghttp2
import Glibc

/// nghttp2's callbacks, shared by all sessions: each finds its ``Connection`` in `user_data` and its
/// ``CallSlot`` in the stream's user data, and hands plain values on.
///
/// Unsafe island. The pointers are valid because a connection deletes its session before it lets go of
/// its slots, and is itself kept by its channel handler for as long as the session lives.
enum HTTP2Callbacks {
  /// The callbacks object; read by `nghttp2_session_server_new`.
  // SAFETY of `nonisolated(unsafe)`: Swift builds it once, before the first use; nobody changes or frees it.
  nonisolated(unsafe) static let shared: OpaquePointer? = unsafe make()

  private static func make() -> OpaquePointer? {
    var callbacks: OpaquePointer?
    guard unsafe nghttp2_session_callbacks_new(&callbacks) == 0 else { return nil }
    unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
    unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
    unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrameReceived)
    unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
    unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClose)
    unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
    unsafe nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, onFrameNotSent)
    unsafe nghttp2_session_callbacks_set_send_data_callback(callbacks, sendData)
    return unsafe callbacks
  }

  // SAFETY (all callbacks): `user` is the unretained `Connection` that is on the stack right now, inside
  // `nghttp2_session_mem_recv` or `…_mem_send`.
  @inline(__always)
  private static func connection<R>(_ user: UnsafeMutableRawPointer?, _ body: (Connection) -> R)
    -> R
  {
    unsafe Unmanaged<Connection>.fromOpaque(user.unsafelyUnwrapped)._withUnsafeGuaranteedRef(body)
  }

  /// The slot of a stream, which mostly is the one that was begun last.
  @inline(__always)
  private static func slot(
    _ session: OpaquePointer?, _ streamID: Int32, _ user: UnsafeMutableRawPointer?
  ) -> SlotReference? {
    if let last = unsafe connection(user, { $0.lastBegun }), last.pointee.streamID == streamID,
      last.pointee.state != .free
    {
      return last
    }
    return unsafe nghttp2_session_get_stream_user_data(session, streamID).map {
      unsafe SlotReference(opaque: $0)
    }
  }

  /// A frame's header; every member of the `nghttp2_frame` union begins with it.
  @inline(__always)
  private static func header(_ frame: UnsafePointer<nghttp2_frame>?) -> nghttp2_frame_hd {
    unsafe UnsafeRawPointer(frame.unsafelyUnwrapped).load(as: nghttp2_frame_hd.self)
  }

  private static let dataType = UInt8(NGHTTP2_DATA.rawValue)
  private static let headersType = UInt8(NGHTTP2_HEADERS.rawValue)
  private static let goAwayType = UInt8(NGHTTP2_GOAWAY.rawValue)
  private static let resetType = UInt8(NGHTTP2_RST_STREAM.rawValue)
  private static let settingsType = UInt8(NGHTTP2_SETTINGS.rawValue)
  private static let pingType = UInt8(NGHTTP2_PING.rawValue)
  private static let endStreamFlag = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
  private static let ackFlag = UInt8(NGHTTP2_FLAG_ACK.rawValue)

  private static let onBeginHeaders: nghttp2_on_begin_headers_callback = { session, frame, user in
    let header = unsafe HTTP2Callbacks.header(frame)
    // Trailers of a request come for a stream that has its slot already.
    guard header.type == headersType, unsafe slot(session, header.stream_id, user) == nil else {
      return 0
    }
    return unsafe connection(user) { connection in
      guard let slot = connection.didBeginHeaders(header.stream_id) else { return 0 }
      unsafe nghttp2_session_set_stream_user_data(session, header.stream_id, slot.address)
      return 0
    }
  }

  private static let onHeader: nghttp2_on_header_callback = {
    session, frame, name, nameLength, value, valueLength, _, user in
    let streamID = unsafe header(frame).stream_id
    return unsafe connection(user) { connection in
      // Every field of a block comes here: the slot of the block is remembered, not looked up each time.
      guard
        let slot = unsafe connection.headerSlot(streamID)
          ?? HTTP2Callbacks.slot(session, streamID, user)
      else { return connection.didReceiveUnwantedHeader(nameLength + valueLength) }
      return unsafe connection.didReceiveHeader(
        slot, UnsafeRawBufferPointer(start: name, count: nameLength),
        UnsafeRawBufferPointer(start: value, count: valueLength))
    }
  }

  private static let onFrameReceived: nghttp2_on_frame_recv_callback = { session, frame, user in
    let header = unsafe HTTP2Callbacks.header(frame)
    switch header.type {
    case dataType:
      guard header.flags & endStreamFlag != 0,
        let slot = unsafe slot(session, header.stream_id, user)
      else {
        return 0
      }
      unsafe connection(user) { $0.didReceiveEndStream(slot) }
    case headersType:
      guard let slot = unsafe slot(session, header.stream_id, user) else { return 0 }
      unsafe connection(user) {
        $0.didReceiveHeadersEnd(slot, endStream: header.flags & endStreamFlag != 0)
      }
    case resetType:
      guard let slot = unsafe slot(session, header.stream_id, user) else { return 0 }
      unsafe connection(user) { $0.didReceiveReset(slot) }
    case settingsType:
      guard header.flags & ackFlag != 0 else { return 0 }
      unsafe connection(user) { $0.lifetime.hasAcknowledged = true }
    case pingType:
      guard header.flags & ackFlag != 0, let frame = unsafe frame else {
        unsafe connection(user) { $0.didReceivePing() }
        return 0
      }
      let data = unsafe withUnsafeBytes(of: frame.pointee.ping.opaque_data) {
        unsafe $0.loadUnaligned(as: UInt64.self)
      }
      unsafe connection(user) { $0.didReceivePingAnswer(data) }
    default: break
    }
    return 0
  }

  private static let onDataChunk: nghttp2_on_data_chunk_recv_callback = {
    session, _, streamID, data, length, user in
    unsafe connection(user) { connection in
      connection.uncreditedBytes += length
      guard let slot = unsafe HTTP2Callbacks.slot(session, streamID, user) else { return 0 }
      unsafe connection.didReceiveData(slot, UnsafeRawBufferPointer(start: data, count: length))
      return 0
    }
  }

  private static let onStreamClose: nghttp2_on_stream_close_callback = {
    session, streamID, _, user in
    guard let slot = unsafe slot(session, streamID, user) else { return 0 }
    unsafe connection(user) { $0.didCloseStream(slot) }
    return 0
  }

  private static let onFrameSent: nghttp2_on_frame_send_callback = { session, frame, user in
    let header = unsafe HTTP2Callbacks.header(frame)
    guard header.flags & endStreamFlag != 0, header.type <= headersType,
      let slot = unsafe slot(session, header.stream_id, user), !slot.pointee.remoteClosed
    else {
      if header.type == goAwayType, let code = unsafe frame?.pointee.goaway.error_code {
        unsafe connection(user) {
          $0.logGoAway(code)
          $0.didSendGoAway(code)
        }
      } else if header.type == resetType, let code = unsafe frame?.pointee.rst_stream.error_code {
        unsafe connection(user) { $0.didSendReset(code) }
      }
      return 0
    }
    // The answer is out before the client ended its side: ask it to stop. Earlier, the reset would
    // have taken the queued trailers with it.
    unsafe nghttp2_submit_rst_stream(
      session, 0, header.stream_id, UInt32(NGHTTP2_NO_ERROR.rawValue))
    return 0
  }

  private static let onFrameNotSent: nghttp2_on_frame_not_send_callback = {
    session, frame, errorCode, user in
    let header = unsafe HTTP2Callbacks.header(frame)
    guard header.type == headersType, errorCode != NGHTTP2_ERR_STREAM_CLOSED.rawValue,
      errorCode != NGHTTP2_ERR_STREAM_CLOSING.rawValue,
      unsafe slot(session, header.stream_id, user) != nil
    else { return 0 }
    // Headers or trailers that cannot go out would leave the client waiting for ever.
    unsafe nghttp2_submit_rst_stream(
      session, 0, header.stream_id, UInt32(NGHTTP2_INTERNAL_ERROR.rawValue))
    return 0
  }

  private static let sendData: nghttp2_send_data_callback = {
    _, _, frameHeader, length, source, user in
    let slot = unsafe SlotReference(opaque: source.unsafelyUnwrapped.pointee.ptr)
    return unsafe connection(user) { connection in
      unsafe connection.writeDataFrame(slot, header: frameHeader.unsafelyUnwrapped, length: length)
      // Otherwise one call of mem_send would go on to the end of the longest answer.
      return connection.isOutputFull ? NGHTTP2_ERR_PAUSE.rawValue : 0
    }
  }

  /// Tells nghttp2 how much of a slot's answer can go out now; submits the trailers with its last byte.
  static let readResponse: nghttp2_data_source_read_callback = {
    session, streamID, _, length, flags, source, _ in
    let slot = unsafe SlotReference(opaque: source.unsafelyUnwrapped.pointee.ptr)
    let remaining = slot.pointee.response.count - slot.pointee.sent
    if remaining == 0 && !slot.pointee.finished {
      slot.pointee.deferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    let count = min(length, remaining)
    var result: UInt32 = count > 0 ? NGHTTP2_DATA_FLAG_NO_COPY.rawValue : 0
    if count == remaining && slot.pointee.finished {
      result |= NGHTTP2_DATA_FLAG_EOF.rawValue
      if slot.pointee.plainHTTPStatus == 0 {
        result |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        unsafe Connection.submitTrailers(session, streamID, slot)
      }
    }
    unsafe flags.unsafelyUnwrapped.pointee = result
    return count
  }
}
