import Bytes
import Platform
import Schema

// SAFETY: a string lies in the bytes of its slot, which are lent until the return.

/// The bytes of a column in a key, which order as the values do and say where they end.
///
///     numbers, bool, enum       ``OrderedInteger``
///     string, bytes             ``OrderedBytes``, or the bytes alone: see `isRaw`
///     Timestamp, Duration       seconds, then nanoseconds, each an ``OrderedInteger``
///     float, double             ``OrderedFloat``; only in indexes
///     unset, in indexes         00; of a string 00 00; of a float or double zeros alone
///
/// Every byte of a descending column is complemented.
struct ColumnEncoding: Equatable {
  let kind: ColumnKind
  let isDescending: Bool
  /// Whether the bytes of a string are as they are, without an end: it is the last column, and ascends.
  let isRaw: Bool

  /// Appends a value.
  ///
  /// - Parameter bytes: the message that the slot was read from.
  /// - Returns: false, and some bytes may be appended, when it is no value of the kind.
  @safe
  func append(
    _ slot: ColumnSlot, of bytes: UnsafeRawBufferPointer, to writer: inout ByteWriter
  ) -> Bool {
    let mark = writer.count
    if kind.isText {
      let text = unsafe UnsafeRawBufferPointer(rebasing: bytes[slot.start..<slot.end])
      if isRaw { writer.append(text) } else { OrderedBytes.append(text, to: &writer) }
    } else if kind.isTime {
      guard let (seconds, nanoseconds) = time(slot) else { return false }
      OrderedInteger.append(seconds, to: &writer)
      OrderedInteger.append(nanoseconds, to: &writer)
    } else if kind.isFloatingPoint {
      OrderedFloat.append(slot.bits, byteCount: kind.floatByteCount, to: &writer)
    } else if kind.isUnsigned {
      guard kind != .uint32 && kind != .bool || slot.bits <= limitOfUnsigned else { return false }
      OrderedInteger.append(slot.bits, to: &writer)
    } else {
      let value = signed(slot.bits)
      guard !kind.is32Bits || Int32(exactly: value) != nil else { return false }
      OrderedInteger.append(value, to: &writer)
    }
    if isDescending { writer.complement(from: mark) }
    return true
  }

  /// What stands for a column that is not set: it comes before all values, or after them in a descending column.
  var unsetMark: [UInt8] {
    let mark: [UInt8] =
      kind.isFloatingPoint
      ? [UInt8](repeating: 0, count: kind.floatByteCount) : kind.isText ? [0, 0] : [0]
    return isDescending ? mark.map { ~$0 } : mark
  }

  /// Appends ``unsetMark``.
  func appendUnset(to writer: inout ByteWriter) {
    let byte: UInt8 = isDescending ? 0xff : 0
    for _ in 0..<(kind.isFloatingPoint ? kind.floatByteCount : kind.isText ? 2 : 1) {
      writer.append(byte)
    }
  }

  /// Whether a value is what an absent field without presence has: 0, false, no bytes; also −0.
  func isDefault(_ slot: ColumnSlot) -> Bool {
    if kind.isText { return slot.start == slot.end }
    if kind.isTime { return slot.bits == 0 && slot.nanoseconds == 0 }
    guard kind.isFloatingPoint else { return slot.bits == 0 }
    let sign: UInt64 = 1 << UInt64(8 * kind.floatByteCount - 1)
    return slot.bits & ~sign == 0
  }

  /// Appends what all strings begin with that begin with these bytes.
  @safe
  func appendOpen(_ text: UnsafeRawBufferPointer, to writer: inout ByteWriter) {
    let mark = writer.count
    if isRaw { writer.append(text) } else { OrderedBytes.appendOpen(text, to: &writer) }
    if isDescending { writer.complement(from: mark) }
  }

  private var limitOfUnsigned: UInt64 { kind == .bool ? 1 : UInt64(UInt32.max) }

  private func signed(_ bits: UInt64) -> Int64 { kind.signed(bits) }

  // google/protobuf/timestamp.proto and duration.proto.
  private static let timestampSeconds: ClosedRange<Int64> = -62_135_596_800...253_402_300_799
  private static let durationSeconds: ClosedRange<Int64> = -315_576_000_000...315_576_000_000
  private static let nanosecondLimit: Int64 = 999_999_999

  private func time(_ slot: ColumnSlot) -> (seconds: Int64, nanoseconds: Int64)? {
    let (seconds, nanoseconds) = (
      Int64(bitPattern: slot.bits), Int64(bitPattern: slot.nanoseconds)
    )
    if kind == .timestamp {
      guard Self.timestampSeconds.contains(seconds),
        (0...Self.nanosecondLimit).contains(nanoseconds)
      else { return nil }
    } else {
      guard Self.durationSeconds.contains(seconds),
        (-Self.nanosecondLimit...Self.nanosecondLimit).contains(nanoseconds),
        seconds == 0 || nanoseconds == 0 || (seconds < 0) == (nanoseconds < 0)
      else { return nil }
    }
    return (seconds, nanoseconds)
  }

  // MARK: - Reading

  /// Where the value, or the mark of a column that is not set, ends that begins at `offset`.
  ///
  /// - Returns: nil when none begins there.
  @safe
  func end(of bytes: UnsafeRawBufferPointer, from offset: Int) -> Int? {
    let flip: UInt8 = isDescending ? 0xff : 0
    if isRaw { return bytes.count }
    if kind.isFloatingPoint {
      let end = offset &+ kind.floatByteCount
      return end <= bytes.count ? end : nil
    }
    if kind.isText {
      var place = offset
      while place &+ 1 < bytes.count {
        if unsafe bytes[place] ^ flip != 0 {
          place &+= 1
          continue
        }
        let next = unsafe bytes[place &+ 1] ^ flip
        if next == 1 || next == 0 && place == offset { return place &+ 2 }
        guard next == 0xff else { return nil }
        place &+= 2
      }
      return nil
    }
    guard let end = Self.endOfInteger(bytes, offset, flip) else { return nil }
    guard kind.isTime, unsafe bytes[offset] ^ flip != 0 else { return end }
    return Self.endOfInteger(bytes, end, flip)
  }

