import Bytes

/// How a call ended, when not well: code, sentence, and the machine-readable reason.
///
/// On the wire it becomes `grpc-status`, `grpc-message` and, in `grpc-status-details-bin`, a
/// `google.rpc.Status` with exactly one `google.rpc.ErrorInfo` (AIP-193).
package struct RPCStatus: Error, Equatable, Sendable {
  /// What goes into `grpc-status`.
  package let code: StatusCode
  /// What was wrong and what to do about it; one sentence, for people. At most
  /// ``maximumMessageBytes`` of it are sent.
  package let message: String
  /// `ErrorInfo.reason`: UPPER_SNAKE_CASE, for programs.
  package let reason: String
  /// `ErrorInfo.metadata`, in the order given.
  package let metadata: [Entry]

  /// The caller's deadline has passed.
  package static let deadlineExceeded = RPCStatus(
    .deadlineExceeded, reason: "DEADLINE_EXCEEDED",
    "the call's deadline passed before its answer was ready; a write may still have happened: look, then call "
      + "again with more time")

  /// The budget of answers is spent.
  package static let answerMemoryFull = RPCStatus(
    .resourceExhausted, reason: "ANSWER_BUFFER_FULL",
    "answers that their clients have not read yet fill the server's memory; call again later")

  /// The budget of requests is spent.
  package static let requestBufferFull = RPCStatus(
    .resourceExhausted, reason: "REQUEST_BUFFER_FULL",
    "too many bytes of unfinished requests are waiting in the server's memory; send fewer at once")

  /// The calls of all connections are too many; for the log, the client gets a reset.
  static let tooManyCalls = RPCStatus(
    .resourceExhausted, reason: "TOO_MANY_CALLS",
    "the server has too many calls, and this client has the most of them; begin fewer at once")

  /// The server is about to end.
  package static let shuttingDown = RPCStatus(
    .unavailable, reason: "SHUTTING_DOWN", "the server is shutting down; connect again")

  /// A pair of the metadata.
  package struct Entry: Equatable, Sendable {
    /// In lowerCamelCase, as AIP-193 has it.
    package let key: String
    /// Text for programs; a number in decimal.
    package let value: String
  }

  /// Clients suggest 8 KiB for all trailers; message and details together stay well below.
  package static let maximumMessageBytes = 1024
  static let maximumDetailsBytes = 4096
  /// `ErrorInfo.domain`: the product whose reasons these are.
  package static let errorDomain = "seandb"

  /// - Parameters:
  ///   - reason: see ``reason``.
  ///   - message: see ``message``; kept whole, and cut when it is sent.
  package init(
    _ code: StatusCode, reason: String, _ message: String, metadata: [(String, String)] = []
  ) {
    self.code = code
    self.reason = reason
    self.message = message
    self.metadata = metadata.map { Entry(key: $0.0, value: $0.1) }
  }

  /// The serialized `google.rpc.Status`, or nil when it would be larger than clients take in a trailer.
  func details() -> [UInt8]? {
    var status = ByteWriter()
    status.appendField(1, varint: UInt64(code.rawValue))
    status.appendField(2, truncatedMessage)
    status.appendMessage(3) { any in
      any.appendField(1, "type.googleapis.com/google.rpc.ErrorInfo")
      any.appendMessage(2) { info in
        info.appendField(1, reason)
        info.appendField(2, Self.errorDomain)
        for entry in metadata {
          info.appendMessage(3) { pair in
            pair.appendField(1, entry.key)
            pair.appendField(2, entry.value)
          }
        }
      }
    }
    return status.count <= Self.maximumDetailsBytes ? status.array() : nil
  }

  /// The message cut at a character border to what a trailer carries.
  var truncatedMessage: String {
    guard message.utf8.count > Self.maximumMessageBytes else { return message }
    var kept = ""
    var size = 0
    for character in message {
      size += character.utf8.count
      if size > Self.maximumMessageBytes - 3 { break }
      kept.append(character)
    }
    return kept + "..."
  }
}
