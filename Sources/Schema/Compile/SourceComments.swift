import Bytes

// SAFETY: the array lends its bytes until all fields are read; what is kept of them is copied. A field lies within the
// bytes of its reader, which has read past it.

/// Reduces a file's source info to its comments.
///
/// Tools show them by reflection (`grpcurl describe`). The rest of the source info, a place for every
/// word of the file, is ten times as much and of no use there.
enum SourceComments {
  /// Field numbers of descriptor.proto.
  private enum Number {
    static let sourceCodeInfo = 9
    static let location = 1
    /// `leading_comments`, `trailing_comments`, `leading_detached_comments`.
    static let comments = [3, 4, 6]
  }

  /// A serialized `FileDescriptorProto` with all its other fields byte for byte as they were.
  /// - Throws: `ProtobufError`.
  static func descriptor(
    _ bytes: [UInt8], keepingComments: Bool
  ) throws -> [UInt8] {
    var writer = ByteWriter()
    var locations = ByteWriter()
    try unsafe bytes.withUnsafeBytes { bytes in
      var fields = unsafe FieldIterator(bytes)
      while let field = try unsafe fields.next() {
        guard unsafe field.number == Number.sourceCodeInfo, let info = unsafe field.value else {
          unsafe writer.append(field.bytes)
          continue
        }
        if keepingComments { try appendCommented(of: info, to: &locations) }
      }
    }
    if locations.count > 0 {
      writer.appendField(Number.sourceCodeInfo, locations.array())
    }
    return writer.array()
  }

  @safe
  private static func appendCommented(
    of info: UnsafeRawBufferPointer, to locations: inout ByteWriter
  ) throws(ProtobufError) {
    var fields = unsafe FieldIterator(info)
    while let field = try unsafe fields.next() {
      guard unsafe field.number == Number.location, let location = unsafe field.value else {
        continue
      }
      var parts = unsafe FieldIterator(location)
      var isCommented = false
      while let part = try unsafe parts.next() {
        if unsafe Number.comments.contains(part.number) { isCommented = true }
      }
      if isCommented { unsafe locations.append(field.bytes) }
    }
  }

  /// Gives each field's number, all its bytes, and its value if it is length-delimited.
  private struct FieldIterator {
    private var reader: ProtobufReader

    init(_ bytes: UnsafeRawBufferPointer) { reader = unsafe ProtobufReader(bytes) }

    mutating func next() throws(ProtobufError) -> (
      number: Int, bytes: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?
    )? {
      guard !reader.isAtEnd else { return nil }
      let start = reader.offset
      let tag = try reader.nextTag()
      var value: UnsafeRawBufferPointer?
      if tag.wireType == 2 {
        unsafe value = try unsafe reader.nextLengthDelimited()
      } else {
        try reader.skip(tag)
      }
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: reader.bytes[start..<reader.offset])
      return unsafe (tag.number, bytes, value)
    }
  }
}