  @safe
  private static func endOfInteger(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ flip: UInt8
  ) -> Int? {
    guard offset < bytes.count else { return nil }
    let first = unsafe Int(bytes[offset] ^ flip)
    let count: Int
    switch first {
    case 0, 0x10...0xef: count = 1
    case 0xf0...0xf7: count = first - 0xee
    case 0x08...0x0f: count = 0x11 - first
    default: return nil
    }
    return offset &+ count <= bytes.count ? offset &+ count : nil
  }

  /// The value that `bytes` begin with, as text; it is taken off them. Nil when they begin with none.
  func text(_ bytes: inout ArraySlice<UInt8>) -> String? {
    var rest = isDescending ? ArraySlice(bytes.map { ~$0 }) : bytes
    let count = rest.count
    guard let text = ascendingText(&rest) else { return nil }
    bytes.removeFirst(count - rest.count)
    return text
  }

  /// Appends the value that `bytes` begin with as a field of a message, and takes it off them.
  ///
  /// - Returns: false when they begin with none.
  func appendField(_ number: Int, _ bytes: inout ArraySlice<UInt8>, to writer: inout ByteWriter)
    -> Bool
  {
    var rest = isDescending ? ArraySlice(bytes.map { ~$0 }) : bytes
    let count = rest.count
    guard appendAscending(number, &rest, to: &writer) else { return false }
    bytes.removeFirst(count - rest.count)
    return true
  }

  private func appendAscending(
    _ number: Int, _ bytes: inout ArraySlice<UInt8>, to writer: inout ByteWriter
  ) -> Bool {
    if kind.isText {
      if isRaw {
        writer.appendField(number, Array(bytes))
        bytes = []
        return true
      }
      guard let text = OrderedBytes.read(&bytes) else { return false }
      writer.appendField(number, text)
      return true
    }
    guard !kind.isFloatingPoint, let value = OrderedInteger.read(&bytes) else { return false }
    if kind.isTime {
      guard let nanoseconds = OrderedInteger.read(&bytes) else { return false }
      var time = ByteWriter(capacity: 24)
      if value.bits != 0 { time.appendField(1, varint: value.bits) }
      if nanoseconds.bits != 0 { time.appendField(2, varint: nanoseconds.bits) }
      writer.appendField(number, time.array())
      return true
    }
    switch kind {
    case .sint32, .sint64:
      writer.appendField(number, varint: value.bits << 1 ^ (0 &- value.bits >> 63))
    case .fixed32, .sfixed32:
      writer.appendTag(number, wireType: 5)
      writer.appendLittleEndian(UInt32(truncatingIfNeeded: value.bits))
    case .fixed64, .sfixed64:
      writer.appendTag(number, wireType: 1)
      writer.appendLittleEndian(value.bits)
    default: writer.appendField(number, varint: value.bits)
    }
    return true
  }

  private func ascendingText(_ bytes: inout ArraySlice<UInt8>) -> String? {
    if kind.isText {
      if isRaw {
        defer { bytes = [] }
        return Self.text(of: bytes, kind)
      }
      return OrderedBytes.read(&bytes).map { Self.text(of: $0[...], kind) }
    }
    if kind.isFloatingPoint {
      return OrderedFloat.readText(&bytes, byteCount: kind.floatByteCount)
    }
    guard let value = OrderedInteger.read(&bytes) else { return nil }
    if kind == .bool { return value.bits == 0 ? "false" : "true" }
    guard kind.isTime else { return value.text }
    guard let nanoseconds = OrderedInteger.read(&bytes) else { return nil }
    // What is stored may be damaged.
    guard kind == .timestamp, Self.timestampSeconds.contains(Int64(bitPattern: value.bits)) else {
      return nanoseconds.bits == 0 ? "\(value.text) s" : "\(value.text) s \(nanoseconds.text) ns"
    }
    let second = Timestamp(seconds: Int64(bitPattern: value.bits)).text
    guard nanoseconds.bits != 0 else { return second }
    let digits = nanoseconds.text
    return second.dropLast() + "." + String(repeating: "0", count: max(0, 9 - digits.count))
      + digits + "Z"
  }

  private static func text(of bytes: ArraySlice<UInt8>, _ kind: ColumnKind) -> String {
    if kind == .string { return "\"\(String(decoding: bytes, as: UTF8.self))\"" }
    let digits = Array("0123456789abcdef")
    return "h'" + bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] } + "'"
  }
}

extension ColumnKind {
  /// The number that a signed type means by its bits on the wire.
  func signed(_ bits: UInt64) -> Int64 {
    switch self {
    case .sint32, .sint64: Int64(bitPattern: bits >> 1) ^ -Int64(bits & 1)
    case .sfixed32: Int64(Int32(truncatingIfNeeded: bits))
    default: Int64(bitPattern: bits)
    }
  }

  /// Of a float or a double.
  var floatByteCount: Int { self == .float ? 4 : 8 }

  fileprivate var isUnsigned: Bool {
    switch self {
    case .uint32, .uint64, .fixed32, .fixed64, .bool: true
    default: false
    }
  }

  fileprivate var is32Bits: Bool {
    switch self {
    case .int32, .sint32, .sfixed32, .enumeration: true
    default: false
    }
  }
}
