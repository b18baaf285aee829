import LSM

/// A file that holds the bytes of one input.
final class BytesFile: ReadableFile {
  private let bytes: [UInt8]
  private let path: String

  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  var size: UInt64 { UInt64(bytes.count) }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(LSMError) {
    guard offset <= size, UInt64(buffer.count) <= size - offset else {
      throw .corruption(
        LSMError.Damage(
          path: path, offset: offset,
          .truncated(field: "a read", needed: UInt64(buffer.count), available: size)))
    }
    let begin = Int(offset)
    bytes.withUnsafeBytes {
      buffer.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: $0[begin..<(begin + buffer.count)]))
    }
  }

  /// All of it is in memory.
  func readCached(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool {
    (try? read(into: buffer, at: offset)) != nil
  }

  func expectRandomReads() {}

  func prefetch(_ byteCount: UInt64, at offset: UInt64) {}

  func close() {}
}
