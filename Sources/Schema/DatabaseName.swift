/// What a database is called where a client sees it: in the name of the generated file, its package and
/// its service.
///
///     name         file              package, when the schema has none    service
///     database     database.proto    database                             Database
///     pet_clinic   pet_clinic.proto  pet_clinic                           PetClinic
///
/// A compiled schema need not keep it: its generated file has the name.
package struct DatabaseName: Hashable, Sendable {
  /// The name of a database that was given none.
  package static let standard = DatabaseName(checked: "database")

  /// 1 to 64 of `a` to `z`, `0` to `9` and `_`, the first one a letter.
  package let text: String

  private init(checked text: String) { self.text = text }

  /// Nil when the text is no such name.
  package init?(_ text: String) {
    let isWord = text.utf8.allSatisfy {
      Self.isLetter($0) || $0 == UInt8(ascii: "_")
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
    }
    guard isWord, text.utf8.count <= 64, let first = text.utf8.first, Self.isLetter(first) else {
      return nil
    }
    self.text = text
  }

  /// The name that a generated file tells; nil when it is none of ours.
  init?(generatedFile path: String) {
    guard path.hasSuffix(Self.suffix) else { return nil }
    self.init(String(path.dropLast(Self.suffix.count)))
  }

  private static let suffix = ".proto"

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
  }

  /// The import path of the generated file.
  package var file: String { text + Self.suffix }

  /// The package of a schema that has none of its own.
  package var defaultPackage: String { text }

  /// The service's name inside its package.
  package var service: String {
    text.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }
}
