import Glibc
import Testing

/// Style as a test: what docs/style.md marks as checked.
@Suite("Tidy") struct TidyTests {
  private static let sources = Repository.files(under: "Sources", suffix: ".swift")
  private static let tests =
    Repository.files(under: "Tests", suffix: ".swift")
    + Repository.files(under: "Fuzz", suffix: ".swift")

  @Test func findsTheSources() {
    #expect(Self.sources.count > 40)
    #expect(Self.tests.count > 15)
  }

  @Test func keepsFilesShort() {
    for file in Self.sources + Self.tests where !file.path.hasSuffix("ServiceDescriptors.swift") {
      #expect(file.lines.count <= 600, "\(file.path) has \(file.lines.count) lines")
    }
  }

  @Test func importsOnlyAlongTheArrows() {
    let ours: Set = [
      "Bytes", "Platform", "Engine", "Wire", "Schema", "Records", "Server", "CRocksDB",
      "CRocksDBParts", "CNghttp2", "CZstd", "CLZ4", "CLinux", "LSM", "CProgram", "EngineRocksDB",
      "EngineLSM", "Access", "CCrypto",
    ]
    let allowed: [String: Set<String>] = [
      "Bytes": [], "Platform": ["CLinux"], "LSM": ["Bytes", "CZstd", "CLZ4", "CLinux"],
      "Engine": ["Bytes"],
      "EngineRocksDB": ["Bytes", "Platform", "Engine", "CRocksDB", "CRocksDBParts"],
      "EngineLSM": ["Engine", "LSM"], "Wire": ["Bytes", "Platform", "CNghttp2"],
      "Schema": ["Bytes", "Platform"], "Records": ["Bytes", "Platform", "Engine", "Schema"],
      "Access": ["Platform", "CCrypto"],
      "Server": ["Bytes", "Platform", "Engine", "Wire", "Schema", "Records", "Access"],
      "seandb": [
        "Bytes", "Platform", "LSM", "Engine", "EngineRocksDB", "EngineLSM", "Wire", "Schema",
        "Records", "Access", "Server", "CProgram",
      ],
    ]
    // The database is a library without a network.
    for file in Self.sources where file.path.hasPrefix("Sources/Records/") {
      #expect(!file.lines.contains { $0.contains("import NIO") }, "\(file.path) imports NIO")
    }
    for file in Self.sources {
      let module = String(file.path.split(separator: "/")[1])
      for line in file.lines
      where line.contains("import ") && !line.hasPrefix(" ") && !line.hasPrefix("/") {
        guard let imported = line.split(separator: " ").last.map(String.init),
          ours.contains(imported)
        else { continue }
        #expect(allowed[module]?.contains(imported) == true, "\(file.path) imports \(imported)")
      }
    }
  }

  @Test(arguments: ["@testable", "@_spi", "FIX" + "ME", "try" + "!"])
  func usesNo(_ word: String) {
    for file in Self.sources + Self.tests where !file.path.hasSuffix("TidyTests.swift") {
      #expect(!file.text.contains(word), "\(file.path) contains \(word)")
    }
  }

  @Test func namesTermsNotDrawers() {
    for file in Self.sources {
      for part in file.path.split(whereSeparator: { $0 == "/" || $0 == "." || $0 == "+" }) {
        #expect(!["Utils", "Util", "Helpers", "Common", "Manager"].contains(part), "\(file.path)")
      }
      #expect(!file.path.contains(" "), "\(file.path)")
    }
  }

  @Test func givesAReasonForEveryUncheckedSendable() {
    for file in Self.sources {
      for (index, line) in file.lines.enumerated()
      where line.contains("@unchecked Sendable") && !line.contains("//") {
        let before = file.lines[max(0, index - 10)..<index]
        let after = file.lines[index..<min(file.lines.count, index + 4)]
        let hasReason = (Array(before) + Array(after)).contains {
          $0.contains("SAFETY") || $0.contains("Thread-safety")
        }
        #expect(hasReason, "\(file.path):\(index + 1) gives no reason")
      }
    }
  }

  @Test func hasNoDeadLinksInItsDocs() {
    let documents =
      Repository.files(under: "docs", suffix: ".md")
      + Repository.files(under: "", suffix: ".md").filter { !$0.path.contains("/") }
    #expect(documents.count > 10)
    for document in documents {
      let folder = document.path.split(separator: "/").dropLast().joined(separator: "/")
      for piece in document.text.components(between: "](", and: ")")
      where !piece.contains("://") && !piece.hasPrefix("#") {
        let target = piece.split(separator: "#").first.map(String.init) ?? ""
        let path = Repository.root + "/" + (folder.isEmpty ? "" : folder + "/") + target
        #expect(access(path, F_OK) == 0, "\(document.path) links to \(piece), which is not there")
      }
    }
  }

  @Test func namesEveryFolderOfTheLSMInItsMap() throws {
    let map = try #require(Repository.read(Repository.root + "/docs/lsm.md"))
    let folders = Set(
      Self.sources.filter { $0.path.hasPrefix("Sources/LSM/") }.compactMap { file in
        let parts = file.path.split(separator: "/")
        return parts.count > 3 ? String(parts[2]) : nil
      })
    #expect(folders.count > 10)
    for folder in folders {
      #expect(map.contains("`\(folder)/`"), "docs/lsm.md does not name \(folder)/")
    }
  }

  @Test func namesOnlyFilesThatAreThereInTheGlossary() throws {
    let glossary = try #require(Repository.read(Repository.root + "/docs/glossary.md"))
    var count = 0
    for line in glossary.split(separator: "\n") where line.hasSuffix(".swift |") {
      let path = line.split(separator: "|").last?.trimmingSpaces() ?? ""
      count += 1
      #expect(
        access(Repository.root + "/Sources/" + path, F_OK) == 0,
        "the glossary names \(path), which is not there")
    }
    #expect(count > 10)
  }
}

extension String {
  func components(between open: String, and close: String) -> [String] {
    var found: [String] = []
    var rest = self[...]
    while let start = rest.range(of: open) {
      rest = rest[start.upperBound...]
      guard let end = rest.range(of: close) else { break }
      found.append(String(rest[..<end.lowerBound]))
      rest = rest[end.upperBound...]
    }
    return found
  }
}

extension Substring {
  func trimmingSpaces() -> String {
    var rest = self
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }

  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
