/// The first statement of a schema, which must be `syntax = "proto3";`.
enum SyntaxStatement {
  /// Looks before protoc does: what protoc says of a file that was meant for another syntax hides
  /// the reason.
  /// - Throws: `invalid` for proto2, an edition, or no statement.
  static func check(_ source: SourceText, name: String) throws(SchemaError) {
    let tokens = Array(SchemaTokens(source.bytes).prefix(3))
    let words = tokens.map { String(decoding: source.bytes[$0.range], as: UTF8.self) }
    let found: String
    if words.count == 3, words[0] == "syntax", words[1] == "=" {
      let syntax = words[2].dropFirst().dropLast()
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
}
