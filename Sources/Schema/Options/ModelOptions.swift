import Bytes
import SwiftProtobuf

// SAFETY: the array lends its bytes to the reader until its fields are copied.

/// What a message says of itself with `option (seandb.model)`.
struct ModelOptions: Equatable {
  /// Empty: the field `pk`.
  private(set) var key = ""
  /// In their order; those of single fields are with the fields.
  private(set) var indexes: [IndexOption] = []
  /// The field that says when a record ends; empty: none does.
  private(set) var expires = ""
  /// nil: changes are not kept.
  private(set) var watch: WatchOption?
  /// Empty: the name and an "s".
  private(set) var plural = ""
  /// What the model was called before; empty: nothing else.
  private(set) var previously = ""
  private(set) var isEmbedded = false
  /// Of the model's field in a transaction; 0: it follows from its name.
  private(set) var number: UInt64 = 0

  /// Whether the message says anything.
  var isEmpty: Bool { self == ModelOptions() }

  /// Why options cannot be read: they were made by another version of the program.
  enum Failure: Error, Equatable {
    case unknownField(Int)
    case unknownIndexField(Int)
    case unknownWatchField(Int)
    case malformed
  }

  init() {}

  /// Reads them among all options of a message; those of others are left alone.
  init(_ options: Google_Protobuf_MessageOptions) throws(Failure) {
    for part in try Self.parts(of: options) {
      for field in try Self.fields(of: part) {
        switch OptionsFile.ModelField(rawValue: UInt32(field.number)) {
        case .key: key = try field.text()
        case .index: indexes.append(try IndexOption(try field.bytes(), at: .model(indexes.count)))
        case .expires: expires = try field.text()
        case .watch: watch = try WatchOption(try field.bytes(), after: watch)
        case .plural: plural = try field.text()
        case .previously: previously = try field.text()
        case .embedded: isEmbedded = try field.flag()
        case .number: number = try field.unsigned()
        case nil: throw .unknownField(field.number)
        }
      }
    }
  }

  /// The number of the model's field in a transaction.
  ///
  /// - Parameter name: what the model is called now.
  func transactionNumber(of name: String, package: String) -> UInt32 {
    guard number == 0 else { return UInt32(truncatingIfNeeded: number) }
    return ModelNames.transactionNumber("\(package).\(previously.isEmpty ? name : previously)")
  }
}

// MARK: - Bytes of options

extension ModelOptions {
  /// A field of an option as it is on the wire.
  struct Field {
    enum Value {
      case number(UInt64)
      case bytes([UInt8])
      case other
    }

    let number: Int
    let value: Value

    func flag() throws(Failure) -> Bool {
      guard case .number(let number) = value else { throw .malformed }
      return number != 0
    }

    func unsigned() throws(Failure) -> UInt64 {
      guard case .number(let number) = value else { throw .malformed }
      return number
    }

    func bytes() throws(Failure) -> [UInt8] {
      guard case .bytes(let bytes) = value else { throw .malformed }
      return bytes
    }

    func text() throws(Failure) -> String { String(decoding: try bytes(), as: UTF8.self) }
  }

  /// What a declaration's options have of seandb's.
  ///
  /// protoc leaves them as bytes in the descriptor, in as many parts as there are statements.
  static func parts(of options: some Message) throws(Failure) -> [[UInt8]] {
    // The extension is in nobody's map, so it is kept among the unknown fields.
    guard let bytes: [UInt8] = try? options.serializedBytes() else { throw .malformed }
    return try fields(of: bytes).compactMap { field in
      guard field.number == OptionsFile.extensionNumber, case .bytes(let part) = field.value else {
        return nil
      }
      return part
    }
  }

  static func fields(of bytes: [UInt8]) throws(Failure) -> [Field] {
    let fields: [Field]? = try? unsafe bytes.withUnsafeBytes { bytes in
      var reader = unsafe ProtobufReader(bytes)
      var fields: [Field] = []
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        let value: Field.Value
        switch tag.wireType {
        case 0: value = .number(try reader.nextVarint())
        case 2: unsafe value = .bytes(Array(try reader.nextLengthDelimited()))
        default:
          try reader.skip(tag)
          value = .other
        }
        fields.append(Field(number: tag.number, value: value))
      }
      return fields
    }
    guard let fields else { throw .malformed }
    return fields
  }
}
