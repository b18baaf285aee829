import Bytes
import Wire

/// Makes frames of HTTP/2 out of an input: each is nearly right, so that much comes through to what is behind nghttp2.
struct FrameScript {
  private(set) var bytes: [UInt8] = []
  private var nextStream: UInt32 = 1
  private var opened: [UInt32] = []

  /// A message of a kilobyte that becomes 6 bytes of gzip a hundred.
  static let gzip = compressed([UInt8](repeating: 7, count: 1000))
  /// One that becomes larger than a request may be.
  private static let bomb = compressed([UInt8](repeating: 0, count: 100_000))

  private static func compressed(_ bytes: [UInt8]) -> [UInt8] {
    var output = ByteWriter()
    _ = bytes.withUnsafeBytes { GzipDeflater(level: 6).deflate($0, into: &output) }
    return output.array()
  }

  private static let paths = [
    "/f.S/Echo", "/f.S/Refuse", "/f.S/Later", "/f.S/Pages", "/f.S/Chat", "/f.S/None", "/", "*",
  ]

  /// Gives away what was made.
  mutating func take() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  // MARK: - Frames

  private mutating func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) {
    append(length: payload.count, type, flags, stream)
    bytes += payload
  }

  private mutating func append(length: Int, _ type: UInt8, _ flags: UInt8, _ stream: UInt32) {
    bytes += [UInt8(length >> 16 & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF)]
    bytes += [type, flags]
    append(stream)
  }

  private mutating func append(_ number: UInt32) {
    bytes += Self.bigEndian(number)
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(number >> (24 - 8 * UInt32($0)) & 0xFF) }
  }

  /// A stream that was opened, or one that was not.
  private func stream(_ choice: UInt8) -> UInt32 {
    choice & 0x80 != 0 || opened.isEmpty
      ? UInt32(choice & 0x3F) : opened[opened.count - 1 - Int(choice) % opened.count]
  }

  /// Any frame at all; its length may be a lie.
  mutating func anyFrame(_ input: inout FuzzInput) {
    let (type, flags, choice, lie) = (input.byte(), input.byte(), input.byte(), input.byte())
    let payload = input.bytes(Int(input.byte()))
    append(
      length: payload.count + (lie & 0xF0 == 0xF0 ? Int(lie & 0xF) : 0), type, flags, stream(choice)
    )
    bytes += payload
  }

  /// A frame without much in it: one of RST_STREAM, WINDOW_UPDATE, SETTINGS, PING, GOAWAY and PRIORITY.
  mutating func control(_ input: inout FuzzInput) {
    let (kind, choice) = (input.byte(), input.byte())
    let number = UInt32(truncatingIfNeeded: input.word()) << UInt32(kind >> 4)
    switch kind & 7 {
    case 0: frame(3, 0, stream(choice), Self.bigEndian(number))
    case 1: frame(8, 0, choice & 1 == 0 ? 0 : stream(choice), Self.bigEndian(number))
    case 2: frame(4, 0, 0, [0, choice & 15] + Self.bigEndian(number))
    case 3: frame(4, 1, 0, [])
    case 4: frame(6, choice & 1, 0, Self.bigEndian(number) + Self.bigEndian(number))
    case 5: frame(7, 0, 0, Self.bigEndian(number) + Self.bigEndian(UInt32(choice)))
    case 6: frame(2, 0, stream(choice), Self.bigEndian(number) + [choice])
    default: frame(8, 0, 0, Self.bigEndian(0x10000))
    }
  }

  // MARK: - Calls

  /// Opens a stream with the headers of a call.
  ///
  ///     method: 8 | options: 16, see below
  mutating func call(_ input: inout FuzzInput) {
    let method = Int(input.byte())
    let options = input.word()
    func has(_ bit: Int) -> Bool { options >> bit & 1 == 1 }
    var block = HeaderBlock(isIndexing: has(0))
    block.add(":method", has(1) ? "GET" : "POST")
    block.add(":scheme", "http")
    block.add(":path", Self.paths[method % Self.paths.count])
    block.add(":authority", "f")
    block.add("content-type", has(2) ? "application/grpc+proto;x" : "application/grpc")
    if has(3) { block.add("grpc-encoding", method & 0x80 == 0 ? "gzip" : "br") }
    if has(4) { block.add("grpc-accept-encoding", "identity, gzip") }
    if has(5) { block.add("grpc-timeout", input.bytes(1 + Int(input.byte()) % 9)) }
    if has(6) { block.add("authorization", input.bytes(1)) }
    if has(7) { block.add("x-a", input.bytes(Int(input.byte()))) }
    if has(8) { block.add("x-b-bin", input.bytes(Int(input.byte() & 31))) }
    if has(9) { block.add("content-length", Array(String(input.byte()).utf8)) }
    if has(10) { block.add(raw: input.bytes(Int(input.byte() & 63))) }
    let isSplit = has(11)
    let stream = nextStream
    nextStream += 2
    opened.append(stream)
    let end: UInt8 = has(12) ? 1 : 0
    var payload = block.bytes
    var flags = end | (isSplit ? 0 : 4)
    if has(13) {
      // PADDED and PRIORITY.
      flags |= 0x28
      payload = [2] + Self.bigEndian(0) + [16] + payload + [0, 0]
    }
    guard isSplit else { return frame(1, flags, stream, payload) }
    let cut = Int(input.byte()) % (payload.count + 1)
    // Padding belongs to the one frame.
    frame(1, flags & ~0x28, stream, Array(block.bytes.prefix(cut)))
    frame(9, has(14) ? 0 : 4, stream, Array(block.bytes.dropFirst(cut)))
  }

  /// Sends a message on a stream, whole or in the middle.
  ///
  ///     stream: 8 | flags: 8 | kind: 8 | length: 8
  mutating func message(_ input: inout FuzzInput) {
    let (choice, flags, kind) = (input.byte(), input.byte(), input.byte())
    var message: [UInt8]
    switch kind & 7 {
    case 0: message = Self.gzip
    case 1: message = Self.bomb
    case 2: message = [UInt8](repeating: input.byte(), count: 16 * Int(input.byte()))
    case 3: message = Array(Self.gzip.prefix(Int(input.byte())))
    default: message = input.bytes(Int(input.byte()))
    }
    let isCompressed = kind & 7 < 2 || kind & 7 == 3
    var prefix = [isCompressed ? 1 : 0] + Self.bigEndian(UInt32(message.count))
    // A prefix that says something else.
    if kind & 0xF0 == 0xF0 { prefix[Int(input.byte()) % 5] = input.byte() }
    var payload = kind & 8 == 0 ? prefix + message : message
    if flags & 8 != 0 { payload = [1] + payload + [0] }
    frame(0, flags & 9, stream(choice), payload)
  }

  /// Ends a request with trailers.
  mutating func trailers(_ input: inout FuzzInput) {
    var block = HeaderBlock(isIndexing: false)
    block.add("x-trailer", input.bytes(Int(input.byte() & 15)))
    frame(1, 5, stream(input.byte()), block.bytes)
  }
}

/// A header block of HPACK, without Huffman coding (RFC 7541 §6.2).
private struct HeaderBlock {
  private(set) var bytes: [UInt8] = []
  let isIndexing: Bool

  init(isIndexing: Bool) { self.isIndexing = isIndexing }

  mutating func add(_ name: String, _ value: String) { add(name, Array(value.utf8)) }

  mutating func add(_ name: String, _ value: [UInt8]) {
    bytes.append(isIndexing ? 0x40 : 0x00)
    add(raw: Self.string(Array(name.utf8)))
    add(raw: Self.string(value))
  }

  /// Bytes that stand for something or nothing.
  mutating func add(raw: [UInt8]) { bytes += raw }

  private static func string(_ text: [UInt8]) -> [UInt8] {
    guard text.count >= 127 else { return [UInt8(text.count)] + text }
    var length: [UInt8] = [127]
    length.append(varint: text.count - 127)
    return length + text
  }
}
