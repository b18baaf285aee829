import Bytes

// SAFETY: the bytes are lent until `init` returns, which copies all that it keeps; each range lies within their count.
// The text of a `StaticString` is there for ever.

/// The serialized form: what `seandb create` puts into `out/server`, and the catalogue of a data
/// directory keeps.
///
/// All integers are little-endian. A *string* is a u32 length and as many bytes of UTF-8; *bytes*
/// are the same without the UTF-8; a *list* is a u32 count and as many elements.
///
///     offset  size
///          0     8  magic, "SEANDBSC"
///          8     4  u32 format version: 1, or 2 when there are options of `seandb/options.proto`
///         12     8  u64 length of the whole, checksum included
///         20     …  sections, each once, in the order below:
///                   4 bytes of name, u32 length of the body, body
///      end-4     4  u32 CRC-32 (polynomial 0xEDB88320, as in zlib) of all bytes before it
///
///     NAME  string source name, string package
///     MODL  list of: string model name, u32 number of the first field of its key
///     TEXT  string text of database.proto
///     IMPT  list of: string import path, bytes contents
///     FILE  list of: string import path, bytes FileDescriptorProto, list of strings (its imports)
///     POSN  list of: string import path, string display name,
///           list of: list of i32 (descriptor path), u32 line, u32 column (both 1-based), by path
///     NOTE  list of strings
///     WARN  list of strings
extension CompiledSchema {
  static let containerMagic: [UInt8] = Array("SEANDBSC".utf8)
  /// The newest format that this code reads and writes.
  package static let containerFormatVersion: UInt32 = 2
  /// The one without options, which earlier programs read too.
  private static let plainFormatVersion: UInt32 = 1
  static let containerHeaderSize = 20
  private static let checksumSize = 4

