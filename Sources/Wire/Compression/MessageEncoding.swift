// SAFETY: the bytes of a header are lent, and are compared within their count.

/// How a call's request messages may be compressed: its `grpc-encoding`.
enum MessageEncoding: UInt8 {
  /// Not at all; also without the header.
  case identity
  case gzip
  /// By something that this server does not have. Only a message that is compressed is refused for it.
  case unknown
  /// The call is refused for it: its answer says what there is.
  case refused

  /// What this server takes, for `grpc-accept-encoding`.
  static let accepted = "identity,gzip"

  @safe
  init(_ value: UnsafeRawBufferPointer) {
    if value.matches("identity") {
      self = .identity
    } else {
      self = value.matches("gzip") ? .gzip : .unknown
    }
  }

  /// Whether a `grpc-accept-encoding`, names with commas between them, has gzip.
  @safe
  static func takesGzip(_ value: UnsafeRawBufferPointer) -> Bool {
    var start = 0
    while start < value.count {
      var end = start
      while end < value.count, unsafe value[end] != UInt8(ascii: ",") { end += 1 }
      var name = start..<end
      while let first = name.first, unsafe value[first] == UInt8(ascii: " ") { name.removeFirst() }
      while let last = name.last, unsafe value[last] == UInt8(ascii: " ") { name.removeLast() }
      if unsafe UnsafeRawBufferPointer(rebasing: value[name]).matches("gzip") { return true }
      start = end + 1
    }
    return false
  }
}

/// How a call is answered.
enum AnswerEncoding: UInt8 {
  /// Nothing is compressed.
  case identity
  /// The client takes gzip, and the server may send it.
  case gzipAccepted
  /// Messages may be compressed, as the answer's headers say.
  case gzip
}
