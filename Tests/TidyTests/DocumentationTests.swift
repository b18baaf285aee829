import Testing

/// That what a module of the program shows to others is explained.
@Suite("Documentation") struct DocumentationTests {
  private static let sources = Repository.swift.filter { $0.path.hasPrefix("Sources/") }

  @Test func explainsWhatOtherModulesUse() {
    let requirements = TidyChecks.requirements(in: Self.sources)
    #expect(requirements.contains("scan(_:direction:limit:snapshot:tier:_:)"))
    #expect(TidyChecks.undocumented(in: Self.sources, requirements: requirements) == [])
  }

  @Test(arguments: [
    ("package let a: Int", false), ("/// It.\npackage let a: Int", true),
    ("/// It.\n// SAFETY: a\n@safe\npackage func f() {}", true),
    ("// It.\npackage var a = 1", false),
    ("package func f() {}", false), ("@safe package let a: Int", false), ("let a: Int", true),
    ("package import A", true), ("package init() {}", true),
    ("let a: Int\npackage init(a: Int) {}", true), ("let a: Int\npackage init(b: Int) {}", false),
    ("let a: Int\npackage init(\n  a: Int,\n  b: Int\n) {}", false),
    ("let a: Int\npackage init(_ a: Int) {}", false), ("package init?(of a: Int) {}", false),
    ("package static func < (a: A, b: A) -> Bool {", true),
    ("package var description: String {", true),
    ("package func open(_ path: String) {", true), ("package func open(path: String) {", false),
    ("package var size: Int", true), ("package enum A {", false),
  ])
  func findsWhatIsNotExplained(text: String, isExplained: Bool) {
    let file = Repository.File(path: "Sources/A/B.swift", text: text)
    let found = TidyChecks.undocumented(in: [file], requirements: ["open(_:)", "size"])
    #expect(found.isEmpty == isExplained)
  }

  @Test func findsWhatProtocolsAskFor() {
    let text = """
      package protocol A {
        var size: Int { get }
        func open(
          _ path: String, at place: Int
        ) -> Int
      }
      func other(_ path: String) {}
      """
    let file = Repository.File(path: "Sources/A/B.swift", text: text)
    #expect(TidyChecks.requirements(in: [file]) == ["size", "open(_:at:)"])
  }
}
