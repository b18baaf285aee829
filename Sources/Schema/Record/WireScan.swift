import Bytes

/// Steps over protobuf wire format (protobuf.dev/programming-guides/encoding) without making values
/// of it.
///
/// Stricter than the format where decoders in wide use are: a tag and a length have at most 5
/// bytes, for C++ and its relatives read no more.
///
/// Unsafe island: `base` points to at least `end` bytes in every call, and a byte is read at
/// `offset` only after `offset < end` was checked.
package enum WireScan {
  /// A number of 1 to 10 bytes at `offset`, which moves to after it.
  ///
  /// - Throws: when it does not end before `end`, or has more than 64 bits.
  @inline(__always)
  package static func varint(
    _ base: UnsafePointer<UInt8>, _ offset: inout Int, _ end: Int
  ) throws(RecordError) -> UInt64 {
    if offset < end {
      let byte = unsafe base[offset]
      if byte < 0x80 {
        offset &+= 1
        return UInt64(byte)
      }
    }
    let start = offset
    // SAFETY: the bytes before `end` are there.
    let bytes = unsafe UnsafeRawBufferPointer(start: base, count: end)
    guard let value = unsafe Varint.decode(bytes, &offset, end: end) else {
      throw varintError(start, offset)
    }
    return value
  }

  @inline(never)
  private static func varintError(_ start: Int, _ end: Int) -> RecordError {
    // It has its tenth byte, and is still too long: else it is the bytes that end.
    RecordError(end &- start == Varint.maximumBytes ? .malformedVarint : .truncated, offset: start)
  }

  /// A field's number and wire type.
  @inline(__always)
  package static func tag(
    _ base: UnsafePointer<UInt8>, _ offset: inout Int, _ end: Int
  ) throws(RecordError) -> (number: UInt32, wireType: UInt8) {
    let start = offset
    let raw = try unsafe varint(base, &offset, end)
    guard raw <= UInt64(UInt32.max), raw >= 8, offset &- start <= 5 else {
      throw RecordError(.invalidTag, offset: start)
    }
    return (UInt32(truncatingIfNeeded: raw &>> 3), UInt8(truncatingIfNeeded: raw & 7))
  }

  /// The length of a length-delimited value, which the bytes are known to hold.
  @inline(__always)
  package static func length(
    _ base: UnsafePointer<UInt8>, _ offset: inout Int, _ end: Int
  ) throws(RecordError) -> Int {
    let start = offset
    let length = try unsafe varint(base, &offset, end)
    guard offset &- start <= 5 else { throw RecordError(.malformedVarint, offset: start) }
    guard length <= UInt64(truncatingIfNeeded: end &- offset) else {
      throw RecordError(.truncated, offset: start)
    }
    return Int(truncatingIfNeeded: length)
  }

  /// Moves `offset` over `count` bytes.
  ///
  /// - Throws: when fewer are left before `end`.
  @inline(__always)
  package static func advance(_ offset: inout Int, by count: Int, _ end: Int) throws(RecordError) {
    guard end &- offset >= count else { throw RecordError(.truncated, offset: offset) }
    offset &+= count
  }

  /// Steps over the value of a field that begins with the tag at `start`.
  /// - Parameter depth: how deep the message or group is nested that holds the field.
  package static func skip(
    _ base: UnsafePointer<UInt8>, _ offset: inout Int, _ end: Int, number: UInt32, wireType: UInt8,
    start: Int, depth: Int
  ) throws(RecordError) {
    switch wireType {
    case 0: _ = try unsafe varint(base, &offset, end)
    case 1: try advance(&offset, by: 8, end)
    case 2: unsafe offset &+= try length(base, &offset, end)
    case 3:
      guard depth < RecordPlan.maximumDepth else { throw RecordError(.tooDeep, offset: start) }
      while true {
        let innerStart = offset
        let inner = try unsafe tag(base, &offset, end)
        if inner.wireType == 4 {
          guard inner.number == number else {
            throw RecordError(.unmatchedGroup, offset: innerStart)
          }
          return
        }
        try unsafe skip(
          base, &offset, end, number: inner.number, wireType: inner.wireType, start: innerStart,
          depth: depth &+ 1)
      }
    case 4: throw RecordError(.unmatchedGroup, offset: start)
    case 5: try advance(&offset, by: 4, end)
    default: throw RecordError(.invalidWireType, offset: start, wireType: wireType)
    }
  }
}
