import Testing

/// ``TidyChecks`` on the repository, and on violations planted for them: a check that finds nothing anywhere checks
/// nothing.
@Suite("Tidy checks") struct TidyCheckTests {
  private static func file(_ text: String, _ path: String = "Sources/Planted/File.swift")
    -> Repository.File
  {
    Repository.File(path: path, text: text)
  }

  // MARK: - Comments

  @Test func keepsCommentsNarrow() {
    #expect(Repository.swift.flatMap { TidyChecks.longComments(in: $0) } == [])
  }

  @Test func findsAWideComment() {
    let wide = "  // " + String(repeating: "a", count: 116)
    #expect(TidyChecks.longComments(in: Self.file(wide)).count == 1)
    #expect(TidyChecks.longComments(in: Self.file(String(wide.dropLast()))) == [])
  }

  @Test func breaksNoParagraph() {
    #expect(Repository.swift.flatMap { TidyChecks.brokenParagraphs(in: $0) } == [])
  }

  @Test(arguments: [
    ("/// a b c\n/// all\n/// of it", 1),
    ("  /// 3. a b\n  ///    all\n  ///    of it", 1),
    ("/// - Parameter a: b\n///   all\n///   of it", 1),
    ("// a b c\n// all\n// of it", 1),
    ("/// a b c\n/// d e\n/// all", 0),
    ("/// a b c\n///\n/// all\n///\n/// of it", 0),
    ("///     a b c\n///     all\n///     of it", 0),
    ("/// - a\n/// - b\n/// - c", 0),
  ])
  func findsABrokenParagraph(text: String, count: Int) {
    #expect(TidyChecks.brokenParagraphs(in: Self.file(text)).count == count)
  }

  @Test func splitsNoSentence() {
    #expect(Repository.swift.flatMap { TidyChecks.splitSentences(in: $0) } == [])
  }

  @Test(arguments: [
    ("  /// Called before …", 1), ("  /// … and after.", 1), ("  /// `mem_send` or `…_recv`.", 0),
    ("///     byte 1 … 4 …", 0), ("  call(\"…\")", 0),
  ])
  func findsASplitSentence(text: String, count: Int) {
    #expect(TidyChecks.splitSentences(in: Self.file(text)).count == count)
  }

  // MARK: - Links

  @Test func linksToWhatIsThere() {
    #expect(TidyChecks.deadLinks(in: Repository.swift) == [])
  }

  @Test(arguments: [
    ("Shelf", true), ("Shelf/put(_:at:)", true), ("put(_:at:)", true), ("Shelf/size", true),
    ("Shelf/Kind/broken(because:_:)", true), ("Kind/whole", true), ("Shelf/init(of:)", true),
    ("Shelf/put(_:)", false), ("put()", false), ("Shelf/length", false), ("Cupboard", false),
    ("Shelf/broken(_:)", false), ("Cupboard/put(_:at:)", false),
  ])
  func findsADeadLink(link: String, isThere: Bool) {
    let text = """
      /// See ``\(link)``.
      struct Shelf<Thing> {
        let size: Int
        enum Kind { case whole, broken(because: String, (Int, Int) -> Int) }
        init?(of size: Int) { self.size = size }
        // func length()
        func put<Part: Hashable>(_ thing: [Part: Int], at place: Int = 0) {}
      }
      """
    #expect(TidyChecks.deadLinks(in: [Self.file(text)]).isEmpty == isThere)
  }

  // MARK: - Pages

  @Test func saysNothingTwice() {
    #expect(Repository.pages.count > 10)
    #expect(TidyChecks.repeatedSections(in: Repository.pages) == [])
  }

  @Test func findsWhatIsSaidTwice() {
    let body = String(repeating: "Words and words. ", count: 6)
    let page = Self.file("# A\n\n## B\n\n\(body)\n", "docs/a.md")
    #expect(TidyChecks.repeatedSections(in: [page]) == [])
    let other = Self.file("# C\n\n\(body)\n", "docs/c.md")
    #expect(TidyChecks.repeatedSections(in: [page, other]).count == 1)
    let twice = Self.file("# A\n\n## B\n\none\n\n## B\n\ntwo\n", "docs/a.md")
    #expect(TidyChecks.repeatedSections(in: [twice]).count == 1)
    let code = Self.file("# A\n\n```\n# B\n# B\n```\n", "docs/a.md")
    #expect(TidyChecks.repeatedSections(in: [code]) == [])
  }

  // MARK: - Errors

  @Test func explainsEveryReasonOfAnError() throws {
    let page = try #require(Repository.read(Repository.root + "/docs/operations.md"))
    let sources = Repository.swift.filter {
      $0.path.hasPrefix("Sources/Wire/") || $0.path.hasPrefix("Sources/Server/")
    }
    let reasons = Set(sources.flatMap { TidyChecks.reasons(in: $0.text) })
    let explained = TidyChecks.explainedReasons(in: page)
    #expect(reasons.count > 25)
    #expect(reasons.subtracting(explained) == [], "docs/operations.md does not explain them")
    #expect(explained.subtracting(reasons) == [], "no source has them")
  }

  @Test func findsReasons() {
    let source = #"RPCStatus(.internal, reason: isFull ? "DISK_FULL" : "LATE_AGAIN", "a word")"#
    #expect(TidyChecks.reasons(in: source) == ["DISK_FULL", "LATE_AGAIN"])
    let page = "X_Y\n| code | reason | what |\n|---|---|---|\n| INTERNAL_X | A_B, C_D | see E_F |\n"
    #expect(TidyChecks.explainedReasons(in: page) == ["A_B", "C_D"])
  }

  // MARK: - Varints

  @Test func decodesVarintsInOnePlaceOfAModule() {
    let sources = Repository.swift.filter { $0.path.hasPrefix("Sources/") }
    // The LSM has its own, since calls into another module are not inlined; and a block's entry begins with three
    // numbers, which are read at once when each has one byte.
    #expect(
      Set(TidyChecks.varintDecoders(in: sources))
        == [
          "Sources/Bytes/Varint.swift", "Sources/LSM/Block/BlockEntry.swift",
          "Sources/LSM/Block/InlineVarint.swift",
        ])
  }

  @Test func findsAVarintDecoder() {
    #expect(
      TidyChecks.varintDecoders(in: [Self.file("value |= UInt64(byte & 0x7F) << shift")]).count == 1
    )
    #expect(TidyChecks.varintDecoders(in: [Self.file("let kind = 0x7F")]) == [])
  }
}
