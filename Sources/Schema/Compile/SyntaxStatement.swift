/// The first statement of a schema: it must be `syntax = "proto3";`.
enum SyntaxStatement {
  /// Looks before protoc does: what protoc says of a file that was meant for another syntax hides
  /// the reason.
  /// - Throws: `invalid` for proto2, an edition, or no statement.
  static func check(_ source: SourceText, name: String) throws(SchemaError) {
    let (tokens, rest) = Self.beginning(of: source)
    let words = tokens.map { String(decoding: source.bytes[$0.range], as: UTF8.self) }
    let found: String
    if words.count == 3, words[0] == "syntax", words[1] == "=" {
      // Strings that follow each other are one.
      let strings = (words[2...] + rest).map { $0.dropFirst().dropLast() }
      let syntax = strings.joined()
      guard tokens[2].kind == .string, syntax != "proto3" else { return }
      found = "the schema has syntax \"\(syntax)\""
    } else if words.count == 3, words[0] == "edition", words[1] == "=" {
      found = "the schema has edition \(words[2])"
    } else if words.first == "syntax" {
      return  // protoc says what is wrong with it.
    } else {
      found = "the schema does not begin with a syntax statement"
    }
    let position = source.position(of: tokens.first?.range.lowerBound ?? 0)
    throw .invalid([
      Diagnostic(
        file: name, line: position.line, column: position.column,
        message: "\(found): write `syntax = \"proto3\";` (files that it imports may be proto2)")
    ])
  }

  /// The place of the edition statement that a file begins with; nil when it begins with another.
  static func edition(of source: SourceText) -> (line: Int, column: Int)? {
    let (tokens, _) = beginning(of: source)
    guard tokens.count == 3, tokens[1].kind == .symbol, tokens[2].kind == .string,
      source.bytes[tokens[0].range].elementsEqual("edition".utf8)
    else { return nil }
    return source.position(of: tokens[0].range.lowerBound)
  }

  /// The first three tokens, and the strings that follow a string.
  private static func beginning(
    of source: SourceText
  ) -> (tokens: [SchemaTokens.Token], moreStrings: [String]) {
    var all = SchemaTokens(source.bytes)
    var tokens: [SchemaTokens.Token] = []
    while tokens.count < 3, let token = all.next() { tokens.append(token) }
    var strings: [String] = []
    while tokens.last?.kind == .string, let token = all.next(), token.kind == .string {
      strings.append(String(decoding: source.bytes[token.range], as: UTF8.self))
    }
    return (tokens, strings)
  }
}
