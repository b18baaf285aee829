/// Builds protobuf wire format by hand, right or wrong.
package enum WireBytes {
  package static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var result: [UInt8] = []
    while rest >= 0x80 {
      result.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return result + [UInt8(rest)]
  }

  package static func tag(_ number: Int, _ wireType: Int) -> [UInt8] {
    varint(UInt64(number) << 3 | UInt64(wireType))
  }

  package static func field(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
    tag(number, 2) + varint(UInt64(bytes.count)) + bytes
  }

  package static func field(_ number: Int, _ text: String) -> [UInt8] {
    field(number, Array(text.utf8))
  }

  package static func field(_ number: Int, varint value: UInt64) -> [UInt8] {
    tag(number, 0) + varint(value)
  }

  package static func group(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
    tag(number, 3) + bytes + tag(number, 4)
  }
}
