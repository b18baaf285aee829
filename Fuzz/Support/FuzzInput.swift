import LSM
import TestSupport

/// Takes an input apart from its begin; past the end come zeros.
struct FuzzInput {
  private var rest: UnsafeRawBufferPointer.SubSequence

  init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

  var isEmpty: Bool { rest.isEmpty }

  mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

  /// Big-endian, so that a hexadecimal dump reads as it is used.
  mutating func word() -> Int { Int(byte()) << 8 | Int(byte()) }

  mutating func number() -> UInt64 {
    (0..<8).reduce(0) { result, _ in result << 8 | UInt64(byte()) }
  }

  /// The next bytes, fewer at the end.
  mutating func bytes(_ count: Int) -> [UInt8] {
    let taken = rest.prefix(count)
    rest = rest.dropFirst(count)
    return Array(taken)
  }

  mutating func remaining() -> [UInt8] { bytes(rest.count) }
}

extension SeededGenerator {
  /// The same for the same input, so that a finding repeats.
  init(of bytes: UnsafeRawBufferPointer) { self.init(seed: XXH64.hash(bytes)) }
}

extension [UInt8] {
  func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
    withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
  }

  mutating func set<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    Swift.withUnsafeBytes(of: value.littleEndian) {
      replaceSubrange(offset..<(offset + $0.count), with: $0)
    }
  }

  mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  mutating func append(varint value: Int) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }
}
