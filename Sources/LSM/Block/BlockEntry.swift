/// Where the parts of one entry of a block are. The form is drawn at ``BlockBuilder``.
// SAFETY: `init(in:at:end:)` checks every length before it is used; `init(validated:at:)` has the invariant that it
// states. Both ask that `end` is at most the count.
struct BlockEntry {
  /// Bytes of the user key that are those of the key before it.
  let shared: Int
  let unshared: Int
  let valueBytes: Int
  /// Offset of the unshared bytes.
  let restOffset: Int

  @inline(__always) var keyBytes: Int { shared &+ unshared }
  @inline(__always) var trailerOffset: Int { restOffset &+ unshared }
  @inline(__always) var valueOffset: Int { trailerOffset &+ InternalKey.trailerBytes }
  /// Offset of the next entry.
  @inline(__always) var end: Int { valueOffset &+ valueBytes }

  /// Decodes the entry at `offset`, checking that all of it lies before `end`; nil when it does
  /// not.
  init?(in bytes: UnsafeRawBufferPointer, at offset: Int, end: Int) {
    var at = offset
    guard
      let shared = unsafe Self.length(bytes, &at, end),
      let unshared = unsafe Self.length(bytes, &at, end),
      let valueBytes = unsafe Self.length(bytes, &at, end),
      // No overflow: each is below 2^32.
      at + unshared + InternalKey.trailerBytes + valueBytes <= end
    else { return nil }
    self.shared = shared
    self.unshared = unshared
    self.valueBytes = valueBytes
    restOffset = at
  }

  /// Decodes an entry of a validated block.
  ///
  /// Unsafe island. Invariant: `base` is a validated block and `offset` the start of one of its
  /// entries.
  @inline(__always)
  init(validated base: UnsafeRawPointer, at offset: Int) {
    // Three numbers of one byte each, as most are, at once.
    // SAFETY: an entry has at least 3 + 8 bytes.
    let lengths = unsafe UInt32(
      littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    if lengths & 0x0080_8080 == 0 {
      shared = Int(lengths & 0x7F)
      unshared = Int(lengths >> 8 & 0x7F)
      valueBytes = Int(lengths >> 16 & 0x7F)
      restOffset = offset &+ 3
    } else {
      var at = offset
      shared = unsafe Int(truncatingIfNeeded: InlineVarint.decodeValidated(base, &at))
      unshared = unsafe Int(truncatingIfNeeded: InlineVarint.decodeValidated(base, &at))
      valueBytes = unsafe Int(truncatingIfNeeded: InlineVarint.decodeValidated(base, &at))
      restOffset = at
    }
  }

  /// No entry.
  init(nothingAt offset: Int) {
    shared = 0
    unshared = 0
    valueBytes = 0
    restOffset = offset
  }

  func rest(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes[restOffset..<trailerOffset])
  }

  /// A length: at most five bytes, and fits in 32 bits.
  private static func length(
    _ bytes: UnsafeRawBufferPointer, _ at: inout Int, _ end: Int
  ) -> Int? {
    guard let value = unsafe InlineVarint.decode(bytes, &at, end: end, maximumBytes: 5) else {
      return nil
    }
    return value <= UInt64(UInt32.max) ? Int(value) : nil
  }
}
