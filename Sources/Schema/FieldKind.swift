import SwiftProtobuf

/// The names of protobuf's field types.
enum FieldKind {
  static func name(of field: Google_Protobuf_FieldDescriptorProto) -> String {
    switch field.type {
    case .message, .group, .enum:
      field.typeName.hasPrefix(".") ? String(field.typeName.dropFirst()) : field.typeName
    default: name(of: field.type)
    }
  }

  static func name(of type: Google_Protobuf_FieldDescriptorProto.TypeEnum) -> String {
    switch type {
    case .double: "double"
    case .float: "float"
    case .int64: "int64"
    case .uint64: "uint64"
    case .int32: "int32"
    case .fixed64: "fixed64"
    case .fixed32: "fixed32"
    case .bool: "bool"
    case .string: "string"
    case .group: "group"
    case .message: "message"
    case .bytes: "bytes"
    case .uint32: "uint32"
    case .enum: "enum"
    case .sfixed32: "sfixed32"
    case .sfixed64: "sfixed64"
    case .sint32: "sint32"
    case .sint64: "sint64"
    }
  }
}
