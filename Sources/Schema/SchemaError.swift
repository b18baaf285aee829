import Platform

/// Why a schema could not be compiled, written or loaded.
///
/// ``description`` is one or more lines that a user can act on.
package enum SchemaError: Error, Equatable, Sendable {
  /// The schema breaks rules; every violation that was found, in file order.
  case invalid([Diagnostic])
  /// `protoc` is not installed (`program` is the name or path that was tried).
  case protocMissing(program: String)
  /// `protoc` could not be started, was killed, or failed without naming a place in a file.
  case protocFailed(output: String)
  /// A file operation failed with an `errno`.
  case io(operation: String, path: String, code: Int32)
  /// A directory given by `-I` is not there.
  case includeDirectoryMissing(String)
  /// Writing would replace a file that the schema was made from.
  case wouldOverwriteSource(path: String)
  /// What is where a file would go was not written by seandb (`what`: "a folder", "a link").
  case inTheWay(path: String, what: String)
  /// An imported file has an import path that leads out of the output directory.
  case unsafePath(String)
  /// The bytes are no compiled schema, or not the one that was written.
  case damaged(ContainerDamage)
  /// The compiled schema was written by another version of seandb.
  case unsupportedFormat(found: UInt32, supported: UInt32)
}

/// What is wrong with the bytes of a compiled schema.
package enum ContainerDamage: Equatable, Sendable {
  /// Shorter or longer than its header says, or too short for a header.
  case wrongLength(expected: Int, actual: Int)
  /// It does not begin with the magic bytes.
  case notAContainer
  case wrongChecksum(stored: UInt32, computed: UInt32)
  /// The checksum is right and yet a section cannot be read.
  case malformedSection(String, offset: Int)
  /// The descriptors inside do not fit each other or the models.
  case inconsistentDescriptors(String)
}

extension SchemaError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalid(let diagnostics):
      diagnostics.map(\.description).joined(separator: "\n")
    case .protocMissing(let program):
      "cannot find `\(program)`, which reads the schema: install it "
        + "(Debian, Ubuntu: apt-get install protobuf-compiler libprotobuf-dev; macOS: brew install "
        + "protobuf) and see that it is on the PATH"
    case .protocFailed(let output):
      "protoc failed: \(output.isEmpty ? "it gave no reason" : output)"
    case .io(let operation, let path, let code):
      "cannot \(operation) \(path): \(FileTrouble.sentences(for: code, at: path))"
    case .includeDirectoryMissing(let path):
      "the import directory \(path) (-I) is not there or is no directory. Check the path"
    case .wouldOverwriteSource(let path):
      "will not overwrite \(path): the schema is made from it; choose another output directory"
    case .inTheWay(let path, let what):
      "will not replace \(path): it is \(what); move it away, or choose another directory with --out"
    case .unsafePath(let path):
      "the import path \"\(path)\" leads out of the output directory; import the file by a plain "
        + "relative path"
    case .damaged(let damage):
      "the compiled schema is damaged: \(damage); make it again with `seandb create`"
    case .unsupportedFormat(let found, let supported):
      "the compiled schema has format version \(found), this seandb reads version \(supported): "
        + "make it again with this version's `seandb create`"
    }
  }
}

extension ContainerDamage: CustomStringConvertible {
  package var description: String {
    switch self {
    case .wrongLength(let expected, let actual):
      "it should have \(expected) bytes and has \(actual)"
    case .notAContainer:
      "it does not begin like one"
    case .wrongChecksum(let stored, let computed):
      "its checksum is \(hexadecimal(computed)), stored was \(hexadecimal(stored))"
    case .malformedSection(let section, let offset):
      "section \(section) cannot be read at byte \(offset)"
    case .inconsistentDescriptors(let detail):
      detail
    }
  }

  private func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
  }
}
