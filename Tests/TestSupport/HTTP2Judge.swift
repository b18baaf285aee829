import CNghttp2

// SAFETY: the session lives from `init` to `deinit` and calls back only from inside the calls made here, so that the
// unretained `self` in its user data is alive then. What it lends is copied at once.

/// A server's session of nghttp2 that keeps HTTP's rules itself: says of a client's bytes which streams it resets.
@safe
package final class HTTP2Judge {
  /// The codes of the streams that it reset.
  package private(set) var resets: [Int32: UInt32] = [:]
  private var session: OpaquePointer?

  package init() {
    var callbacks: OpaquePointer?
    unsafe nghttp2_session_callbacks_new(&callbacks)
    defer { unsafe nghttp2_session_callbacks_del(callbacks) }
    unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, user in
      guard let frame = unsafe frame, let user = unsafe user,
        unsafe frame.pointee.hd.type == UInt8(NGHTTP2_RST_STREAM.rawValue)
      else { return 0 }
      let judge = unsafe Unmanaged<HTTP2Judge>.fromOpaque(user).takeUnretainedValue()
      unsafe judge.resets[frame.pointee.hd.stream_id] = frame.pointee.rst_stream.error_code
      return 0
    }
    unsafe nghttp2_session_server_new(
      &session, callbacks, Unmanaged.passUnretained(self).toOpaque())
    unsafe nghttp2_submit_settings(session, 0, nil, 0)
  }

  deinit { unsafe nghttp2_session_del(session) }

  /// Takes a client's bytes; the answers go nowhere.
  package func receive(_ bytes: [UInt8]) {
    _ = unsafe nghttp2_session_mem_recv(session, bytes, bytes.count)
    var frames: UnsafePointer<UInt8>?
    while unsafe nghttp2_session_mem_send(session, &frames) > 0 {}
  }
}
