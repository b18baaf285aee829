// SAFETY: The array lends its bytes until the read has filled them.
extension FileSystem {
  /// Replaces a file in one step: after a crash at any point it is whole, the old one or the new one.
  ///
  /// Writes a temporary file, syncs it, renames it over `name`, syncs the directory. This order has its
  /// reasons: a rename may become durable before the bytes it names, and is not durable by itself. No
  /// other code renames files.
  ///
  /// - Parameter temporary: a number not used before.
  /// - Throws: when it throws, either file may be the one that is there after a crash.
  @safe
  package func installFile(
    _ name: FileName, in directory: String, temporary: FileNumber, _ bytes: UnsafeRawBufferPointer
  ) throws(LSMError) {
    let temporaryPath = FileName.temporary(temporary).path(in: directory)
    let file = try create(temporaryPath)
    do throws(LSMError) {
      try file.append(bytes)
      try file.sync()
    } catch {
      // The first error is the one to report; closing writes nothing.
      do throws(LSMError) { try file.close() } catch {}
      throw error
    }
    try file.close()
    try rename(temporaryPath, to: name.path(in: directory))
    try syncDirectory(directory)
  }

  /// A whole small file.
  /// - Throws: ``LSMError/corruption(_:)`` when it is larger than `limit`.
  package func contents(of path: String, limit: Int) throws(LSMError) -> [UInt8] {
    let file = try open(path)
    defer { file.close() }
    let size = file.size
    guard size <= UInt64(limit) else {
      throw .corruption(
        LSMError.Damage(
          path: path, offset: 0,
          .length(field: "the file's size", value: size, limit: UInt64(limit))))
    }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    var failure: LSMError?
    unsafe bytes.withUnsafeMutableBytes { buffer in
      do throws(LSMError) { try file.read(into: buffer, at: 0) } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }
}
