import Bytes

// SAFETY: the array lends its bytes until all are read; what is kept are places in it, which lie within the range that
// was given.

/// One field of a serialized message, as places in the bytes of its file.
struct DescriptorField: Sendable {
  let number: Int
  /// With its tag.
  let whole: Range<Int>
  /// Of a length-delimited value; nil of another one.
  let value: Range<Int>?
  /// The value of a varint; 0 of another one.
  let varint: UInt64

  /// All fields of the message in a range, in their order; nil when it is malformed.
  static func all(of bytes: [UInt8], in range: Range<Int>) -> [DescriptorField]? {
    unsafe bytes.withUnsafeBytes { bytes in
      read(unsafe UnsafeRawBufferPointer(rebasing: bytes[range]), from: range.lowerBound)
    }
  }

  @safe
  private static func read(_ bytes: UnsafeRawBufferPointer, from base: Int) -> [DescriptorField]? {
    var reader = unsafe ProtobufReader(bytes)
    var fields: [DescriptorField] = []
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let start = base + reader.offset
        let tag = try reader.nextTag()
        var (count, varint): (Int?, UInt64) = (nil, 0)
        switch tag.wireType {
        case 0: varint = try reader.nextVarint()
        case 2: count = try unsafe reader.nextLengthDelimited().count
        default: try reader.skip(tag)
        }
        let end = base + reader.offset
        fields.append(
          DescriptorField(
            number: tag.number, whole: start..<end, value: count.map { end - $0..<end },
            varint: varint))
      }
    } catch {
      return nil
    }
    return fields
  }

  /// The numbers of a repeated integer field, which may be packed; without those after a malformed one.
  func numbers(_ bytes: [UInt8]) -> [UInt64] {
    guard let value else { return [varint] }
    return unsafe bytes.withUnsafeBytes { bytes in
      Self.numbers(unsafe UnsafeRawBufferPointer(rebasing: bytes[value]))
    }
  }

  @safe
  private static func numbers(_ packed: UnsafeRawBufferPointer) -> [UInt64] {
    var reader = unsafe ProtobufReader(packed)
    var numbers: [UInt64] = []
    while !reader.isAtEnd, let number = try? reader.nextVarint() { numbers.append(number) }
    return numbers
  }
}

extension [DescriptorField] {
  /// The last occurrence of a string, as for any decoder.
  func string(_ number: Int, _ bytes: [UInt8]) -> String? {
    last { $0.number == number && $0.value != nil }?.value.map {
      String(decoding: bytes[$0], as: UTF8.self)
    }
  }
}
