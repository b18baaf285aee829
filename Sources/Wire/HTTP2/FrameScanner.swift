// SAFETY: the bytes are lent until `scan` returns, and every load is within their count.

/// Looks at the header of each frame that a client sends, before nghttp2 does.
///
/// nghttp2 forgets a stream when it is closed, and drops in silence what comes for it afterwards; and it takes frames
/// that carry nothing for ever. So here is remembered how the client has ended its last streams, and counted what such
/// frames cost. Whatever nghttp2 sees by itself is left to it.
///
/// A frame (RFC 9113 §4.1):
///
///     length: 24 bits | type: 8 | flags: 8 | reserved: 1 | stream: 31 | payload …
///
/// Thread-safety: a value; confined to its owner.
package struct FrameScanner {
  /// What ends the connection.
  package enum Violation: Equatable, Sendable {
    /// A frame on a stream that the client has ended or reset (RFC 9113 §5.1).
    case streamClosed
    /// A stream is begun below one that was begun before (§5.1.1).
    case streamOutOfOrder
    /// A stream depends on itself (RFC 7540 §5.3.1).
    case selfDependency
    /// PRIORITY on stream 0 (§6.3).
    case priorityOfConnection
  }

  /// How the client has left a stream.
  private enum State {
    /// It was never begun, though a later one was.
    static let unused: UInt8 = 0
    /// The client has not ended it. The server may have.
    static let open: UInt8 = 1
    /// END_STREAM or RST_STREAM has come.
    static let closed: UInt8 = 2
  }

  /// Streams that are remembered. What comes for older ones may have been sent before the client knew of their end.
  package static let rememberedStreams = 256
  private static let prefaceBytes = 24
  private static let headerBytes = 9
  /// Less than the prefix of a gRPC message is in it: no client sends such DATA but at the end of a window.
  private static let shortDataBytes = 5

  /// The number of a stream without the reserved bit before it.
  private static let streamBits = UInt32.max >> 1

  private static let endStream: UInt8 = 0x1
  private static let endHeaders: UInt8 = 0x4
  private static let padded: UInt8 = 0x8
  private static let priority: UInt8 = 0x20

  /// Bytes before the next frame's header: of a payload, or of the preface.
  private var skip = prefaceBytes
  /// The last bytes of the input when they are not a whole header, first byte highest; their count, and how many are
  /// wanted.
  private var partial: UInt128 = 0
  private var partialCount = 0
  private var wanted = headerBytes

  /// How the client has left its streams, by half their number.
  private var states = InlineArray<256, UInt8>(repeating: State.unused)
  private var newest = -1
  /// The stream whose header block has not ended; nothing else may come before its end, as nghttp2 sees to.
  private var openBlock = 0

  /// What came since it was last taken, see ``FrameBudget``.
  package private(set) var cost = 0
  /// Streams that were begun.
  package private(set) var begunStreams = 0
  /// What was found last. Nothing may be scanned after it.
  package private(set) var violation: Violation?

  package init() {}

  /// Takes ``cost``.
  package mutating func takeCost() -> Int {
    defer { cost = 0 }
    return cost
  }

  /// Looks at the next bytes of the client.
  ///
  /// - Returns: how many of them come before the frame that is a ``violation``; all of them when there is none.
  @safe
  package mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Int {
    if partialCount > 0 && !completeHeader(bytes) { return violation == nil ? bytes.count : 0 }
    var position = skip
    while position + Self.headerBytes <= bytes.count {
      let word = unsafe UInt32(
        bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
      let length = Int(word >> 8)
      let type = UInt8(truncatingIfNeeded: word)
      let flags = unsafe bytes[position + 4]
      let stream = unsafe Int(
        UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position + 5, as: UInt32.self))
          & Self.streamBits)
      let isGood: Bool
      if type == 0 {
        isGood = judgeData(flags, stream, length)
      } else if type == 1 && flags & Self.priority == 0 {
        isGood = judgeHeaders(flags, stream, length)
      } else {
        let needed = Self.wantedBytes(type, flags, length)
        if position + needed > bytes.count { break }
        let dependency = Self.dependency(bytes, position + needed, needed)
        isGood = judgeOther(type, flags, stream, length, dependency)
      }
      guard isGood else { return position }
      position += Self.headerBytes + length
    }
    skip = max(0, position - bytes.count)
    while position < bytes.count {
      unsafe append(bytes[position])
      position += 1
    }
    return bytes.count
  }

  // MARK: - Headers in pieces

  private mutating func append(_ byte: UInt8) {
    partial = partial << 8 | UInt128(byte)
    partialCount += 1
    if partialCount == Self.headerBytes {
      wanted = Self.wantedBytes(
        UInt8(truncatingIfNeeded: partial >> 40), UInt8(truncatingIfNeeded: partial >> 32),
        Int(truncatingIfNeeded: partial >> 48))
    }
  }

  /// Takes what is missing of a header whose first bytes came before. False when it is not whole yet, or a violation.
  @safe
  private mutating func completeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var used = 0
    while partialCount < wanted {
      guard used < bytes.count else { return false }
      unsafe append(bytes[used])
      used += 1
    }
    let more = wanted - Self.headerBytes
    let dependency = more > 0 ? Int(truncatingIfNeeded: partial & UInt128(Self.streamBits)) : -1
    let header = partial >> UInt128(8 * more)
    let type = UInt8(truncatingIfNeeded: header >> 40)
    let flags = UInt8(truncatingIfNeeded: header >> 32)
    let stream = Int(truncatingIfNeeded: header & UInt128(Self.streamBits))
    let length = Int(truncatingIfNeeded: header >> 48)
    partial = 0
    partialCount = 0
    wanted = Self.headerBytes
    skip = used + length - more
    switch type {
    case 0: return judgeData(flags, stream, length)
    case 1 where flags & Self.priority == 0: return judgeHeaders(flags, stream, length)
    default: return judgeOther(type, flags, stream, length, dependency)
    }
  }

  /// Bytes of a frame that are looked at: its header, and which stream it depends on if it says so.
  private static func wantedBytes(_ type: UInt8, _ flags: UInt8, _ length: Int) -> Int {
    switch type {
    case 1 where flags & priority != 0 && flags & padded != 0 && length >= 5: headerBytes + 5
    case 1 where flags & priority != 0 && flags & padded == 0 && length >= 4: headerBytes + 4
    case 2 where length >= 4: headerBytes + 4
    default: headerBytes
    }
  }

  /// The stream in the four bytes before `end`, or -1 when only a header was wanted.
  @safe
  private static func dependency(
    _ bytes: UnsafeRawBufferPointer, _ end: Int, _ needed: Int
  ) -> Int {
    guard needed > headerBytes else { return -1 }
    return unsafe Int(
      UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: end - 4, as: UInt32.self))
        & Self.streamBits)
  }

  // MARK: - Frames

  @inline(__always)
  private static func index(_ stream: Int) -> Int { stream >> 1 & (rememberedStreams - 1) }

  /// Whether a stream is one that the client may have begun, and that is remembered.
  @inline(__always)
  private func isRemembered(_ stream: Int) -> Bool {
    stream & 1 == 1 && stream <= newest && newest - stream < 2 * Self.rememberedStreams
  }

  @inline(__always)
  private mutating func judgeData(_ flags: UInt8, _ stream: Int, _ length: Int) -> Bool {
    guard isRemembered(stream), openBlock == 0 else {
      cost += FrameBudget.frame
      return true
    }
    let index = Self.index(stream)
    guard states[index] == State.open else { return fail(.streamClosed) }
    if flags & Self.endStream != 0 {
      states[index] = State.closed
    } else if length < Self.shortDataBytes {
      cost += FrameBudget.frame
    }
    return true
  }

  @inline(__always)
  private mutating func judgeHeaders(_ flags: UInt8, _ stream: Int, _ length: Int) -> Bool {
    guard stream > newest, stream & 1 == 1, openBlock == 0 else {
      return judgeLaterHeaders(flags, stream, length)
    }
    if stream != newest + 2 { forgetSkipped(stream) }
    newest = stream
    states[Self.index(stream)] = flags & Self.endStream != 0 ? State.closed : State.open
    begunStreams &+= 1
    if flags & Self.endHeaders == 0 { openBlock = stream }
    return true
  }

  /// Streams that a client leaves out are closed by the next one (RFC 9113 §5.1.1).
  private mutating func forgetSkipped(_ stream: Int) {
    var skipped = max(newest + 2, stream - 2 * (Self.rememberedStreams - 1))
    while skipped < stream {
      states[Self.index(skipped)] = State.unused
      skipped += 2
    }
  }

  /// HEADERS on a stream that is not new: trailers, or wrong.
  private mutating func judgeLaterHeaders(_ flags: UInt8, _ stream: Int, _ length: Int) -> Bool {
    cost += FrameBudget.block + length / FrameBudget.blockBytes
    guard isRemembered(stream), openBlock == 0 else { return true }
    switch states[Self.index(stream)] {
    case State.unused: return fail(.streamOutOfOrder)
    case State.closed: return fail(.streamClosed)
    default: break
    }
    if flags & Self.endStream != 0 { states[Self.index(stream)] = State.closed }
    if flags & Self.endHeaders == 0 { openBlock = stream }
    return true
  }

  private mutating func judgeOther(
    _ type: UInt8, _ flags: UInt8, _ stream: Int, _ length: Int, _ dependency: Int
  ) -> Bool {
    guard openBlock == 0 else {
      cost += FrameBudget.frame
      if type == 9 && stream == openBlock && flags & Self.endHeaders != 0 { openBlock = 0 }
      return true
    }
    switch type {
    case 1:
      guard dependency != stream else { return fail(.selfDependency) }
      return judgeHeaders(flags, stream, length)
    case 2:
      cost += FrameBudget.frame
      guard stream != 0 else { return fail(.priorityOfConnection) }
      if dependency == stream && length == 5 { return fail(.selfDependency) }
    case 3:
      cost += FrameBudget.frame
      if isRemembered(stream), states[Self.index(stream)] == State.open {
        states[Self.index(stream)] = State.closed
      }
    case 4 where flags & Self.endStream == 0:
      cost += FrameBudget.settings + length / FrameBudget.settingBytes * FrameBudget.frame
    case 6 where flags & Self.endStream == 0:
      // `PingStrikes` counts them.
      break
    default: cost += FrameBudget.frame
    }
    return true
  }

  private mutating func fail(_ violation: Violation) -> Bool {
    self.violation = violation
    return false
  }
}
