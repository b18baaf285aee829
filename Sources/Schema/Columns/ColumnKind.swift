import SwiftProtobuf

/// What the values of a column are.
package enum ColumnKind: UInt8, Sendable, CaseIterable {
  case string, bytes, bool, enumeration
  case int32, int64, sint32, sint64, sfixed32, sfixed64
  case uint32, uint64, fixed32, fixed64
  case timestamp, duration
  case float, double

  /// Nil for messages but two. A key has no floating-point numbers: see ``isFloatingPoint``.
  init?(_ field: Google_Protobuf_FieldDescriptorProto) {
    switch field.type {
    case .string: self = .string
    case .bytes: self = .bytes
    case .bool: self = .bool
    case .enum: self = .enumeration
    case .int32: self = .int32
    case .int64: self = .int64
    case .sint32: self = .sint32
    case .sint64: self = .sint64
    case .sfixed32: self = .sfixed32
    case .sfixed64: self = .sfixed64
    case .uint32: self = .uint32
    case .uint64: self = .uint64
    case .fixed32: self = .fixed32
    case .fixed64: self = .fixed64
    case .message where field.typeName == ".google.protobuf.Timestamp": self = .timestamp
    case .message where field.typeName == ".google.protobuf.Duration": self = .duration
    case .float: self = .float
    case .double: self = .double
    case .message, .group: return nil
    }
  }

  /// Whether values are any number of bytes.
  package var isText: Bool { self == .string || self == .bytes }

  /// Whether values are messages of seconds and nanoseconds.
  package var isTime: Bool { self == .timestamp || self == .duration }

  /// Whether an index may have it and a key may not.
  package var isFloatingPoint: Bool { self == .float || self == .double }

  /// Whether a value may be a moment: a time, or a number of seconds.
  package var isMoment: Bool {
    switch self {
    case .string, .bytes, .bool, .enumeration, .duration, .float, .double: false
    default: true
    }
  }

  /// How protobuf calls it; an enum has its own name.
  package var name: String {
    switch self {
    case .enumeration: "enum"
    case .timestamp: "google.protobuf.Timestamp"
    case .duration: "google.protobuf.Duration"
    default: "\(self)"
    }
  }

  /// The wire type of a value outside of a packed field.
  package var wireType: UInt8 {
    switch self {
    case .string, .bytes, .timestamp, .duration: 2
    case .sfixed32, .fixed32, .float: 5
    case .sfixed64, .fixed64, .double: 1
    default: 0
    }
  }
}
