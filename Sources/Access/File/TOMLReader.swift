import Platform

/// Reads the part of TOML 1.0 that an access file is written in, with the place of everything.
///
/// That is: comments; headers `[[name]]`; `key = value` with bare and quoted keys; strings of one line; arrays of
/// strings, of as many lines as one likes; times with their offset; `true` and `false`. What else TOML has is refused
/// by name, so that every file that is taken means the same to any other reader of TOML.
struct TOMLReader {
  private let bytes: [UInt8]
  private var at = 0
  private var line = 1
  private var lineStart = 0

  /// - Parameter bytes: of the whole file.
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The tables in their order.
  static func tables(_ bytes: [UInt8]) throws(AccessProblem) -> [TOMLTable] {
    var reader = TOMLReader(bytes)
    return try reader.document()
  }

  private mutating func document() throws(AccessProblem) -> [TOMLTable] {
    if String(validating: bytes, as: UTF8.self) == nil { throw notUTF8() }
    var tables: [TOMLTable] = []
    while true {
      try skipBlankLines()
      guard let byte = peek else { return tables }
      if byte == UInt8(ascii: "[") {
        tables.append(try header())
      } else {
        let entry = try self.entry()
        guard let last = tables.indices.last else {
          throw AccessProblem(
            entry.keyPlace,
            "\(quoted(entry.key)) is before the first table; put it after [[role]], [[token]] or [[certificate]]"
          )
        }
        guard tables[last].entry(entry.key) == nil else {
          throw AccessProblem(
            entry.keyPlace, "\(quoted(entry.key)) is there twice in this table; keep one of them")
        }
        tables[last].entries.append(entry)
      }
      try endLine()
    }
  }

  // MARK: - Places

  private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

  private func peek(_ text: StaticString) -> Bool {
    let wanted = Array(text.description.utf8)
    return bytes[at...].starts(with: wanted)
  }

  private var place: SourcePlace { place(of: at) }

  /// Of an offset in the current line. Characters are Unicode scalars.
  private func place(of offset: Int) -> SourcePlace {
    SourcePlace(
      line: line, column: 1 + bytes[lineStart..<offset].count(where: { $0 & 0xC0 != 0x80 }))
  }

  private mutating func startLine() {
    line += 1
    lineStart = at
  }

