extension LSMTree {
  private static let copyBytes = 1 << 20

  /// Writes a copy of the state of now, which opens as a store of its own. Blocks on disk I/O; writes go on
  /// meanwhile.
  ///
  /// Flushes first, so that the copy consists of tables alone: these are hard-linked, or copied where the
  /// file system does not link. `CURRENT` is written last: a copy cut short by a crash does not open.
  ///
  /// - Parameter target: must not exist; its parent must.
  /// - Throws: ``LSMError/alreadyExists(_:)``; what flush and file system throw.
  package func checkpoint(to target: String) throws(LSMError) {
    guard try !fileSystem.exists(target) else {
      throw .alreadyExists(.init(.createDirectory, path: target, code: 17))
    }
    try flush()
    // The version stays whole as long as `held` lives: its files are not removed.
    let (held, edit) = state.withLock { state in (state.version, state.edit) }
    try fileSystem.createDirectory(target)
    for file in held.allFiles { try copy(.table(file.metadata.number), to: target) }
    try fileSystem.syncDirectory(target)
    var first = edit
    let number = first.nextFileNumber
    first.nextFileNumber = FileNumber(number.rawValue + 2)
    // The copy has no logs, and none of this store's will ever pass as its own.
    first.logNumber = 0
    let manifest = try Manifest(
      fileSystem, directory: target, store: .random(), number: number,
      temporary: FileNumber(number.rawValue + 1), state: first)
    try manifest.finish()
    try fileSystem.syncDirectory(FileName.parent(of: target))
  }

  private func copy(_ name: FileName, to target: String) throws(LSMError) {
    let source = name.path(in: directory)
    let copy = name.path(in: target)
    do throws(LSMError) {
      try fileSystem.link(source, to: copy)
      return
    } catch .io {
      // Another file system, or one without links: below.
    }
    let reader = try fileSystem.open(source)
    defer { reader.close() }
    let writer = try fileSystem.create(copy)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.copyBytes, alignment: 16)
    defer { buffer.deallocate() }
    var offset: UInt64 = 0
    while offset < reader.size {
      let count = Int(min(UInt64(Self.copyBytes), reader.size - offset))
      let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
      try reader.read(into: piece, at: offset)
      try writer.append(UnsafeRawBufferPointer(piece))
      offset += UInt64(count)
    }
    try writer.sync()
    try writer.close()
  }
}
