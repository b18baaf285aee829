import Bytes

// SAFETY: the array of the descriptor lends its bytes until all is read.

/// The names one serialized `FileDescriptorProto` declares (google/protobuf/descriptor.proto).
///
/// Names are full and without a leading dot. Values of an enum are beside the enum, as in C++ and in
/// protobuf's own rules for names; they are listed under the enum's name as well, where people look for
/// them.
struct DescriptorSymbols {
  struct Extension: Equatable {
    /// Full name of the extended message type.
    let type: String
    let number: Int32
  }

  private(set) var symbols: [String] = []
  /// Full names of message types: what extensions can be asked of.
  private(set) var messages: [String] = []
  private(set) var extensions: [Extension] = []

  /// Field numbers of `FileDescriptorProto`.
  private enum FileField {
    static let package = 2
    static let message = 4
    static let enumeration = 5
    static let service = 6
    static let `extension` = 7
  }

  /// Field numbers of `DescriptorProto`.
  private enum MessageField {
    static let field = 2
    static let nested = 3
    static let enumeration = 4
    static let `extension` = 6
    static let oneof = 8
  }

  /// Field numbers of `FieldDescriptorProto`.
  private enum FieldField {
    static let extendee = 2
    static let number = 3
  }

  /// In every descriptor message; files apart, whose name is no symbol.
  private static let nameField = 1
  /// `EnumDescriptorProto.value` and `ServiceDescriptorProto.method`.
  private static let memberField = 2
  /// Messages nested deeper are left out; protoc allows 32 or so.
  private static let maximumDepth = 64

  /// Reads a descriptor. What follows malformed bytes is left out: the file came from the compiler,
  /// and can still be served by its name.
  init(_ descriptor: [UInt8]) {
    unsafe descriptor.withUnsafeBytes { unsafe readFile(Fields($0)) }
  }

  private mutating func readFile(_ file: Fields) {
    let package = file.string(FileField.package) ?? ""
    for message in file.all(FileField.message) { readMessage(message, in: package, depth: 0) }
    for enumeration in file.all(FileField.enumeration) { readEnum(enumeration, in: package) }
    for `extension` in file.all(FileField.extension) { readExtension(`extension`, in: package) }
    for service in file.all(FileField.service) { readScope(service, in: package) }
  }

  private mutating func readMessage(_ message: Fields, in scope: String, depth: Int) {
    guard depth < Self.maximumDepth, let name = declare(message, in: scope) else { return }
    messages.append(name)
    for field in message.all(MessageField.field) { _ = declare(field, in: name) }
    for oneof in message.all(MessageField.oneof) { _ = declare(oneof, in: name) }
    for nested in message.all(MessageField.nested) {
      readMessage(nested, in: name, depth: depth + 1)
    }
    for enumeration in message.all(MessageField.enumeration) { readEnum(enumeration, in: name) }
    for `extension` in message.all(MessageField.extension) { readExtension(`extension`, in: name) }
  }

  private mutating func readEnum(_ enumeration: Fields, in scope: String) {
    guard let name = readScope(enumeration, in: scope) else { return }
    for value in enumeration.all(Self.memberField) where name != scope {
      _ = declare(value, in: scope)
    }
  }

  /// An enum or a service with its members.
  @discardableResult
  private mutating func readScope(_ declaration: Fields, in scope: String) -> String? {
    guard let name = declare(declaration, in: scope) else { return nil }
    for member in declaration.all(Self.memberField) { _ = declare(member, in: name) }
    return name
  }

  private mutating func readExtension(_ field: Fields, in scope: String) {
    guard declare(field, in: scope) != nil, let type = field.string(FieldField.extendee),
      let number = field.int32(FieldField.number)
    else { return }
    extensions.append(Extension(type: String(type.drop { $0 == "." }), number: number))
  }

  private mutating func declare(_ declaration: Fields, in scope: String) -> String? {
    guard let name = declaration.string(Self.nameField) else { return nil }
    let full = scope.isEmpty ? name : "\(scope).\(name)"
    symbols.append(full)
    return full
  }
}

/// The fields of one serialized message, up to the first malformed byte.
// SAFETY: a view of bytes that whoever makes it keeps for as long as it, and the parts that it hands out, are used.
@safe
private struct Fields {
  private var values: [(number: Int, value: Value)] = []

  @safe
  private enum Value {
    case varint(UInt64)
    /// Aliases the message's bytes.
    case bytes(UnsafeRawBufferPointer)
  }

  init(_ bytes: UnsafeRawBufferPointer) {
    var reader = unsafe ProtobufReader(bytes)
    do throws(ProtobufError) {
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        switch tag.wireType {
        case 0: values.append((tag.number, .varint(try reader.nextVarint())))
        case 2: unsafe values.append((tag.number, .bytes(try reader.nextLengthDelimited())))
        default: try reader.skip(tag)
        }
      }
    } catch {
      // The caller makes do with what was read.
    }
  }

  func all(_ number: Int) -> [Fields] {
    values.compactMap { field in
      guard field.number == number, case .bytes(let bytes) = field.value else { return nil }
      return unsafe Fields(bytes)
    }
  }

  /// The last occurrence, as for any decoder.
  func string(_ number: Int) -> String? {
    for field in values.reversed() where field.number == number {
      if case .bytes(let bytes) = field.value {
        return unsafe String(decoding: bytes, as: UTF8.self)
      }
    }
    return nil
  }

  func int32(_ number: Int) -> Int32? {
    for field in values.reversed() where field.number == number {
      if case .varint(let value) = field.value { return Int32(truncatingIfNeeded: value) }
    }
    return nil
  }
}
