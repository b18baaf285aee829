import SwiftProtobuf

/// Writes `database.proto`: the user's text as it is, and after it what the server adds.
struct DatabaseProto {
  let source: SourceText
  /// Described from ``source``, with source info.
  let descriptor: Google_Protobuf_FileDescriptorProto
  /// How the header names the schema.
  let schemaName: String
  let models: [ModelRules.Candidate]
  let databaseName: DatabaseName
  let methodNames: Set<String>

  init(
    source: SourceText, descriptor: Google_Protobuf_FileDescriptorProto, schemaName: String,
    models: [ModelRules.Candidate], databaseName: DatabaseName
  ) {
    self.source = source
    self.descriptor = descriptor
    self.schemaName = schemaName
    self.models = models
    self.databaseName = databaseName
    methodNames = Set(
      models.flatMap { model in
        ModelNames.methods(
          name: model.name, plural: model.plural, isWatched: model.watch != nil)
          + model.indexes.flatMap { $0.methods(plural: model.plural) }
      } + [ModelNames.transact])
  }

  var packageName: String {
    descriptor.package.isEmpty ? databaseName.defaultPackage : descriptor.package
  }

  /// The whole text. The same input gives the same bytes.
  func text() -> String {
    // The user's lines keep their ends; the lines around them take on the file's way.
    let newline = source.newline
    return header().replacingNewlines(with: newline)
      + withFinalNewline(String(decoding: userText(), as: UTF8.self), newline)
      + generatedDeclarations().replacingNewlines(with: newline)
  }

  private func withFinalNewline(_ text: String, _ newline: String) -> String {
    text.utf8.last == UInt8(ascii: "\n") ? text : text + newline
  }

  // MARK: - The user's text

  /// What is put between the user's bytes: offsets, ascending, and texts.
  private func insertions() -> [(Int, String)] {
    var insertions: [(Int, String)] = []
    var statements: [String] = []
    if descriptor.package.isEmpty {
      insertions = rootReferences().map { ($0, ".\(packageName)") }
      statements.append("package \(packageName);")
    }
    let needsImport = !descriptor.dependency.contains(Self.maskFile)
    let importStatement = "import \"\(Self.maskFile)\";"
    // Imports come before all declarations, since some parsers ask for it, and after the user's own, which keep their
    // places among them.
    let (headEnd, isHeadSyntax) = endOfHead()
    if !statements.isEmpty && isHeadSyntax && needsImport {
      statements.append(importStatement)
    } else if needsImport {
      insertions.append(statement(importStatement, after: headEnd))
    }
    if !statements.isEmpty {
      insertions.append(
        statement(statements.joined(separator: source.newline), after: endOfSyntaxStatement()))
    }
    return insertions.sorted { $0.0 < $1.0 }
  }

  /// What the generated messages need.
  private static let maskFile = "google/protobuf/field_mask.proto"

  /// The place in the schema of a 1-based place in ``text()``; nil in what is generated.
  func sourcePosition(ofLine line: Int, column: Int) -> (line: Int, column: Int)? {
    let whole = Array(text().utf8)
    guard let text = try? SourceText(whole, name: databaseName.file),
      var offset = text.offset(line: line - 1, column: column - 1)
    else { return nil }
    offset -= header().replacingNewlines(with: source.newline).utf8.count
    for (place, inserted) in insertions() where place < offset {
      offset = max(place, offset - inserted.utf8.count)
    }
    guard (0..<source.bytes.count).contains(offset) else { return nil }
    return source.position(of: offset)
  }

  private func userText() -> [UInt8] {
    let insertions = insertions()
    guard !insertions.isEmpty else { return source.bytes }
    var result: [UInt8] = []
    var copied = 0
    for (offset, text) in insertions {
      result += source.bytes[copied..<offset]
      result += text.utf8
      copied = offset
    }
    return result + source.bytes[copied...]
  }

