/// What an engine calls the files of a store that hold its data.
///
/// One file names the manifest that counts; it is replaced by a rename, and is there from the end of the store's making
/// on. Manifests, logs and tables have numbers, which a store gives in growing order.
package struct StoreFileNames: Sendable {
  /// The file that names the manifest which counts.
  package let current: String
  /// What the names of tables end with, and no other engine's.
  package let tableSuffix: String
  private let manifestPrefix: String
  private let logSuffix: String
  private let otherSuffixes: [String]

  /// - Parameter otherSuffixes: of files with a number that hold data as well.
  package init(
    current: String, manifestPrefix: String, logSuffix: String, tableSuffix: String,
    otherSuffixes: [String] = []
  ) {
    self.current = current
    self.manifestPrefix = manifestPrefix
    self.logSuffix = logSuffix
    self.tableSuffix = tableSuffix
    self.otherSuffixes = otherSuffixes
  }

  /// A file without which a store is not whole. A number that no number holds is the largest one.
  package enum Kind: Equatable, Sendable {
    case current
    case manifest(number: UInt64)
    case log(number: UInt64)
    /// A table, or what it refers to.
    case table(number: UInt64)

    /// nil of the file that has none.
    package var number: UInt64? {
      switch self {
      case .current: nil
      case .manifest(let number), .log(let number), .table(let number): number
      }
    }
  }

  /// What a name says; nil for notes, locks, what is being written, what a repair has replaced.
  package func kind(of name: String) -> Kind? {
    if name == current { return .current }
    if name.hasPrefix(manifestPrefix) {
      return Self.number(name.dropFirst(manifestPrefix.count)).map { .manifest(number: $0) }
    }
    if name.hasSuffix(logSuffix) {
      return Self.number(name.dropLast(logSuffix.count)).map { .log(number: $0) }
    }
    for suffix in [tableSuffix] + otherSuffixes where name.hasSuffix(suffix) {
      return Self.number(name.dropLast(suffix.count)).map { .table(number: $0) }
    }
    return nil
  }

  private static func number(_ digits: Substring) -> UInt64? {
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return UInt64(digits) ?? .max
  }

  /// The name of any log, for people.
  package var anyLog: String { "NUMBER" + logSuffix }
}
