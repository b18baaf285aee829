/// The text of a schema file and the way from protoc's positions to its bytes.
struct SourceText: Sendable {
  /// UTF-8 without a byte order mark.
  let bytes: [UInt8]
  private let lineStarts: [Int]

  /// - Throws: `invalid`, naming the line, when the bytes are not UTF-8.
  init(_ contents: [UInt8], name: String) throws(SchemaError) {
    let bytes = contents.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(contents.dropFirst(3)) : contents
    self.bytes = bytes
    lineStarts = [0] + bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
    let bad = UTF8Validation.firstInvalidOffset(in: bytes)
    if let bad {
      let line = (lineStarts.firstIndex { $0 > bad } ?? lineStarts.count) - 1
      throw .invalid([
        Diagnostic(
          file: name, line: line + 1, column: bad - lineStarts[line] + 1,
          message: "the file is not UTF-8 here: save it as UTF-8")
      ])
    }
  }

  /// `\r\n` when the first line ends so, else `\n`.
  var newline: String {
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return "\n" }
    return end > 0 && bytes[end - 1] == UInt8(ascii: "\r") ? "\r\n" : "\n"
  }

  /// The offset of a 0-based line and column, where a tab goes to the next multiple of 8; nil when
  /// the text has no such place.
  func offset(line: Int, column: Int) -> Int? {
    guard line >= 0, line < lineStarts.count else { return nil }
    var offset = lineStarts[line]
    var reached = 0
    while reached < column {
      guard offset < bytes.count, bytes[offset] != UInt8(ascii: "\n") else { return nil }
      reached += bytes[offset] == UInt8(ascii: "\t") ? 8 - reached % 8 : 1
      offset += 1
    }
    return reached == column ? offset : nil
  }

  /// 1-based position of an offset, columns counted as protoc does.
  func position(of offset: Int) -> (line: Int, column: Int) {
    let line = (lineStarts.firstIndex { $0 > offset } ?? lineStarts.count) - 1
    var column = 0
    for byte in bytes[lineStarts[line]..<min(offset, bytes.count)] {
      column += byte == UInt8(ascii: "\t") ? 8 - column % 8 : 1
    }
    return (line + 1, column + 1)
  }
}
