/// What a Swift file declares, found by its words: good enough to tell whether a link leads anywhere.
struct Declarations {
  /// Types that are declared or extended.
  var types: Set<String> = []
  /// Names of everything; of functions, initializers and cases with parameters also with their labels.
  var names: Set<String> = []

  private static let typeWords: Set = [
    "struct", "class", "enum", "protocol", "actor", "typealias", "extension", "associatedtype",
  ]
  private static let memberWords: Set = ["func", "var", "let", "case", "init"]

  init(of text: String) {
    var scan = Scan(bytes: Array(text.utf8))
    while let word = scan.nextWord() {
      if Self.typeWords.contains(word) {
        while let name = scan.nameHere() {
          types.insert(name)
          names.insert(name)
          guard scan.skip(".") else { break }
        }
      } else if Self.memberWords.contains(word) {
        repeat {
          guard let name = word == "init" ? word : scan.nameHere() else { break }
          names.insert(name)
          if let labels = scan.labelsHere() { names.insert(name + labels) }
        } while word == "case" && scan.skip(",")
      }
    }
  }

  private struct Scan {
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    static func isPartOfWord(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
        || byte >= 0x80
    }

    private var isAtComment: Bool {
      at + 1 < bytes.count && bytes[at] == UInt8(ascii: "/") && bytes[at + 1] == UInt8(ascii: "/")
    }

    mutating func skip(_ mark: Unicode.Scalar) -> Bool {
      let before = at
      skipSpaces()
      guard at < bytes.count, bytes[at] == UInt8(ascii: mark) else {
        at = before
        return false
      }
      at += 1
      return true
    }

    mutating func skipSpaces() {
      while at < bytes.count, bytes[at] == UInt8(ascii: " ") || bytes[at] == UInt8(ascii: "\n") {
        at += 1
      }
    }

    /// The next word outside of comments; a word after a point is none.
    mutating func nextWord() -> String? {
      while at < bytes.count {
        if isAtComment {
          while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
        } else if Self.isPartOfWord(bytes[at]) {
          let start = at
          let word = takeWord()
          if start == 0 || bytes[start - 1] != UInt8(ascii: ".") { return word }
        } else {
          at += 1
        }
      }
      return nil
    }

    private mutating func takeWord() -> String {
      let start = at
      while at < bytes.count, Self.isPartOfWord(bytes[at]) { at += 1 }
      return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    mutating func nameHere() -> String? {
      skipSpaces()
      _ = skip("`")
      guard at < bytes.count, Self.isPartOfWord(bytes[at]) else { return nil }
      let name = takeWord()
      if at < bytes.count, bytes[at] == UInt8(ascii: "`") { at += 1 }
      return name
    }

    /// `(a:_:)` for the parameters that begin here, if some do.
    mutating func labelsHere() -> String? {
      if at < bytes.count, bytes[at] == UInt8(ascii: "?") { at += 1 }
      if at < bytes.count, bytes[at] == UInt8(ascii: "<") {
        while at < bytes.count, bytes[at] != UInt8(ascii: ">") { at += 1 }
        at += 1
      }
      guard at < bytes.count, bytes[at] == UInt8(ascii: "(") else { return nil }
      at += 1
      var depth = 1
      var labels = ""
      var words: [String] = []
      var isNamed = false
      var isEmpty = true
      while at < bytes.count, depth > 0 {
        let byte = bytes[at]
        if depth == 1, !isNamed, Self.isPartOfWord(byte) {
          words.append(takeWord())
          isEmpty = false
          continue
        }
        at += 1
        switch byte {
        case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "<"):
          depth += 1
          isEmpty = false
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
        case UInt8(ascii: ">") where bytes[at - 2] != UInt8(ascii: "-"): depth -= 1
        case UInt8(ascii: ":") where depth == 1 && !isNamed:
          labels += (words.first ?? "_") + ":"
          isNamed = true
        case UInt8(ascii: ",") where depth == 1:
          if !isNamed { labels += "_:" }
          isNamed = false
          words = []
        default: break
        }
      }
      if !isNamed && !isEmpty { labels += "_:" }
      return "(" + labels + ")"
    }
  }
}
