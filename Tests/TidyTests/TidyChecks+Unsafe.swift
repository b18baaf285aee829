extension TidyChecks {
  /// Whether a line has the word `unsafe` outside of comments: an expression that the compiler does not vouch for, or
  /// `nonisolated(unsafe)` and its like.
  private static func isUnsafe(_ line: Substring) -> Bool {
    let words = code(of: line).split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "@") }
    return words.contains("unsafe") || words.contains("@unsafe")
  }

  /// The line up to `//`.
  private static func code(of line: Substring) -> Substring {
    var isSlash = false
    for index in line.indices {
      if line[index] == "/", isSlash { return line[..<line.index(before: index)] }
      isSlash = line[index] == "/"
    }
    return line
  }

  static func containsUnsafeCode(_ file: Repository.File) -> Bool {
    file.lines.contains { isUnsafe($0) }
  }

  /// Whether a comment before the first unsafe line says what keeps the pointers of the file valid.
  static func statesInvariants(_ file: Repository.File) -> Bool {
    for line in file.lines {
      if isUnsafe(line) { return false }
      let comment = line.dropFirst(code(of: line).count)
      if comment.contains("SAFETY") || comment.contains("Unsafe island") { return true }
    }
    return false
  }

  /// Where modules are that are not below `Sources`, in a folder of their name.
  private static let folders = [
    "seandb-bench": "Bench/SeandbBench", "TestSupport": "Tests/TestSupport",
  ]

  private static func folder(of module: String) -> String {
    folders[module] ?? "Sources/\(module)"
  }

  /// Where the files of strict modules differ from the list of those that may be unsafe, and which of them state no
  /// invariants.
  static func unsafeViolations(
    in files: [Repository.File], allowed: [String: Set<String>]
  ) -> [String] {
    var unused = Set(
      allowed.flatMap { module, names in names.map { "\(folder(of: module))/\($0).swift" } })
    var found: [String] = []
    for file in files {
      guard allowed.keys.contains(where: { file.path.hasPrefix(folder(of: $0) + "/") }),
        containsUnsafeCode(file)
      else { continue }
      if unused.remove(file.path) == nil { found.append("\(file.path) is not in the list") }
      if !statesInvariants(file) { found.append("\(file.path) does not say why it is safe") }
    }
    return found + unused.sorted().map { "\($0) has no unsafe code, or is not there" }
  }

  /// The targets of a package manifest with strict memory safety.
  static func strictModules(in manifest: String) -> Set<String> {
    var modules: Set<String> = []
    var target: String?
    for line in manifest.split(separator: "\n") {
      if let name = String(line).components(between: "arget(name: \"", and: "\"").first {
        target = name
      }
      // A target of several lines has its name in one of its own, before its products.
      if line.hasPrefix("      name: "),
        let name = String(line).components(between: "\"", and: "\"").first
      {
        target = name
      }
      if line.contains("swiftSettings: strictSettings"), let target { modules.insert(target) }
    }
    return modules
  }
}
