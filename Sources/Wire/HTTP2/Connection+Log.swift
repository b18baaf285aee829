import CNghttp2
import Logging

// SAFETY: nghttp2 has a constant C string for each code.

/// What is logged of a client: with `--log-level trace` each call, with `debug` why a connection ends.
extension Connection {
  /// Logs the error of HTTP/2 that a client is told by a GOAWAY.
  func logGoAway(_ code: UInt32) {
    guard code != UInt32(NGHTTP2_NO_ERROR.rawValue), let name = unsafe nghttp2_http2_strerror(code)
    else {
      return
    }
    loop.logger.debug(
      "a client broke the rules of HTTP/2 or its limits; its connection is closed",
      metadata: ["error": unsafe "\(String(cString: name))"])
  }

  /// Logs a call whose stream is over.
  func logCall(_ slot: SlotReference, _ call: EndedCall) {
    let path = call.method?.path ?? String(decoding: slot.pointee.unknownPath, as: UTF8.self)
    var metadata: Logger.Metadata = [
      "method": "\(path)",
      "status": "\(call.status)",
      "requestBytes": "\(call.requestBytes)",
      "answerBytes": "\(call.responseBytes)",
      "microseconds": "\(call.duration / 1000)",
    ]
    if let failure = slot.pointee.failure { metadata["reason"] = "\(failure.reason)" }
    loop.logger.trace("call", metadata: metadata)
  }
}
