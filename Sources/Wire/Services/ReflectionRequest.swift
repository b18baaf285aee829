import Bytes

// SAFETY: the request is lent until `init` returns; what is kept of it is copied.

/// A parsed `grpc.reflection.v1.ServerReflectionRequest`; v1alpha has the same bytes.
struct ReflectionRequest: Equatable {
  enum Query: Equatable {
    case fileByFilename(String)
    case fileContainingSymbol(String)
    case fileContainingExtension(type: String, number: Int32)
    case allExtensionNumbersOfType(String)
    case listServices
  }

  var host: [UInt8] = []
  /// nil when no member of the oneof is set, or one this server does not know.
  var query: Query?

  @safe
  init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    var reader = unsafe ProtobufReader(bytes)
    while !reader.isAtEnd {
      let tag = try reader.nextTag()
      guard tag.wireType == 2 else {
        try reader.skip(tag)
        continue
      }
      let value = try unsafe reader.nextLengthDelimited()
      // Of a oneof the last member on the wire counts.
      switch tag.number {
      case 1: host = unsafe Array(value)
      case 3: query = .fileByFilename(Self.string(value))
      case 4: query = .fileContainingSymbol(Self.string(value))
      case 5: query = try Self.extensionQuery(value)
      case 6: query = .allExtensionNumbersOfType(Self.string(value))
      case 7: query = .listServices
      default: break
      }
    }
  }

  @safe
  private static func extensionQuery(
    _ bytes: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> Query {
    var reader = unsafe ProtobufReader(bytes)
    var type = ""
    var number: Int32 = 0
    while !reader.isAtEnd {
      let tag = try reader.nextTag()
      switch (tag.number, tag.wireType) {
      case (1, 2): type = unsafe string(try reader.nextLengthDelimited())
      case (2, 0): number = Int32(truncatingIfNeeded: try reader.nextVarint())
      default: try reader.skip(tag)
      }
    }
    return .fileContainingExtension(type: type, number: number)
  }

  @safe
  private static func string(_ bytes: UnsafeRawBufferPointer) -> String {
    unsafe String(decoding: bytes, as: UTF8.self)
  }
}