  private mutating func notUTF8() -> AccessProblem {
    // The text up to the first byte that is no UTF-8, character by character.
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
      at += UTF8.width(scalar)
      if scalar == "\n" { startLine() }
    }
    return AccessProblem(place, "this is not UTF-8; save the file as UTF-8")
  }

  // MARK: - Lines

  private mutating func skipSpaces() {
    while let byte = peek, byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { at += 1 }
  }

  /// Skips an end of line, if there is one here.
  private mutating func skipNewline() throws(AccessProblem) -> Bool {
    guard let byte = peek else { return false }
    if byte == UInt8(ascii: "\n") {
      at += 1
    } else if byte == UInt8(ascii: "\r") {
      guard at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "\n") else {
        throw AccessProblem(
          place, "a carriage return without a line feed; end lines with a line feed")
      }
      at += 2
    } else {
      return false
    }
    startLine()
    return true
  }

  private mutating func skipComment() throws(AccessProblem) {
    guard peek == UInt8(ascii: "#") else { return }
    while let byte = peek, byte != UInt8(ascii: "\n") {
      if byte == UInt8(ascii: "\r") { return }
      guard !Self.isControl(byte) else {
        throw AccessProblem(place, "a control character in a comment; remove it")
      }
      at += 1
    }
  }

  private mutating func skipBlankLines() throws(AccessProblem) {
    repeat {
      skipSpaces()
      try skipComment()
    } while try skipNewline()
  }

  private mutating func endLine() throws(AccessProblem) {
    skipSpaces()
    try skipComment()
    guard try skipNewline() || peek == nil else {
      throw AccessProblem(place, "nothing more was expected in this line; begin a new line here")
    }
  }

  private static func isControl(_ byte: UInt8) -> Bool {
    byte < 0x20 && byte != UInt8(ascii: "\t") || byte == 0x7F
  }

  // MARK: - Headers and keys

  private mutating func header() throws(AccessProblem) -> TOMLTable {
    let start = place
    guard peek("[[") else {
      throw AccessProblem(
        start, "tables have two brackets here: write [[role]], [[token]] or [[certificate]]")
    }
    at += 2
    skipSpaces()
    let name = try key()
    skipSpaces()
    guard peek("]]") else { throw AccessProblem(place, "a header ends with ]]; write [[name]]") }
    at += 2
    return TOMLTable(name: name, place: start)
  }

  private mutating func key() throws(AccessProblem) -> String {
    let start = place
    if peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") { return try string() }
    let begin = at
    while let byte = peek, Self.isBareKey(byte) { at += 1 }
    guard at > begin else {
      throw AccessProblem(start, "a key was expected here: letters, digits, - and _")
    }
    return String(decoding: bytes[begin..<at], as: UTF8.self)
  }

  private static func isBareKey(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private mutating func entry() throws(AccessProblem) -> TOMLEntry {
    let keyPlace = place
    let key = try key()
    skipSpaces()
    guard peek != UInt8(ascii: ".") else {
      throw AccessProblem(place, "keys have no dots here; write the key alone")
    }
    guard peek == UInt8(ascii: "=") else {
      throw AccessProblem(place, "= was expected here: write key = value")
    }
    at += 1
    skipSpaces()
    let valuePlace = place
    return TOMLEntry(key: key, keyPlace: keyPlace, value: try value(), valuePlace: valuePlace)
  }

  // MARK: - Values

  private mutating func value() throws(AccessProblem) -> TOMLValue {
    switch peek {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try string())
    case UInt8(ascii: "["): return .strings(try strings())
    case UInt8(ascii: "{"):
      throw AccessProblem(place, "tables in braces are not used here; write a table of its own")
    default: return try word()
    }
  }

  /// `true`, `false` or a time.
  private mutating func word() throws(AccessProblem) -> TOMLValue {
    let (start, begin) = (place, at)
    func isPart(_ byte: UInt8) -> Bool {
      Self.isBareKey(byte) || [":", ".", "+"].contains(UnicodeScalar(byte))
    }
    while let byte = peek {
      // A date and its time may have a space in between.
      let isGap =
        byte == UInt8(ascii: " ") && at - begin == 10 && bytes[begin + 4] == UInt8(ascii: "-")
        && at + 1 < bytes.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at + 1])
      guard isPart(byte) || isGap else { break }
      at += 1
    }
    let text = String(decoding: bytes[begin..<at], as: UTF8.self)
    switch text {
    case "": throw AccessProblem(start, "a value was expected here, such as \"text\" or [\"text\"]")
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    default:
      guard let time = Timestamp(text) else {
        throw AccessProblem(
          start,
          "this is no value that is used here; text is in quotes, and a time is written 2027-01-01T00:00:00Z"
        )
      }
      return .time(time)
    }
  }

  private mutating func strings() throws(AccessProblem) -> [TOMLString] {
    at += 1
    var strings: [TOMLString] = []
    while true {
      try skipBlankLines()
      if peek == UInt8(ascii: "]") { break }
      guard peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") else {
        throw AccessProblem(place, "text in quotes, or the ] of the list, was expected here")
      }
      let start = place
      strings.append(TOMLString(text: try string(), place: start))
      try skipBlankLines()
      guard peek == UInt8(ascii: ",") else { break }
      at += 1
    }
    guard peek == UInt8(ascii: "]") else {
      throw AccessProblem(place, "a comma, or the ] of the list, was expected here")
    }
    at += 1
    return strings
  }

  private mutating func string() throws(AccessProblem) -> String {
    guard !peek("\"\"\""), !peek("'''") else {
      throw AccessProblem(place, "text of several lines is not used here; write it in one line")
    }
    let (start, quote) = (place, bytes[at])
    at += 1
    var text: [UInt8] = []
    while let byte = peek, byte != quote {
      guard byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") else { break }
      guard !Self.isControl(byte) else {
        throw AccessProblem(place, "a control character in text; write it as \\u and four digits")
      }
      if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
        text += Array(String(try escape()).utf8)
      } else {
        text.append(byte)
        at += 1
      }
    }
    guard peek == quote else {
      throw AccessProblem(start, "this text has no end; close it with the quote that it began with")
    }
    at += 1
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func escape() throws(AccessProblem) -> Character {
    let start = place
    at += 1
    guard let byte = peek else {
      throw AccessProblem(start, "this text has no end; close it with the quote that it began with")
    }
    at += 1
    switch byte {
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "u"), UInt8(ascii: "U"):
      let digits = bytes[at...].prefix(byte == UInt8(ascii: "u") ? 4 : 8)
      let text = String(decoding: digits, as: UTF8.self)
      guard digits.count == (byte == UInt8(ascii: "u") ? 4 : 8),
        text.utf8.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }),
        let number = UInt32(text, radix: 16), let scalar = UnicodeScalar(number)
      else {
        throw AccessProblem(start, "this is no character; write \\u and four hexadecimal digits")
      }
      at += digits.count
      return Character(scalar)
    default:
      throw AccessProblem(start, "\\ and this letter mean nothing in TOML; write \\\\ for a \\")
    }
  }
}

/// A text of the file as a sentence has it: short, on one line.
func quoted(_ text: String) -> String {
  let shown = text.prefix(64).map { character -> String in
    character.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
      ? String(character) : "?"
  }.joined()
  return "\"\(shown)\(text.count > 64 ? "…" : "")\""
}
