// SAFETY: bytes are lent until the return.

/// Which header fields of a request have come, and whether they make one (RFC 9113, section 8).
///
/// nghttp2 can look after that itself, at a price: it looks at each byte of each field, also of those that are compared
/// with what a call has anyway. Its verdicts are kept. A field that is wrong makes the request malformed, and its
/// stream ends with PROTOCOL_ERROR: the calls that look at fields answer whether one is right.
struct RequestFields: BitwiseCopyable {
  private enum Seen {
    static let method: UInt8 = 1
    static let scheme: UInt8 = 2
    static let path: UInt8 = 4
    static let authority: UInt8 = 8
    static let host: UInt8 = 16
    static let request = method | scheme | path
  }

  private var seen: UInt8 = 0
  /// Pseudo-header fields come before all others.
  private var hasRegular = false
  private var isConnect = false
  private var isOptions = false
  private var isHTTP = false
  private var pathStart: UInt8 = 0
  private var isAsterisk = false
  /// -1: it has none.
  private var contentLength: Int64 = -1
  private var receivedBytes: Int64 = 0

  @safe
  @inline(__always)
  private mutating func see(_ field: UInt8, _ value: UnsafeRawBufferPointer) -> Bool {
    guard !hasRegular, seen & field == 0, unsafe !value.isEmpty else { return false }
    seen |= field
    return true
  }

  // MARK: - Pseudo-header fields

  /// - Parameter isPost: whether it is `POST`, which is right.
  @safe
  mutating func method(_ value: UnsafeRawBufferPointer, isPost: Bool) -> Bool {
    if !isPost {
      guard FieldSyntax.isMethod(value) else { return false }
      isConnect = value.matches("CONNECT")
      isOptions = value.matches("OPTIONS")
    }
    return see(Seen.method, value)
  }

  /// - Parameter isKnown: whether it is the path of a method, which is right.
  @safe
  mutating func path(_ value: UnsafeRawBufferPointer, isKnown: Bool) -> Bool {
    if !isKnown {
      guard FieldSyntax.isPath(value) else { return false }
      isAsterisk = value.matches("*")
    }
    pathStart = unsafe value.first ?? 0
    return see(Seen.path, value)
  }

  @safe
  mutating func scheme(_ value: UnsafeRawBufferPointer) -> Bool {
    if value.matches("http") || value.matches("https") {
      isHTTP = true
    } else {
      guard FieldSyntax.isScheme(value) else { return false }
      isHTTP =
        value.matches("http", ignoringCase: true) || value.matches("https", ignoringCase: true)
    }
    return see(Seen.scheme, value)
  }

  @safe
  mutating func authority(_ value: UnsafeRawBufferPointer) -> Bool {
    FieldSyntax.isAuthority(value) && see(Seen.authority, value)
  }

  // MARK: - Other fields

  /// A field comes that is no pseudo-header field.
  @inline(__always)
  mutating func beginRegular() { hasRegular = true }

  /// Any such field, of a header or a trailer.
  @safe
  mutating func regular(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Bool {
    switch name.count {
    case 2 where name.matches("te"): value.matches("trailers", ignoringCase: true)
    case 4 where name.matches("host"): host(value)
    case 14 where name.matches("content-length"): contentLength(value)
    default:
      FieldSyntax.isName(name) && FieldSyntax.isValue(value) && !Self.isOfConnection(name)
    }
  }

  @safe
  private mutating func host(_ value: UnsafeRawBufferPointer) -> Bool {
    guard FieldSyntax.isAuthority(value) else { return false }
    guard seen & Seen.host == 0, unsafe !value.isEmpty else { return false }
    seen |= Seen.host
    return true
  }

  @safe
  private mutating func contentLength(_ value: UnsafeRawBufferPointer) -> Bool {
    guard contentLength == -1, let length = Self.number(value) else { return false }
    contentLength = length
    return true
  }

  @safe
  private static func number(_ value: UnsafeRawBufferPointer) -> Int64? {
    guard unsafe !value.isEmpty else { return nil }
    var number: Int64 = 0
    for index in value.indices {
      let digit = unsafe value[index]
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      let (tens, isLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, isLarger) = tens.addingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
      guard !isLarge && !isLarger else { return nil }
      number = sum
    }
    return number
  }

  /// Fields of HTTP/1.1 that are about a connection have no place here (RFC 9113, section 8.2.2).
  @safe
  private static func isOfConnection(_ name: UnsafeRawBufferPointer) -> Bool {
    switch name.count {
    case 7: name.matches("upgrade")
    case 10: name.matches("connection") || name.matches("keep-alive")
    case 16: name.matches("proxy-connection")
    case 17: name.matches("transfer-encoding")
    default: false
    }
  }

  // MARK: - The whole

  /// Whether the fields make a request; asked at the end of the header.
  var isRequest: Bool {
    if isConnect {
      return seen & (Seen.scheme | Seen.path) == 0 && seen & Seen.authority != 0
    }
    guard seen & Seen.request == Seen.request, seen & (Seen.authority | Seen.host) != 0 else {
      return false
    }
    return !isHTTP || pathStart == UInt8(ascii: "/") || isOptions && isAsterisk
  }

  /// Whether so many more bytes of content are not too many.
  @inline(__always)
  mutating func take(_ bytes: Int) -> Bool {
    receivedBytes &+= Int64(bytes)
    return contentLength < 0 || isConnect || receivedBytes <= contentLength
  }

  /// Whether all of the content has come that was stated; asked at the end of the stream.
  var isWhole: Bool { contentLength < 0 || isConnect || receivedBytes == contentLength }
}
