/// What makes bytes no protobuf message.
package enum ProtobufError: Error, Equatable, Sendable {
  /// The bytes end inside a tag, value, length or group at `offset`.
  case truncated(offset: Int)
  /// A varint is longer than 10 bytes, or its value does not fit.
  case malformedVarint(offset: Int)
  /// A field number of 0, or a tag over 32 bits.
  case invalidTag(offset: Int)
  /// Wire type 6 or 7.
  case invalidWireType(UInt8, offset: Int)
  /// An end-group tag without its start, or with another field number.
  case unmatchedGroup(offset: Int)
  /// Groups nested deeper than the reader allows.
  case tooDeep(offset: Int)
}

extension ProtobufError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .truncated(let offset): "it is cut off at byte \(offset)"
    case .malformedVarint(let offset): "the number at byte \(offset) is too long"
    case .invalidTag(let offset): "there is no valid field number at byte \(offset)"
    case .invalidWireType(let type, let offset):
      "byte \(offset) has wire type \(type), which does not exist"
    case .unmatchedGroup(let offset): "a group ends at byte \(offset) that did not begin"
    case .tooDeep(let offset): "groups are nested too deep at byte \(offset)"
    }
  }
}

/// Reads protobuf wire format from borrowed bytes without copying.
///
/// Every length is checked against the bytes that are there before it is used. `offset` counts from the
/// start of `bytes`.
///
/// Thread-safety: a value; the bytes must outlive it.
// SAFETY: Whoever makes a reader keeps the bytes, unchanged, for as long as it and what it hands out are used. Each
// offset and length is checked against their count first.
@safe
package struct ProtobufReader {
  /// All that is read, borrowed.
  @safe package let bytes: UnsafeRawBufferPointer
  /// Where the next tag or value begins.
  package private(set) var offset: Int

  /// Reads `bytes` from their start; they must outlive the reader and what it hands out.
  package init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.bytes = bytes
    offset = 0
  }

  /// Whether all bytes are read.
  package var isAtEnd: Bool { offset >= bytes.count }

  /// A field's number and wire type (0 varint, 1 fixed64, 2 length-delimited, 3 and 4 group, 5 fixed32).
  package struct Tag: Equatable, Sendable {
    /// 1 to 2^29 - 1.
    package let number: Int
    /// 0 to 5.
    package let wireType: UInt8
  }

  /// The next field's tag. Its value has to be read, or skipped, before the next one.
  package mutating func nextTag() throws(ProtobufError) -> Tag {
    let start = offset
    let raw = try nextVarint()
    guard raw <= UInt64(UInt32.max), raw >> 3 != 0 else { throw .invalidTag(offset: start) }
    let wireType = UInt8(truncatingIfNeeded: raw & 7)
    guard wireType <= 5 else { throw .invalidWireType(wireType, offset: start) }
    return Tag(number: Int(raw >> 3), wireType: wireType)
  }

  /// The value of a field of wire type 0, or any other base-128 number.
  package mutating func nextVarint() throws(ProtobufError) -> UInt64 {
    let start = offset
    if let value = unsafe Varint.decode(bytes, &offset, end: bytes.count) { return value }
    // It has its tenth byte, and is still too long: else it is the bytes that end.
    throw offset &- start == Varint.maximumBytes
      ? .malformedVarint(offset: start) : .truncated(offset: start)
  }

  /// The bytes of a length-delimited value; they alias the reader's bytes.
  package mutating func nextLengthDelimited() throws(ProtobufError) -> UnsafeRawBufferPointer {
    let start = offset
    let length = try nextVarint()
    guard length <= UInt64(bytes.count - offset) else { throw .truncated(offset: start) }
    let end = offset + Int(length)
    defer { offset = end }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
  }

  /// Steps over the value of a field whose tag was just read; groups to the matching end.
  package mutating func skip(_ tag: Tag, maximumDepth: Int = 100) throws(ProtobufError) {
    let start = offset
    switch tag.wireType {
    case 0: _ = try nextVarint()
    case 1: try advance(8)
    case 2: _ = try unsafe nextLengthDelimited()
    case 5: try advance(4)
    case 3:
      guard maximumDepth > 0 else { throw .tooDeep(offset: start) }
      while true {
        guard !isAtEnd else { throw .truncated(offset: start) }
        let inner = try nextTag()
        if inner.wireType == 4 {
          guard inner.number == tag.number else { throw .unmatchedGroup(offset: offset) }
          return
        }
        try skip(inner, maximumDepth: maximumDepth - 1)
      }
    default: throw .unmatchedGroup(offset: start)
    }
  }

  private mutating func advance(_ count: Int) throws(ProtobufError) {
    guard bytes.count - offset >= count else { throw .truncated(offset: offset) }
    offset += count
  }
}
