extension TidyChecks {
  /// Declarations for other modules that no comment explains.
  ///
  /// None is asked of what says all by itself: operators, `init()`, inits with one parameter for each property, what
  /// Swift's own protocols ask for, and what a protocol of ours asks for, where the comment is.
  ///
  /// - Parameter requirements: of protocols, see ``requirements(in:)``.
  static func undocumented(in files: [Repository.File], requirements: Set<String>) -> [String] {
    files.flatMap { file -> [String] in
      let lines = file.lines
      let names = Declarations(of: file.text).names
      return lines.indices.compactMap { index in
        // A line of a schema in a text ends so.
        guard !lines[index].hasSuffix(";"), let words = packageDeclaration(lines[index]),
          !hasComment(lines, above: index),
          !isObvious(words, Declarations(of: signature(lines, index)).names, names, requirements)
        else { return nil }
        return "\(file.path):\(index + 1) has no comment: \(lines[index].trimmingSpaces())"
      }
    }
  }

  /// What the protocols of some files ask for: functions with their labels, and properties.
  static func requirements(in files: [Repository.File]) -> Set<String> {
    var found: Set<String> = []
    for file in files {
      var isProtocol = false
      for (index, line) in file.lines.enumerated() {
        if line.contains("protocol "), line.hasSuffix("{") {
          isProtocol = true
        } else if line == "}" {
          isProtocol = false
        } else if isProtocol, line.contains("func ") || line.contains("var ") {
          let names = Declarations(of: signature(file.lines, index)).names
          found.formUnion(names.filter { line.contains("var ") || $0.hasSuffix(")") })
        }
      }
    }
    return found
  }

  /// The words of a line that begins a declaration for other modules, without attributes; nil when it is none.
  private static func packageDeclaration(_ line: Substring) -> [Substring]? {
    let words = line.split(separator: " ").drop { $0.hasPrefix("@") }
    guard let first = words.first, first == "package" || first == "public",
      !words.contains("import"), !words.contains("extension")
    else { return nil }
    return Array(words)
  }

  private static func hasComment(_ lines: [Substring], above index: Int) -> Bool {
    for line in lines[..<index].reversed() {
      let text = line.drop { $0 == " " }
      if text.hasPrefix("///") { return true }
      if !text.hasPrefix("@"), !text.hasPrefix("//") { return false }
    }
    return false
  }

  /// A declaration up to where its parameters end.
  private static func signature(_ lines: [Substring], _ index: Int) -> String {
    var text = ""
    for line in lines[index...].prefix(12) {
      text += line + "\n"
      if text.count(where: { $0 == "(" }) <= text.count(where: { $0 == ")" }) { break }
    }
    return text
  }

  private static func isObvious(
    _ words: [Substring], _ own: Set<String>, _ file: Set<String>, _ requirements: Set<String>
  ) -> Bool {
    let known: Set = ["description", "debugDescription", "hash(into:)", "init(integerLiteral:)"]
    if !own.isDisjoint(with: requirements.union(known)) { return true }
    if let function = words.firstIndex(of: "func"), let name = words.dropFirst(function + 1).first {
      return !(name.first?.isLetter ?? false)
    }
    guard words.contains(where: { $0.hasPrefix("init") }) else { return false }
    guard let initializer = own.first(where: { $0.hasPrefix("init(") }) else { return true }
    return initializer.dropFirst(5).dropLast().split(separator: ":")
      .allSatisfy { file.contains(String($0)) }
  }
}
