import SwiftProtobuf

/// What a field's type means for its bytes.
package enum WireKind: UInt8, Sendable, BitwiseCopyable {
  /// No field of the schema.
  case unknown
  case varint, fixed64, fixed32
  case string, bytes, message, group
  /// Repeated numbers: one a field, or packed.
  case repeatedVarint, repeatedFixed64, repeatedFixed32

  init(_ field: Google_Protobuf_FieldDescriptorProto) {
    let isRepeated = field.label == .repeated
    switch field.type {
    case .int32, .int64, .uint32, .uint64, .sint32, .sint64, .bool, .enum:
      self = isRepeated ? .repeatedVarint : .varint
    case .fixed64, .sfixed64, .double: self = isRepeated ? .repeatedFixed64 : .fixed64
    case .fixed32, .sfixed32, .float: self = isRepeated ? .repeatedFixed32 : .fixed32
    case .string: self = .string
    case .bytes: self = .bytes
    case .message: self = .message
    case .group: self = .group
    }
  }

  /// Bit n is set when the field may have wire type n.
  var wireTypes: UInt8 {
    switch self {
    case .unknown: 0b111111
    case .varint: 0b000001
    case .fixed64: 0b000010
    case .fixed32: 0b100000
    case .string, .bytes, .message: 0b000100
    case .group: 0b001000
    case .repeatedVarint: 0b000101
    case .repeatedFixed64: 0b000110
    case .repeatedFixed32: 0b100100
    }
  }

  /// The bytes it is encoded as, for a message to the user.
  var expectation: String {
    switch self {
    case .unknown: "any value"
    case .varint, .repeatedVarint: "a varint"
    case .fixed64, .repeatedFixed64: "a 64-bit value"
    case .fixed32, .repeatedFixed32: "a 32-bit value"
    case .string, .bytes, .message: "a length-delimited value"
    case .group: "a group"
    }
  }
}
