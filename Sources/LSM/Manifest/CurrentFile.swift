/// The file `CURRENT`: which store this is, and which manifest counts.
///
///     seandb lsm 1
///     store 8877665544332211ffeeddccbbaa9900
///     manifest MANIFEST-000014
///     checksum 1f2e3d4c5b6a7988
///
/// Four lines of text, each ended by a newline. The store id is two hexadecimal numbers of 16 digits, low
/// and high; the checksum is XXH64 over the lines before it. A file that is not byte for byte what
/// would be written is damaged.
package struct CurrentFile: Equatable, Sendable {
  /// The store that the directory holds.
  package let store: StoreID
  /// The number of the manifest that counts.
  package let manifest: FileNumber

  /// The format of the whole store.
  package static let version: UInt64 = 1
  private static let title = "seandb lsm "
  private static let limitBytes = 4096

  package init(store: StoreID, manifest: FileNumber) {
    self.store = store
    self.manifest = manifest
  }

  /// The file's bytes.
  package var text: String {
    let lines = """
      \(Self.title)\(Self.version)
      store \(Self.hexadecimal(store.low))\(Self.hexadecimal(store.high))
      manifest \(FileName.manifest(manifest))

      """
    let checksum = Array(lines.utf8).withBytes { XXH64.hash($0) }
    return lines + "checksum \(Self.hexadecimal(checksum))\n"
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }

  /// Replaces the file in one step.
  /// - Parameter temporary: a number not used before.
  func install(
    _ fileSystem: any FileSystem, directory: String, temporary: FileNumber
  ) throws(LSMError) {
    try Array(text.utf8).withBytes { (bytes) throws(LSMError) in
      try fileSystem.installFile(.current, in: directory, temporary: temporary, bytes)
    }
  }

  /// Reads and checks the file.
  /// - Throws: ``LSMError/notFound(_:)``, ``LSMError/corruption(_:)``,
  ///   ``LSMError/unsupportedFormat(path:version:)``.
  package init(_ fileSystem: any FileSystem, directory: String) throws(LSMError) {
    let path = FileName.current.path(in: directory)
    let bytes = try fileSystem.contents(of: path, limit: Self.limitBytes)
    let damage = LSMError.corruption(
      LSMError.Damage(path: path, offset: 0, .order(field: "the text of CURRENT")))
    let text = String(decoding: bytes, as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 5, lines[0].hasPrefix(Self.title), lines[1].hasPrefix("store "),
      lines[2].hasPrefix("manifest "), lines[1].utf8.count == 38
    else { throw damage }
    let identifier = lines[1].dropFirst(6)
    guard let low = UInt64(identifier.prefix(16), radix: 16),
      let high = UInt64(identifier.dropFirst(16), radix: 16),
      case .manifest(let number)? = FileName(String(lines[2].dropFirst(9)))
    else { throw damage }
    self.init(store: StoreID(low: low, high: high), manifest: number)
    let written = self.text
    if written == text { return }
    // A newer program's file has a version of its own, and a checksum that fits it.
    let others = lines[..<3].joined(separator: "\n") + "\n"
    let checksum = Array(others.utf8).withBytes { XXH64.hash($0) }
    if let version = UInt64(lines[0].dropFirst(Self.title.utf8.count)), version != Self.version,
      lines[3] == "checksum \(Self.hexadecimal(checksum))"
    {
      throw .unsupportedFormat(path: path, version: version)
    }
    throw damage
  }
}
