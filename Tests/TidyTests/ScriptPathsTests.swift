import Glibc
import Testing

/// Scripts build and read files that the compiler does not know of.
@Suite("Paths in scripts") struct ScriptPathsTests {
  private static let folders: Set = [
    "Sources", "Tests", "Bench", "Fuzz", "scripts", "docs", "Examples",
  ]
  private static let scripts =
    Repository.files(under: "scripts", suffix: "")
    + ["Makefile", ".ci/run"].compactMap { path in
      Repository.read(Repository.root + "/" + path).map { Repository.File(path: path, text: $0) }
    }

  /// The paths of a line, with what is in braces written out; none with a variable or a pattern in it.
  private static func paths(in line: Substring) -> [String] {
    line.split { " \t\"'`()=;:".contains($0) }.flatMap { word -> [String] in
      guard let slash = word.firstIndex(of: "/"), folders.contains(String(word[..<slash])),
        !word.contains(where: { "$*<>|[]".contains($0) })
      else { return [] }
      let trimmed = word.reversed().drop { ".,/".contains($0) }.reversed()
      return expanded(String(trimmed))
    }
  }

  private static func expanded(_ path: String) -> [String] {
    guard let open = path.firstIndex(of: "{"), let close = path.firstIndex(of: "}"), open < close
    else { return [path] }
    let before = path[..<open]
    let after = path[path.index(after: close)...]
    return path[path.index(after: open)..<close].split(separator: ",").flatMap {
      expanded("\(before)\($0)\(after)")
    }
  }

  @Test func writesBracesOut() {
    #expect(
      Self.paths(in: "  build -- Tests/A/{B/C,D}.swift \"docs/x.md\", Fuzz/$1.txt (scripts/fuzz)")
        == ["Tests/A/B/C.swift", "Tests/A/D.swift", "docs/x.md", "scripts/fuzz"])
  }

  @Test func namesFilesThatAreThere() {
    #expect(Self.scripts.count > 5)
    for script in Self.scripts {
      for (number, line) in script.lines.enumerated() {
        for path in Self.paths(in: line) {
          #expect(
            access(Repository.root + "/" + path, F_OK) == 0,
            "\(script.path):\(number + 1): there is no \(path)")
        }
      }
    }
  }
}
