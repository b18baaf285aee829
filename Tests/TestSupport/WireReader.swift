/// Reads well-formed protobuf wire format, field by field; ends the test when it is not.
package struct WireReader {
  package struct Field {
    package let number: Int
    /// Of a varint.
    package let value: UInt64
    /// Of a length-delimited value.
    package let bytes: [UInt8]
  }

  private let bytes: [UInt8]
  private var offset = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The next field; nil at the end. Varints and length-delimited values only.
  package mutating func next() -> Field? {
    guard offset < bytes.count else { return nil }
    let tag = varint()
    switch tag & 7 {
    case 0: return Field(number: Int(tag >> 3), value: varint(), bytes: [])
    case 2:
      let length = Int(varint())
      precondition(length <= bytes.count - offset, "a value is cut off")
      defer { offset += length }
      return Field(number: Int(tag >> 3), value: 0, bytes: Array(bytes[offset..<offset + length]))
    default: fatalError("wire type \(tag & 7)")
    }
  }

  private mutating func varint() -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      precondition(offset < bytes.count, "a varint is cut off")
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
  }
}
