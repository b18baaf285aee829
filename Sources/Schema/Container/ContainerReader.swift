// SAFETY: a view of bytes that whoever makes it keeps for as long as it, and what it hands out, are used.

/// Reads the sections of a serialized schema (``CompiledSchema/serialized()``).
///
/// Every length and count is checked against the bytes that are left before it is used.
@safe
struct ContainerReader {
  private let content: UnsafeRawBufferPointer
  private let name: String
  private var offset = 0

  init(_ content: UnsafeRawBufferPointer, name: String = "list") {
    unsafe self.content = content
    self.name = name
  }

  private var remaining: Int { unsafe content.count - offset }

  private var failure: SchemaError { .damaged(.malformedSection(name, offset: offset)) }

  mutating func u32() throws(SchemaError) -> UInt32 {
    guard remaining >= 4 else { throw failure }
    defer { offset += 4 }
    return unsafe UInt32(
      littleEndian: content.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// Aliases the reader's bytes.
  mutating func bytes() throws(SchemaError) -> UnsafeRawBufferPointer {
    let length = Int(try u32())
    guard remaining >= length else { throw failure }
    defer { offset += length }
    return unsafe UnsafeRawBufferPointer(rebasing: content[offset..<offset + length])
  }

  mutating func string() throws(SchemaError) -> String {
    let bytes = try unsafe bytes()
    guard UTF8Validation.firstInvalidOffset(in: bytes) == nil else { throw failure }
    return unsafe String(decoding: bytes, as: UTF8.self)
  }

  mutating func list<Element>(
    minimumElementSize: Int,
    _ element: (inout ContainerReader) throws(SchemaError) -> Element
  ) throws(SchemaError) -> [Element] {
    let count = Int(try u32())
    // A count that the bytes cannot hold must not become an allocation.
    guard count <= remaining / minimumElementSize else { throw failure }
    var elements: [Element] = []
    elements.reserveCapacity(count)
    for _ in 0..<count { elements.append(try element(&self)) }
    return elements
  }

  mutating func strings() throws(SchemaError) -> [String] {
    try list(minimumElementSize: 4) { element throws(SchemaError) in try element.string() }
  }

  mutating func positions() throws(SchemaError) -> SourcePositions {
    let file = try string()
    let displayName = try string()
    let entries = try list(minimumElementSize: 12) {
      element throws(SchemaError) -> ([Int32], SourcePositions.Position) in
      let path = try element.list(minimumElementSize: 4) { component throws(SchemaError) in
        Int32(bitPattern: try component.u32())
      }
      return (
        path, SourcePositions.Position(line: Int(try element.u32()), column: Int(try element.u32()))
      )
    }
    return SourcePositions(
      file: file, displayName: displayName,
      positions: Dictionary(entries, uniquingKeysWith: { first, _ in first }))
  }

  mutating func section(_ expected: String) throws(SchemaError) -> ContainerReader {
    guard remaining >= 4, unsafe content[offset..<offset + 4].elementsEqual(expected.utf8) else {
      throw .damaged(.malformedSection(expected, offset: offset))
    }
    offset += 4
    return unsafe ContainerReader(try bytes(), name: expected)
  }

  /// - Throws: when bytes are left over.
  func finish() throws(SchemaError) {
    guard remaining == 0 else { throw failure }
  }
}
