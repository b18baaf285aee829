import CNghttp2
import Glibc

/// The client side of HTTP/2 by nghttp2, without a socket: `output` is what a socket would carry.
///
/// Unsafe island. Invariants:
/// 1. `session` lives from `init` to `deinit`; it calls back only from inside the calls made here, so that the
///    unretained `self` in its user data is alive then.
/// 2. A stream's body is kept in `bodies`.
/// 3. What nghttp2 lends is copied at once, within the count it comes with; it copies what a submit is given.
@safe
package final class HTTP2TestClient {
  package struct Response {
    package var headers: [String: String] = [:]
    package var body: [UInt8] = []
    package var isClosed = false
    package var resetCode: UInt32?

    package init() {}
  }

  package private(set) var responses: [Int32: Response] = [:]
  /// A GOAWAY of the server.
  package struct GoAway: Equatable {
    package var lastStream: Int32
    package var code: UInt32
    package var text: String
  }

  package private(set) var goAways: [GoAway] = []
  package var goAwayCount: Int { goAways.count }
  /// PINGs of the server; nghttp2 answers them.
  package private(set) var pingCount = 0
  private var session: OpaquePointer?
  private var bodies: [Int32: Body] = [:]

  /// Request bytes that a stream still has to send.
  private final class Body {
    var bytes: [UInt8]
    var endsStream: Bool

    init(_ bytes: [UInt8], endsStream: Bool) {
      self.bytes = bytes
      self.endsStream = endsStream
    }
  }

  /// - Parameters:
  ///   - windowBytes: what the server may send of an answer before the client has read it.
  ///   - readsAtOnce: whether the client reads what comes; else it does by ``read(_:_:)``.
  package init(windowBytes: UInt32 = 65535, readsAtOnce: Bool = true) {
    var callbacks: OpaquePointer?
    unsafe nghttp2_session_callbacks_new(&callbacks)
    defer { unsafe nghttp2_session_callbacks_del(callbacks) }
    unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, frame, name, nameLength, value, valueLength, _, user in
      let name = unsafe String(
        decoding: UnsafeBufferPointer(start: name, count: nameLength), as: UTF8.self)
      let value = unsafe String(
        decoding: UnsafeBufferPointer(start: value, count: valueLength), as: UTF8.self)
      unsafe HTTP2TestClient.client(user).responses[frame!.pointee.hd.stream_id, default: .init()]
        .headers[
          name] = value
      return 0
    }
    unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
      _, _, stream, data, length, user in
      unsafe HTTP2TestClient.client(user).responses[stream, default: .init()].body +=
        UnsafeBufferPointer(
          start: data, count: length)
      return 0
    }
    unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) {
      _, stream, code, user in
      unsafe HTTP2TestClient.client(user).responses[stream, default: .init()].isClosed = true
      unsafe HTTP2TestClient.client(user).responses[stream]?.resetCode = code
      return 0
    }
    unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, user in
      let client = unsafe HTTP2TestClient.client(user)
      switch unsafe UInt32(frame!.pointee.hd.type) {
      case NGHTTP2_GOAWAY.rawValue:
        let goAway = unsafe frame!.pointee.goaway
        let text = unsafe UnsafeBufferPointer(
          start: goAway.opaque_data, count: goAway.opaque_data_len)
        unsafe client.goAways.append(
          GoAway(
            lastStream: goAway.last_stream_id, code: goAway.error_code,
            text: String(decoding: text, as: UTF8.self)))
      case NGHTTP2_PING.rawValue:
        if unsafe frame!.pointee.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
          client.pingCount += 1
        }
      default: break
      }
      return 0
    }
    var option: OpaquePointer?
    unsafe nghttp2_option_new(&option)
    defer { unsafe nghttp2_option_del(option) }
    unsafe nghttp2_option_set_no_auto_window_update(option, readsAtOnce ? 0 : 1)
    unsafe nghttp2_session_client_new2(
      &session, callbacks, Unmanaged.passUnretained(self).toOpaque(), option)
    var window = nghttp2_settings_entry(
      settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: windowBytes)
    unsafe nghttp2_submit_settings(session, 0, &window, 1)
    if !readsAtOnce { unsafe nghttp2_session_set_local_window_size(session, 0, 0, 1 << 30) }
  }

  /// Reads bytes of an answer, so that the server may send as many more.
  package func read(_ stream: Int32, _ bytes: Int) {
    unsafe nghttp2_session_consume(session, stream, bytes)
  }

  /// Sends more of a request that was opened without its end.
  package func send(_ bytes: [UInt8], on stream: Int32, endsStream: Bool = false) {
    guard let body = bodies[stream] else { return }
    body.bytes += bytes
    body.endsStream = endsStream
    unsafe nghttp2_session_resume_data(session, stream)
  }

  /// Request bytes of a stream that the server's window has not let out yet.
  package func unsentBytes(_ stream: Int32) -> Int { bodies[stream]?.bytes.count ?? 0 }

  deinit { unsafe nghttp2_session_del(session) }

  private static func client(_ user: UnsafeMutableRawPointer?) -> HTTP2TestClient {
    unsafe Unmanaged<HTTP2TestClient>.fromOpaque(user!).takeUnretainedValue()
  }

  /// Opens a stream; gRPC's own headers unless `headers` says otherwise.
  package func request(
    _ path: String, body: [UInt8], endsStream: Bool = true, method: String = "POST",
    contentType: String = "application/grpc", headers: [(String, String)] = []
  ) -> Int32 {
    let fields =
      [
        (":method", method), (":scheme", "http"), (":path", path), (":authority", "test"),
        ("content-type", contentType), ("te", "trailers"),
      ]
      + headers
    return request(
      fields: fields.map { (Array($0.0.utf8), Array($0.1.utf8)) }, body: body,
      endsStream: endsStream)
  }

  /// The same with all header fields as they are given, whether they make a request or not.
  @discardableResult
  package func request(
    fields storage: [([UInt8], [UInt8])], body: [UInt8], endsStream: Bool = true
  ) -> Int32 {
    let pending = Body(body, endsStream: endsStream)
    var provider = unsafe nghttp2_data_provider()
    unsafe provider.source.ptr = Unmanaged.passUnretained(pending).toOpaque()
    unsafe provider.read_callback = { _, _, buffer, length, flags, source, _ in
      let body = unsafe Unmanaged<Body>.fromOpaque(source!.pointee.ptr).takeUnretainedValue()
      guard !body.bytes.isEmpty || body.endsStream else {
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
      }
      let count = min(length, body.bytes.count)
      unsafe body.bytes.withUnsafeBytes {
        unsafe UnsafeMutableRawPointer(buffer!).copyMemory(
          from: $0.baseAddress ?? UnsafeRawPointer(buffer!), byteCount: count)
      }
      body.bytes.removeFirst(count)
      if body.bytes.isEmpty && body.endsStream {
        unsafe flags!.pointee = NGHTTP2_DATA_FLAG_EOF.rawValue
      }
      return count
    }
    var vectors: [nghttp2_nv] = unsafe storage.map { name, value in
      let namePointer = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, name.count))
      let valuePointer = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, value.count))
      unsafe namePointer.initialize(from: name, count: name.count)
      unsafe valuePointer.initialize(from: value, count: value.count)
      return unsafe nghttp2_nv(
        name: namePointer, value: valuePointer, namelen: name.count, valuelen: value.count, flags: 0
      )
    }
    let stream = unsafe nghttp2_submit_request(
      session, nil, &vectors, vectors.count, &provider, nil)
    for index in unsafe vectors.indices {
      unsafe vectors[index].name.deallocate()
      unsafe vectors[index].value.deallocate()
    }
    bodies[stream] = pending
    return stream
  }

  /// How many streams the server says that a client may have.
  package var mostStreams: UInt32 {
    unsafe nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
  }

  package func ping() { unsafe nghttp2_submit_ping(session, 0, nil) }

  package func reset(_ stream: Int32) {
    unsafe nghttp2_submit_rst_stream(session, 0, stream, UInt32(NGHTTP2_CANCEL.rawValue))
  }

  /// What the client has to send now.
  package func output() -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      var frame: UnsafePointer<UInt8>?
      let count = unsafe nghttp2_session_mem_send(session, &frame)
      guard count > 0 else { return bytes }
      unsafe bytes += UnsafeBufferPointer(start: frame, count: count)
    }
  }

  package func receive(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBufferPointer {
      _ = unsafe nghttp2_session_mem_recv(session, $0.baseAddress, $0.count)
    }
  }

  /// A length-prefixed gRPC message.
  package static func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
    unsafe [flag] + withUnsafeBytes(of: UInt32(message.count).bigEndian) { unsafe Array($0) }
      + message
  }
}
