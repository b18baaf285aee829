/// Something in a store that is not as it must be: one line of a tool's report.
package struct Finding: Equatable, Sendable {
  /// The file's name in the store's directory; empty when no file is to blame alone.
  package let file: String
  /// Byte offset in the file of what is wrong, where there is one.
  package let offset: UInt64?
  /// What is wrong, in words.
  package let what: String

  /// - Parameter what: a sentence without its full stop: a report adds file and place before it.
  package init(_ file: String, at offset: UInt64? = nil, _ what: String) {
    self.file = file
    self.offset = offset
    self.what = what
  }

  init(_ name: FileName, at offset: UInt64? = nil, _ what: String) {
    self.init(name.description, at: offset, what)
  }

  /// What an error says of a file.
  init(_ error: LSMError, in name: FileName) {
    switch error {
    case .corruption(let damage) where damage.kind == .missing:
      self.init(name, "the file is missing")
    case .corruption(let damage):
      self.init(name, at: damage.offset, "\(damage.kind)")
    case .notFound:
      self.init(name, "the file is missing")
    case .unsupportedFormat(_, let version):
      self.init(name, "it has format \(version), which this program does not know")
    case .io(let failure), .noSpace(let failure), .alreadyExists(let failure):
      self.init(name, "\(failure)")
    default:
      self.init(name, "\(error)")
    }
  }
}

extension Finding: CustomStringConvertible {
  package var description: String {
    let place = offset.map { " at byte \($0)" } ?? ""
    return file.isEmpty ? what : "\(file)\(place): \(what)"
  }
}

/// How far a tool is with a large directory.
package struct ToolProgress: Equatable, Sendable {
  /// What is being done, and to which file.
  package var what: String
  /// Bytes that were read; records, while those are counted.
  package var doneBytes: UInt64
  /// What ``doneBytes`` is about to reach.
  package var totalBytes: UInt64
}

/// Keys for people to read.
package enum KeyText {
  /// Printable ASCII as it is, a backslash twice, every other byte as `\xNN`; cut with `…` so that it is not
  /// longer than `limit`.
  package static func readable(_ key: some Collection<UInt8>, limit: Int = 40) -> String {
    var text = ""
    var count = 0
    for byte in key {
      let piece: String
      switch byte {
      case 0x5c: piece = "\\\\"
      case 0x20...0x7e: piece = String(UnicodeScalar(byte))
      default: piece = "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
      if count + piece.utf8.count > limit { return text + "…" }
      text += piece
      count += piece.utf8.count
    }
    return text
  }

  /// The user key of an encoded internal key.
  package static func userKey(_ encoded: [UInt8], limit: Int = 40) -> String {
    readable(encoded.dropLast(InternalKey.trailerBytes), limit: limit)
  }
}
