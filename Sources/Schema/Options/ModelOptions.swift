import Bytes
import SwiftProtobuf

// SAFETY: the array lends its bytes to the reader until its fields are copied.

/// What a message says of itself with `option (seandb.model)`.
struct ModelOptions: Equatable {
  /// Empty: the field `pk`.
  private(set) var key = ""
  /// Empty: the name and an "s".
  private(set) var plural = ""
  private(set) var isEmbedded = false

  /// Whether the message says anything.
  var isEmpty: Bool { self == ModelOptions() }

  /// Why options cannot be read: they were made by another version of the program.
  enum Failure: Error, Equatable {
    case unknownField(Int)
    case malformed
  }

  init() {}

  /// Reads them among all options of a message; those of others are left alone.
  ///
  /// protoc leaves them as bytes in the descriptor, in as many parts as there are statements.
  init(_ options: Google_Protobuf_MessageOptions) throws(Failure) {
    // The extension is in nobody's map, so it is kept among the unknown fields.
    guard let bytes: [UInt8] = try? options.serializedBytes() else { throw .malformed }
    var failure: Failure?
    unsafe bytes.withUnsafeBytes { bytes in
      do throws(Failure) { try unsafe readParts(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private mutating func readParts(_ options: UnsafeRawBufferPointer) throws(Failure) {
    try unsafe Self.visit(options) { (tag, reader) throws(Failure) in
      guard tag.number == OptionsFile.extensionNumber && tag.wireType == 2,
        let body = try? unsafe reader.nextLengthDelimited()
      else { return try Self.skip(tag, &reader) }
      try unsafe read(body)
    }
  }

  private mutating func read(_ body: UnsafeRawBufferPointer) throws(Failure) {
    try unsafe Self.visit(body) { (tag, reader) throws(Failure) in
      switch (OptionsFile.ModelField(rawValue: UInt32(tag.number)), tag.wireType) {
      case (.key, 2): key = try Self.text(&reader)
      case (.plural, 2): plural = try Self.text(&reader)
      case (.embedded, 0):
        guard let value = try? reader.nextVarint() else { throw .malformed }
        isEmbedded = value != 0
      case (nil, _): throw .unknownField(Int(tag.number))
      default: throw .malformed
      }
    }
  }

  private static func visit(
    _ bytes: UnsafeRawBufferPointer,
    _ body: (ProtobufReader.Tag, inout ProtobufReader) throws(Failure) -> Void
  ) throws(Failure) {
    var reader = unsafe ProtobufReader(bytes)
    while !reader.isAtEnd {
      guard let tag = try? reader.nextTag() else { throw .malformed }
      try body(tag, &reader)
    }
  }

  private static func skip(
    _ tag: ProtobufReader.Tag, _ reader: inout ProtobufReader
  ) throws(Failure) {
    guard (try? reader.skip(tag)) != nil else { throw .malformed }
  }

  private static func text(_ reader: inout ProtobufReader) throws(Failure) -> String {
    guard let bytes = try? unsafe reader.nextLengthDelimited() else { throw .malformed }
    return unsafe String(decoding: bytes, as: UTF8.self)
  }
}
