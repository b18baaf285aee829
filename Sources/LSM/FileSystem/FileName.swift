/// The name of a file in a store's directory.
///
///     000012.log         write-ahead log
///     000013.table       sorted table
///     MANIFEST-000014    log of version edits
///     CURRENT            names the manifest that counts
///     000014.tmp         CURRENT before it is renamed
///     LOCK               held by the process that has the store open
///
/// Numbers are decimal, padded with zeros to six digits, longer when they are larger. None is 0, which
/// means "no file" in headers.
package enum FileName: Hashable, Sendable {
  case log(FileNumber)
  case table(FileNumber)
  case manifest(FileNumber)
  case temporary(FileNumber)
  case current
  case lock

  /// Reads a name; nil unless it is exactly what ``description`` prints.
  package init?(_ text: String) {
    let parsed: FileName?
    switch text {
    case "CURRENT": parsed = .current
    case "LOCK": parsed = .lock
    default:
      if text.hasPrefix("MANIFEST-") {
        parsed = Self.number(text.dropFirst(9)).map { .manifest($0) }
      } else if text.hasSuffix(".log") {
        parsed = Self.number(text.dropLast(4)).map { .log($0) }
      } else if text.hasSuffix(".table") {
        parsed = Self.number(text.dropLast(6)).map { .table($0) }
      } else if text.hasSuffix(".tmp") {
        parsed = Self.number(text.dropLast(4)).map { .temporary($0) }
      } else {
        parsed = nil
      }
    }
    guard let parsed, parsed.description == text else { return nil }
    self = parsed
  }

  private static func number(_ digits: Substring) -> FileNumber? {
    guard let number = UInt64(digits), number > 0 else { return nil }
    return FileNumber(number)
  }

  /// The number in the name, if it has one.
  package var number: FileNumber? {
    switch self {
    case .log(let number), .table(let number), .manifest(let number), .temporary(let number): number
    case .current, .lock: nil
    }
  }

  /// The file's path in a store's directory.
  package func path(in directory: String) -> String { directory + "/" + description }
}

extension FileName: CustomStringConvertible {
  package var description: String {
    switch self {
    case .log(let number): Self.padded(number) + ".log"
    case .table(let number): Self.padded(number) + ".table"
    case .manifest(let number): "MANIFEST-" + Self.padded(number)
    case .temporary(let number): Self.padded(number) + ".tmp"
    case .current: "CURRENT"
    case .lock: "LOCK"
    }
  }

  private static func padded(_ number: FileNumber) -> String {
    let digits = String(number.rawValue)
    return String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits
  }
}

extension FileName {
  /// The directory that a path's last name is in.
  static func parent(of path: String) -> String {
    var trimmed = path[...]
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed = trimmed.dropLast() }
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }
}
