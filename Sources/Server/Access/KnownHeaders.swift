import Bytes

// SAFETY: a header's bytes are lent until the look-up returns; all bytes are read within the count that both have.

/// The `authorization` headers that came over one connection, and who sent them: a client sends the same one with every
/// call, and its token need not be hashed each time.
struct KnownHeaders: ~Copyable {
  /// Longer headers are not kept.
  private static let maximumBytes = 512
  /// Beside the last one.
  private static let olderCount = 7

  private var last = ByteWriter()
  private var lastCaller: UInt32 = 0
  private var older: [(header: [UInt8], caller: UInt32)] = []

  /// Who sends this header; nil when it did not come before.
  @inline(__always)
  @safe
  mutating func caller(_ header: UnsafeRawBufferPointer) -> UInt32? {
    // An empty one is nobody's, also where none came before.
    unsafe !header.isEmpty && Self.areEqual(header, last.bytes)
      ? lastCaller : olderCaller(header)
  }

  private mutating func olderCaller(_ header: UnsafeRawBufferPointer) -> UInt32? {
    let place = older.firstIndex { entry in
      unsafe entry.header.withUnsafeBytes { unsafe Self.areEqual(header, $0) }
    }
    guard let place else { return nil }
    let caller = older.remove(at: place).caller
    keep(header, caller)
    return caller
  }

  /// Remembers who sends a header, in place of the one that was used longest ago.
  @safe
  mutating func keep(_ header: UnsafeRawBufferPointer, _ caller: UInt32) {
    guard header.count <= Self.maximumBytes else { return }
    if !last.isEmpty { older.insert((last.array(), lastCaller), at: 0) }
    if older.count > Self.olderCount { older.removeLast() }
    last.removeAll()
    last.append(header)
    lastCaller = caller
  }

  /// Takes as long wherever they differ, so that nobody finds out a token byte by byte.
  @inline(__always)
  private static func areEqual(
    _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer
  ) -> Bool {
    guard first.count == second.count else { return false }
    var difference: UInt64 = 0
    guard first.count >= 8 else {
      for index in first.indices {
        unsafe difference |= UInt64(first[index] ^ second[index])
      }
      return difference == 0
    }
    // The last word overlaps the one before it.
    let last = first.count &- 8
    var at = 0
    while at < last {
      unsafe difference |= differenceOfWords(first, second, at)
      at &+= 8
    }
    unsafe difference |= differenceOfWords(first, second, last)
    return difference == 0
  }

  @inline(__always)
  private static func differenceOfWords(
    _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ offset: Int
  ) -> UInt64 {
    unsafe first.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      ^ second.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }
}
