import Bytes
import CNghttp2
import Logging
import Platform

/// What is logged of a client: with `--log-level trace` each call, with `debug` why a connection ends.
extension Connection {
  /// Logs the error of HTTP/2 that a client is told by a GOAWAY.
  func logGoAway(_ code: UInt32) {
    guard code != UInt32(NGHTTP2_NO_ERROR.rawValue), let name = nghttp2_http2_strerror(code) else {
      return
    }
    loop.logger.debug(
      "a client broke the rules of HTTP/2 or its limits; its connection is closed",
      metadata: ["error": "\(String(cString: name))"])
  }

  /// Logs a call whose stream is over: a finished one, one that was refused, one that either side reset.
  func logCall(_ slot: UnsafeMutablePointer<CallSlot>) {
    let index = Int(slot.pointee.method)
    let path = index >= 0 ? methods.methods[index].path : slot.pointee.unknownPath
    let isWhole =
      slot.pointee.finished && slot.pointee.sent == slot.pointee.response.bytes.count
    let status = isWhole ? slot.pointee.failure?.code ?? .ok : .cancelled
    var metadata: Logger.Metadata = [
      "method": "\(String(decoding: path, as: UTF8.self))",
      "status": "\(status)",
      "requestBytes": "\(slot.pointee.messageLength)",
      "answerBytes": "\(slot.pointee.response.bytes.count)",
      "microseconds": "\((MonotonicClock.now() - slot.pointee.began) / 1000)",
    ]
    if let failure = slot.pointee.failure { metadata["reason"] = "\(failure.reason)" }
    loop.logger.trace("call", metadata: metadata)
  }
}
