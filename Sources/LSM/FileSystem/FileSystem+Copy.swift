private let copyBytes = 1 << 20

// SAFETY: The buffer is allocated and freed here; each piece lies inside of it.
extension FileSystem {
  /// A second name for a file that never changes again, or a durable copy where the file system does not link.
  ///
  /// The new name is durable only after a sync of its directory. What is linked is not synced here.
  func linkOrCopy(_ source: String, to target: String) throws(LSMError) {
    do throws(LSMError) {
      try link(source, to: target)
      return
    } catch .io {
      // Another file system, or one without links: below.
    }
    let reader = try open(source)
    defer { reader.close() }
    let writer = try create(target)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: copyBytes, alignment: 16)
    defer { unsafe buffer.deallocate() }
    var offset: UInt64 = 0
    while offset < reader.size {
      let count = Int(min(UInt64(copyBytes), reader.size - offset))
      let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
      try reader.read(into: piece, at: offset)
      try writer.append(UnsafeRawBufferPointer(piece))
      offset += UInt64(count)
    }
    try writer.sync()
    try writer.close()
  }
}
