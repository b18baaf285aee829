/// Finds imported files that are written in an edition.
///
/// Features of editions change how fields are encoded and what is required. Records would be checked by
/// the wrong rules, so such a file is refused, whether protoc knows editions or not.
struct ImportEditions {
  let location: SchemaLocation

  func diagnostic(forFile name: String) -> Diagnostic {
    let source = source(ofImport: name)
    return diagnostic(name, at: source.flatMap(SyntaxStatement.edition))
  }

  /// One for each file in an edition among the user's files that the schema imports, directly or not.
  func diagnostics(importedFrom schema: SourceText) -> [Diagnostic] {
    var found: [Diagnostic] = []
    var seen: Set<String> = []
    var next = Self.imports(of: schema)
    while let name = next.popLast() {
      guard seen.insert(name).inserted, let source = source(ofImport: name) else { continue }
      if let place = SyntaxStatement.edition(of: source) {
        found.append(diagnostic(name, at: place))
      }
      next += Self.imports(of: source)
    }
    return found.sorted { $0.file < $1.file }
  }

  private func diagnostic(_ name: String, at place: (line: Int, column: Int)?) -> Diagnostic {
    Diagnostic(
      file: name, line: place?.line ?? 1, column: place?.column ?? 1,
      message: "editions are not supported yet: write `syntax = \"proto3\";`")
  }

  private func source(ofImport name: String) -> SourceText? {
    guard let path = try? location.path(ofImport: name), let bytes = try? POSIXFile.read(path)
    else {
      return nil
    }
    return try? SourceText(bytes, name: name)
  }

  /// The paths in `import` statements.
  private static func imports(of source: SourceText) -> [String] {
    var result: [String] = []
    var isImport = false
    for token in SchemaTokens(source.bytes) {
      let text = source.bytes[token.range]
      switch token.kind {
      case .string where isImport:
        result.append(String(decoding: text.dropFirst().dropLast(), as: UTF8.self))
        isImport = false
      case .identifier:
        // `import public`, `import weak`, `import option`.
        isImport = isImport || text.elementsEqual("import".utf8)
      default: isImport = false
      }
    }
    return result
  }
}
