/// What makes a text untidy. Each gives the violations that it finds, so that it can be tried on planted ones.
enum TidyChecks {
  // MARK: - Comments

  static let maximumColumns = 120
  /// A line of one word is a bad wrap when the next word would have ended before this column.
  private static let easyColumns = 100

  private struct CommentLine {
    let number: Int
    let indent: Int
    let isDocumentation: Bool
    let spaces: Int
    let text: Substring

    init?(_ line: Substring, number: Int) {
      let rest = line.drop { $0 == " " }
      guard rest.hasPrefix("//") else { return nil }
      self.number = number
      indent = line.count - rest.count
      isDocumentation = rest.hasPrefix("///")
      let body = rest.drop { $0 == "/" }
      text = body.drop { $0 == " " }
      spaces = body.count - text.count
    }

    /// Where the lines that go on with it begin.
    var hang: Int {
      if text.hasPrefix("- ") { return spaces + 2 }
      let digits = text.prefix { $0.isNumber }
      return !digits.isEmpty && text.dropFirst(digits.count).hasPrefix(". ")
        ? spaces + digits.count + 2 : spaces
    }

    var words: [Substring] { text.split(separator: " ") }

    func goesOn(_ first: CommentLine) -> Bool {
      indent == first.indent && isDocumentation == first.isDocumentation && spaces == first.hang
        && hang == spaces && !text.isEmpty && !text.hasPrefix("```")
    }
  }

  static func longComments(in file: Repository.File) -> [String] {
    file.lines.enumerated().compactMap { index, line in
      CommentLine(line, number: index + 1) != nil && line.count > maximumColumns
        ? "\(file.path):\(index + 1) has \(line.count) columns" : nil
    }
  }

  /// Lines of one word inside a paragraph, as a bad wrap leaves them.
  static func brokenParagraphs(in file: Repository.File) -> [String] {
    var found: [String] = []
    var first: CommentLine?
    var previous: CommentLine?
    for (index, line) in file.lines.enumerated() {
      guard let comment = CommentLine(line, number: index + 1), !comment.text.isEmpty else {
        first = nil
        continue
      }
      guard let begin = first, comment.goesOn(begin), begin.spaces < 4 else {
        first = comment
        previous = comment
        continue
      }
      if let previous, previous.words.count == 1, let next = comment.words.first,
        file.lines[previous.number - 1].count + 1 + next.count <= easyColumns
      {
        found.append("\(file.path):\(previous.number) has one word in the middle of a paragraph")
      }
      previous = comment
    }
    return found
  }

  /// Sentences that go on in another comment, which may be moved away.
  static func splitSentences(in file: Repository.File) -> [String] {
    file.lines.enumerated().compactMap { index, line in
      guard let comment = CommentLine(line, number: index + 1), comment.spaces < 4,
        comment.text.hasSuffix(" …") || comment.text.hasPrefix("… ")
      else { return nil }
      return "\(file.path):\(index + 1) has a part of a sentence"
    }
  }

  /// Links in doc comments (two backticks) that lead to nothing.
  static func deadLinks(in files: [Repository.File]) -> [String] {
    let declared = files.map { Declarations(of: $0.text) }
    let types = declared.reduce(into: Set<String>()) { $0.formUnion($1.types) }
    var byModule: [String: Set<String>] = [:]
    var byType: [String: Set<String>] = [:]
    for (file, declarations) in zip(files, declared) {
      byModule[module(of: file), default: []].formUnion(declarations.names)
      for type in declarations.types { byType[type, default: []].formUnion(declarations.names) }
    }
    let modules = Set(
      files.map { module(of: $0).split(separator: "/").last.map(String.init) ?? "" })
    func exists(_ link: String, in file: Repository.File) -> Bool {
      let parts = link.split(separator: "/").map(String.init)
      guard let last = parts.last else { return false }
      guard parts.dropLast().allSatisfy({ types.contains($0) }) else { return false }
      if types.contains(last) || modules.contains(last) { return true }
      guard parts.count > 1 else { return byModule[module(of: file)]?.contains(last) ?? false }
      return byType[parts[parts.count - 2]]?.contains(last) ?? false
    }
    return files.flatMap { file in
      file.lines.enumerated().flatMap { index, line -> [String] in
        guard CommentLine(line, number: index + 1) != nil else { return [] }
        return String(line).components(between: "``", and: "``")
          .filter { link in !link.contains { " \\".contains($0) } && !exists(link, in: file) }
          .map { "\(file.path):\(index + 1) links to \($0), which is not there" }
      }
    }
  }

  private static func module(of file: Repository.File) -> String {
    file.path.split(separator: "/").prefix(2).joined(separator: "/")
  }

  // MARK: - Pages

  /// Sections with the same headings on one page, and texts that are on the pages twice.
  static func repeatedSections(in pages: [Repository.File]) -> [String] {
    var found: [String] = []
    var bodies: [String: String] = [:]
    for page in pages {
      var headings: Set<String> = []
      var path: [String] = []
      var body = ""
      var isCode = false
      func close() {
        let place = page.path + ": " + path.joined(separator: " / ")
        let text = body
        body = ""
        // Shorter ones say little ("None.").
        guard text.count >= 80 else { return }
        if let other = bodies[text] { found.append("\(place) says what \(other) says") }
        bodies[text] = place
      }
      for line in page.lines {
        if line.hasPrefix("```") { isCode.toggle() }
        let level = isCode ? 0 : line.prefix { $0 == "#" }.count
        guard level > 0 else {
          body += line + "\n"
          continue
        }
        close()
        path = Array(path.prefix(level - 1)) + [line.drop { $0 == "#" }.trimmingSpaces()]
        let heading = path.joined(separator: " / ")
        if !headings.insert(heading).inserted { found.append("\(page.path) has \(heading) twice") }
      }
      close()
    }
    return found
  }

  // MARK: - Errors

  /// The reasons of errors (`ErrorInfo.reason`) in a source: what is in capitals with a `_`.
  static func reasons(in text: String) -> [String] {
    text.components(between: "\"", and: "\"").filter { word in
      word.contains("_") && word.first != "_" && word.allSatisfy { $0.isUppercase || $0 == "_" }
    }
  }

  /// The reasons in the second column of the table of statuses.
  static func explainedReasons(in page: String) -> Set<String> {
    var reasons: Set<String> = []
    var isTable = false
    for line in page.split(separator: "\n") {
      if line.hasPrefix("| code | reason |") { isTable = true }
      guard isTable, line.hasPrefix("|") else { continue }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false)
      guard cells.count > 2 else { continue }
      for reason in cells[2].split(separator: ",") {
        let reason = reason.trimmingSpaces()
        if reason.contains("_") { reasons.insert(reason) }
      }
    }
    return reasons
  }

  // MARK: - Varints

  /// Files that take the 7 bits of a varint's byte out themselves.
  static func varintDecoders(in files: [Repository.File]) -> [String] {
    files.filter { file in
      let text = file.text.lowercased()
      return text.contains("& 0x7f") || text.contains("&0x7f") || text.contains("& 127")
        || text.contains("& 0b0111_1111") || text.contains("& 0b111_1111")
    }.map(\.path)
  }
}