  /// The same schema gives the same bytes.
  package func serialized() -> [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.containerMagic)
    writer.appendLittleEndian(hasOptions ? Self.containerFormatVersion : Self.plainFormatVersion)
    writer.appendLittleEndian(UInt64(0))
    writer.appendSection("NAME") { body in
      body.appendString(sourceName)
      body.appendString(packageName)
    }
    writer.appendSection("MODL") { body in
      body.appendList(models) { model, body in
        body.appendString(model.name)
        body.appendLittleEndian(UInt32(model.keyFieldNumber))
      }
    }
    writer.appendSection("TEXT") { $0.appendString(databaseProto) }
    writer.appendSection("IMPT") { body in
      body.appendList(importedFiles) { file, body in
        body.appendString(file.path)
        body.appendBytes(file.contents)
      }
    }
    writer.appendSection("FILE") { body in
      body.appendList(files) { file, body in
        body.appendString(file.name)
        body.appendBytes(file.descriptor)
        body.appendList(file.dependencies) { $1.appendString($0) }
      }
    }
    writer.appendSection("POSN") { body in
      body.appendList(positions) { file, body in
        body.appendString(file.file)
        body.appendString(file.displayName)
        let ordered = file.positions.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        body.appendList(ordered) { entry, body in
          body.appendList(entry.key) { $1.appendLittleEndian($0) }
          body.appendLittleEndian(UInt32(truncatingIfNeeded: entry.value.line))
          body.appendLittleEndian(UInt32(truncatingIfNeeded: entry.value.column))
        }
      }
    }
    writer.appendSection("NOTE") { $0.appendList(notes) { $1.appendString($0) } }
    writer.appendSection("WARN") { $0.appendList(warnings) { $1.appendString($0) } }
    let length = UInt64(writer.count + Self.checksumSize).littleEndian
    unsafe withUnsafeBytes(of: length) { writer.overwrite(at: 12, with: $0) }
    unsafe writer.appendLittleEndian(CRC32.checksum(of: writer.bytes))
    return writer.array()
  }

  /// Reads what ``serialized()`` wrote. The bytes are not needed afterwards.
  ///
  /// - Throws: `damaged` for any bytes that are not a whole and unchanged container;
  ///   `unsupportedFormat` for one of another version.
  @safe
  package init(serialized bytes: UnsafeRawBufferPointer) throws(SchemaError) {
    try unsafe self.init(validated: Self.validate(bytes))
  }

  /// Checks everything around the sections and returns the sections.
  private static func validate(
    _ bytes: UnsafeRawBufferPointer
  ) throws(SchemaError) -> UnsafeRawBufferPointer {
    let least = containerHeaderSize + checksumSize
    guard bytes.count >= least else {
      throw .damaged(.wrongLength(expected: least, actual: bytes.count))
    }
    guard unsafe bytes.prefix(containerMagic.count).elementsEqual(containerMagic) else {
      throw .damaged(.notAContainer)
    }
    let end = bytes.count - checksumSize
    let version = unsafe UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
    let length = unsafe UInt64(
      littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt64.self))
    let stored = unsafe UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt32.self))
    let computed = unsafe CRC32.checksum(of: UnsafeRawBufferPointer(rebasing: bytes[..<end]))
    // Another version may place its length and checksum elsewhere, so its number is believed only
    // when they are where this version has them, or when it is all that differs.
    let isKnown = (plainFormatVersion...containerFormatVersion).contains(version)
    guard isKnown || stored != computed else {
      throw .unsupportedFormat(found: version, supported: containerFormatVersion)
    }
    guard length == UInt64(bytes.count) else {
      throw .damaged(
        .wrongLength(expected: Int(clamping: length), actual: bytes.count))
    }
    guard stored == computed else {
      throw .damaged(.wrongChecksum(stored: stored, computed: computed))
    }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[containerHeaderSize..<end])
  }

  private init(validated sections: UnsafeRawBufferPointer) throws(SchemaError) {
    var reader = unsafe ContainerReader(sections)
    var body = try reader.section("NAME")
    let sourceName = try body.string()
    let packageName = try body.string()
    try body.finish()
    body = try reader.section("MODL")
    let modelNames = try body.list(minimumElementSize: 8) {
      element throws(SchemaError) -> (name: String, keyFieldNumber: Int) in
      (try element.string(), Int(try element.u32()))
    }
    try body.finish()
    body = try reader.section("TEXT")
    let databaseProto = try body.string()
    try body.finish()
    body = try reader.section("IMPT")
    let importedFiles = try body.list(minimumElementSize: 8) {
      element throws(SchemaError) -> ImportedFile in
      unsafe ImportedFile(path: try element.string(), contents: Array(try element.bytes()))
    }
    try body.finish()
    body = try reader.section("FILE")
    let files = try body.list(minimumElementSize: 12) {
      element throws(SchemaError) -> DescriptorFile in
      unsafe DescriptorFile(
        name: try element.string(), descriptor: Array(try element.bytes()),
        dependencies: try element.strings())
    }
    try body.finish()
    body = try reader.section("POSN")
    let positions = try body.list(minimumElementSize: 12) {
      element throws(SchemaError) -> SourcePositions in try element.positions()
    }
    try body.finish()
    body = try reader.section("NOTE")
    let notes = try body.strings()
    try body.finish()
    body = try reader.section("WARN")
    let warnings = try body.strings()
    try body.finish()
    try reader.finish()
    try self.init(
      sourceName: sourceName, packageName: packageName, modelNames: modelNames,
      databaseProto: databaseProto, importedFiles: importedFiles, files: files,
      positions: positions, notes: notes, warnings: warnings, sourcePaths: [])
  }
}

extension ByteWriter {
  fileprivate mutating func appendSection(_ name: StaticString, _ build: (inout ByteWriter) -> Void)
  {
    var body = ByteWriter()
    build(&body)
    unsafe append(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    appendLittleEndian(UInt32(body.count))
    unsafe append(body.bytes)
  }

  fileprivate mutating func appendBytes(_ bytes: [UInt8]) {
    appendLittleEndian(UInt32(bytes.count))
    append(bytes)
  }

  fileprivate mutating func appendString(_ string: String) {
    appendLittleEndian(UInt32(string.utf8.count))
    append(string)
  }

  fileprivate mutating func appendList<Element>(
    _ elements: [Element], _ build: (Element, inout ByteWriter) -> Void
  ) {
    appendLittleEndian(UInt32(elements.count))
    for element in elements { build(element, &self) }
  }
}