  /// A statement goes on the line after another one, or right after it when something else follows on its line.
  private func statement(_ text: String, after end: Int) -> (Int, String) {
    let bytes = source.bytes
    var lineEnd = end
    while lineEnd < bytes.count && bytes[lineEnd] != UInt8(ascii: "\n") { lineEnd += 1 }
    let rest = bytes[end..<lineEnd].drop { $0 <= UInt8(ascii: " ") }
    let isRestBlank = rest.isEmpty || rest.starts(with: [UInt8](("//").utf8))
    guard isRestBlank else { return (end, " \(text)") }
    if lineEnd < bytes.count { return (lineEnd + 1, text + source.newline) }
    return (lineEnd, source.newline + text)
  }

  private func endOfSyntaxStatement() -> Int { ends(ofStatements: ["syntax"]).first ?? 0 }

  /// Where the last import ends, else the package statement, else the syntax statement.
  private func endOfHead() -> (offset: Int, isSyntax: Bool) {
    if let end = ends(ofStatements: ["import"]).last { return (end, false) }
    if let end = ends(ofStatements: ["package"]).last { return (end, false) }
    return (endOfSyntaxStatement(), true)
  }

  /// The offsets after all top-level statements that begin with one of the words.
  private func ends(ofStatements words: Set<String>) -> [Int] {
    let tokens = Array(SchemaTokens(source.bytes))
    var ends: [Int] = []
    var first: String?
    var isStart = true
    var depth = 0
    for index in tokens.indices {
      let symbol = symbol(tokens, index)
      if isStart {
        first = word(tokens, index)
        isStart = false
      }
      if symbol == "{" { depth += 1 }
      if symbol == "}" { depth -= 1 }
      guard depth == 0, symbol == ";" || symbol == "}" else { continue }
      if symbol == ";", let first, words.contains(first) {
        ends.append(tokens[index].range.upperBound)
      }
      isStart = true
    }
    return ends
  }

  /// The offsets of the leading dots of all references that name a declaration of this file: once
  /// the file has a package, `.Dog` is `.database.Dog`.
  private func rootReferences() -> [Int] {
    let names = Set(TopLevelDeclaration.all(in: descriptor).map(\.name))
    let tokens = Array(SchemaTokens(source.bytes))
    // protoc gives the place of each type name, which alone tells `optional .Dog` from a path that
    // begins with `optional`.
    var starts = Set(
      descriptor.sourceCodeInfo.location.compactMap { location -> Int? in
        guard location.span.count >= 3 else { return nil }
        return source.offset(line: Int(location.span[0]), column: Int(location.span[1]))
      })
    for index in tokens.indices where symbol(tokens, index) == "." {
      // An option's extension name and a map's value type have no place of their own.
      let isParenthesised = symbol(tokens, index - 1) == "("
      let isMapValue =
        symbol(tokens, index - 1) == "," && symbol(tokens, index - 3) == "<"
        && word(tokens, index - 4) == "map"
      if isParenthesised || isMapValue { starts.insert(tokens[index].range.lowerBound) }
    }
    return tokens.indices.compactMap { index in
      guard symbol(tokens, index) == ".", starts.contains(tokens[index].range.lowerBound),
        let name = word(tokens, index + 1), names.contains(name)
      else { return nil }
      return tokens[index].range.lowerBound
    }
  }

  private func symbol(_ tokens: [SchemaTokens.Token], _ index: Int) -> Character? {
    guard tokens.indices.contains(index), tokens[index].kind == .symbol else { return nil }
    return Character(Unicode.Scalar(source.bytes[tokens[index].range.lowerBound]))
  }

  private func word(_ tokens: [SchemaTokens.Token], _ index: Int) -> String? {
    guard tokens.indices.contains(index), tokens[index].kind == .identifier else { return nil }
    return String(decoding: source.bytes[tokens[index].range], as: UTF8.self)
  }

  // MARK: - Header

  /// How every generated file begins.
  static let mark = "// Generated by seandb from "

  private func header() -> String {
    let flag = databaseName == .standard ? "" : " --name \(databaseName.text)"
    return """
      \(Self.mark)\(schemaName). Do not edit: change \(schemaName) and run
      // `seandb create\(flag)` again.


      """
  }
}

extension String {
  fileprivate func replacingNewlines(with newline: String) -> String {
    split(separator: "\n", omittingEmptySubsequences: false).joined(separator: newline)
  }
}
