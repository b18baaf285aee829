package import Bytes
import CNghttp2

/// The client's side of one HTTP/2 connection by nghttp2: unary gRPC calls, or plain GETs.
///
/// Unsafe island. Invariants:
/// 1. `session` lives from `init` to `deinit`; nghttp2 calls back only from inside the calls made here, so the
///    unretained `self` in its user data is alive then.
/// 2. A stream's user data is the address of its slot, and `slots` is kept as long as the session.
/// 3. Header fields live in `headers` for ever: nghttp2 does not copy them.
///
/// Confined to its thread.
@safe
package final class HTTP2Session: ClientSession {
  /// The header fields of each operation, by its raw value.
  @safe
  package struct Headers: @unchecked Sendable {
    // SAFETY: allocated once, written in `init` and only read afterwards; never freed.
    fileprivate let fields: [UnsafeMutableBufferPointer<nghttp2_nv>]
    fileprivate let hasBody: Bool

    /// A gRPC call's (gRPC over HTTP2, "Requests").
    static func grpc(
      scheme: String, authorization: String? = nil, path: (Operation) -> String
    ) -> Headers {
      Headers(
        hasBody: true,
        Operation.allCases.map {
          [
            (":method", "POST"), (":scheme", scheme), (":path", path($0)),
            (":authority", "localhost"), ("content-type", "application/grpc"),
            ("te", "trailers"),
          ] + (authorization.map { [("authorization", $0)] } ?? [])
        })
    }

    /// A GET's of a file.
    static func file(scheme: String, path: String) -> Headers {
      Headers(
        hasBody: false,
        Operation.allCases.map { _ in
          [
            (":method", "GET"), (":scheme", scheme), (":path", path), (":authority", "localhost"),
          ]
        })
    }

    private init(hasBody: Bool, _ fields: [[(String, String)]]) {
      self.hasBody = hasBody
      unsafe self.fields = fields.map { fields in
        let vectors = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: fields.count)
        for (index, (name, value)) in fields.enumerated() {
          let (name, value) = unsafe (Self.immortal(name), Self.immortal(value))
          unsafe vectors.initializeElement(
            at: index,
            to: nghttp2_nv(
              name: name.baseAddress, value: value.baseAddress, namelen: name.count,
              valuelen: value.count,
              flags: UInt8(
                NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)))
        }
        return unsafe vectors
      }
    }

    private static func immortal(_ text: String) -> UnsafeMutableBufferPointer<UInt8> {
      let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, text.utf8.count))
      _ = unsafe bytes.initialize(from: text.utf8)
      return unsafe UnsafeMutableBufferPointer(rebasing: bytes[..<text.utf8.count])
    }
  }

  /// What the server may send before it is read: no call waits for a window update.
  private static let windowBytes: Int32 = 1 << 30

  package var finished: [Int] = []
  private let slots: SlotTable
  private let headers: Headers
  private var session: OpaquePointer?
  /// The connection's end, as the server has announced it.
  private var isGoingAway = false

  package init(slots: SlotTable, headers: Headers) {
    self.slots = slots
    self.headers = headers
    finished.reserveCapacity(slots.count)
    // SAFETY: invariant 1.
    let status = unsafe nghttp2_session_client_new(
      &session, Self.callbacks, Unmanaged.passUnretained(self).toOpaque())
    precondition(status == 0, "memory for a session")
    var settings = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
        value: UInt32(Self.windowBytes)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0),
    ]
    unsafe nghttp2_submit_settings(session, 0, &settings, settings.count)
    unsafe nghttp2_session_set_local_window_size(session, 0, 0, Self.windowBytes)
  }

  deinit { unsafe nghttp2_session_del(session) }

  package func submit(_ slot: Int) throws(LoadFailure) {
    let address = unsafe slots.address(slot)
    let fields = unsafe headers.fields[address.pointee.operation.rawValue]
    let status: Int32
    // SAFETY: invariants 2 and 3.
    if headers.hasBody {
      var body = unsafe nghttp2_data_provider()
      unsafe body.source.ptr = UnsafeMutableRawPointer(address)
      unsafe body.read_callback = Self.readBody
      status = unsafe nghttp2_submit_request(
        session, nil, fields.baseAddress, fields.count, &body, address)
    } else {
      status = unsafe nghttp2_submit_request(
        session, nil, fields.baseAddress, fields.count, nil, address)
    }
    guard status > 0 else { throw failure("cannot begin a call", Int(status)) }
  }

  @safe
  package func receive(_ bytes: UnsafeRawBufferPointer) throws(LoadFailure) {
    let taken = unsafe nghttp2_session_mem_recv(
      session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    guard taken == bytes.count else { throw failure("the server's frames are wrong", taken) }
    if isGoingAway { throw LoadFailure("the server ends the connection (GOAWAY)") }
  }

  package func collectOutput(into output: inout ByteWriter) throws(LoadFailure) {
    while true {
      var frames: UnsafePointer<UInt8>?
      let count = unsafe nghttp2_session_mem_send(session, &frames)
      if count == 0 { return }
      guard count > 0, let frames = unsafe frames else { throw failure("cannot send", count) }
      unsafe output.append(UnsafeRawBufferPointer(start: frames, count: count))
    }
  }

  private func failure(_ what: String, _ code: Int) -> LoadFailure {
    LoadFailure(unsafe "\(what): \(String(cString: nghttp2_strerror(Int32(clamping: code))))")
  }

  // MARK: - Callbacks

  nonisolated(unsafe) private static let callbacks: OpaquePointer? = {
    // SAFETY: made once, and only read afterwards.
    var callbacks: OpaquePointer?
    unsafe nghttp2_session_callbacks_new(&callbacks)
    unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
    unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
    unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClose)
    unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrame)
    return unsafe callbacks
  }()

  @inline(__always)
  private static func slot(
    _ session: OpaquePointer?, _ stream: Int32
  ) -> UnsafeMutablePointer<CallSlot>? {
    // SAFETY: invariant 2.
    unsafe nghttp2_session_get_stream_user_data(session, stream)?.assumingMemoryBound(
      to: CallSlot.self)
  }

  private static let readBody: nghttp2_data_source_read_callback = {
    _, _, buffer, length, flags, source, _ in
    // SAFETY: `source` is that of `submit`; nghttp2 gives `length` writable bytes.
    let slot = unsafe source.unsafelyUnwrapped.pointee.ptr.assumingMemoryBound(to: CallSlot.self)
    let rest = unsafe slot.pointee.request.count - slot.pointee.sentCount
    let count = min(rest, length)
    let start = unsafe slot.pointee.sentCount
    unsafe slot.pointee.request.bytes.withMemoryRebound(to: UInt8.self) { bytes in
      guard count > 0, let base = bytes.baseAddress else { return }
      unsafe buffer.unsafelyUnwrapped.update(from: base + start, count: count)
    }
    unsafe slot.pointee.sentCount += count
    if count == rest { unsafe flags.unsafelyUnwrapped.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
    return count
  }

  private static let grpcStatus = Array("grpc-status".utf8)
  private static let httpStatus = Array(":status".utf8)
  private static let grpcMessage = Array("grpc-message".utf8)

  private static let onHeader: nghttp2_on_header_callback = {
    session, frame, name, nameLength, value, valueLength, _, _ in
    // SAFETY: every member of the frame union begins with its header; name and value are as long as said.
    let stream = unsafe UnsafeRawPointer(frame.unsafelyUnwrapped).load(as: nghttp2_frame_hd.self)
      .stream_id
    guard let slot = unsafe slot(session, stream) else { return 0 }
    let name = unsafe UnsafeBufferPointer(start: name, count: nameLength)
    let value = unsafe UnsafeBufferPointer(start: value, count: valueLength)
    if nameLength == grpcStatus.count, unsafe name.elementsEqual(grpcStatus) {
      if valueLength == 1, unsafe value[0] == UInt8(ascii: "0") {
        unsafe slot.pointee.outcome = .ok
      } else {
        unsafe fail(slot, "grpc-status", value)
      }
    } else if nameLength == httpStatus.count, unsafe name.elementsEqual(httpStatus) {
      if valueLength == 3, unsafe value[0] == UInt8(ascii: "2") {
        // A plain answer has no other status.
        unsafe slot.pointee.outcome = slot.pointee.request.isEmpty ? .ok : .pending
      } else {
        unsafe fail(slot, "HTTP status", value)
      }
    } else if valueLength > 0, nameLength == grpcMessage.count,
      unsafe name.elementsEqual(grpcMessage)
    {
      unsafe fail(slot, "message", value)
    }
    return 0
  }

  /// What the answer says besides the fault before it, as for status and message.
  private static func fail(
    _ slot: UnsafeMutablePointer<CallSlot>, _ what: String, _ value: UnsafeBufferPointer<UInt8>
  ) {
    let text = unsafe "\(what) \(String(decoding: value, as: UTF8.self))"
    if case .failed(let before) = unsafe slot.pointee.outcome {
      unsafe slot.pointee.outcome = .failed("\(before), \(text)")
    } else {
      unsafe slot.pointee.outcome = .failed(text)
    }
  }

  private static let onDataChunk: nghttp2_on_data_chunk_recv_callback = {
    session, _, stream, data, length, _ in
    // SAFETY: nghttp2 gives `length` bytes.
    unsafe slot(session, stream)?.pointee.response.append(
      UnsafeRawBufferPointer(start: data, count: length))
    return 0
  }

  private static let onStreamClose: nghttp2_on_stream_close_callback = {
    session, stream, code, user in
    guard let slot = unsafe slot(session, stream) else { return 0 }
    if code != NGHTTP2_NO_ERROR.rawValue {
      unsafe slot.pointee.outcome = .failed("stream reset with code \(code)")
    } else if unsafe slot.pointee.outcome == .pending {
      unsafe slot.pointee.outcome = .failed("an answer without a status")
    }
    // SAFETY: invariant 1.
    unsafe Unmanaged<HTTP2Session>.fromOpaque(user.unsafelyUnwrapped)._withUnsafeGuaranteedRef {
      unsafe $0.finished.append($0.slots.index(of: slot))
    }
    return 0
  }

  private static let onFrame: nghttp2_on_frame_recv_callback = { _, frame, user in
    // SAFETY: as in onHeader, and invariant 1.
    let type = unsafe UnsafeRawPointer(frame.unsafelyUnwrapped).load(as: nghttp2_frame_hd.self).type
    if type == UInt8(NGHTTP2_GOAWAY.rawValue) {
      unsafe Unmanaged<HTTP2Session>.fromOpaque(user.unsafelyUnwrapped)._withUnsafeGuaranteedRef {
        $0.isGoingAway = true
      }
    }
    return 0
  }
}
