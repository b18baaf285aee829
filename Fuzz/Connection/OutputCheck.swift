/// Reads what a server sends, as far as a client could tell that it is wrong (RFC 9113 §4.1, §5.1).
struct OutputCheck {
  private(set) var byteCount = 0
  private let streams: UInt32
  private var hasSettings = false
  /// The stream whose header block goes on.
  private var openBlock: UInt32?
  private var answered: Set<UInt32> = []
  private var ended: Set<UInt32> = []

  /// - Parameter streams: what the server has to say of how many a client may have.
  init(streams: UInt32) { self.streams = streams }

  private enum Kind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let pushPromise: UInt8 = 5
    static let continuation: UInt8 = 9
  }

  /// Checks what was sent at a time: whole frames.
  mutating func take(_ bytes: [UInt8]) {
    byteCount += bytes.count
    var rest = bytes[...]
    while !rest.isEmpty {
      require(rest.count >= 9, "a frame's header is sent whole")
      let header = Array(rest.prefix(9))
      let length = header[..<3].reduce(0) { $0 << 8 | Int($1) }
      let stream = header[5...].reduce(0) { $0 << 8 | UInt32($1) }
      rest = rest.dropFirst(9)
      require(rest.count >= length, "a frame is sent whole")
      take(kind: header[3], flags: header[4], stream, rest.prefix(length))
      rest = rest.dropFirst(length)
    }
  }

  private mutating func take(
    kind: UInt8, flags: UInt8, _ stream: UInt32, _ payload: ArraySlice<UInt8>
  ) {
    if !hasSettings {
      require(kind == Kind.settings && flags == 0, "SETTINGS come first")
      let limit = payload.dropFirst(2).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
      require(payload.prefix(2).elementsEqual([0, 3]) && limit == streams, "the limit is told")
      hasSettings = true
    }
    if let openBlock {
      require(kind == Kind.continuation && stream == openBlock, "a header block is not cut")
    } else {
      require(kind != Kind.continuation, "a header block has begun")
    }
    switch kind {
    case Kind.headers, Kind.data:
      require(stream % 2 == 1, "answers go to streams of the client")
      require(!ended.contains(stream), "nothing follows the end of a stream")
      if kind == Kind.headers { answered.insert(stream) }
      require(answered.contains(stream), "headers come before data")
      if flags & 1 != 0 { ended.insert(stream) }
      if kind == Kind.headers && flags & 4 == 0 { openBlock = stream }
    case Kind.continuation: if flags & 4 != 0 { openBlock = nil }
    case Kind.reset: ended.insert(stream)
    default: require(kind != Kind.pushPromise, "nothing is pushed")
    }
  }
}
