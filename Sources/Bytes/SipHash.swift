/// SipHash-2-4: a 64-bit hash of any bytes under a key of 128 bits, after Aumasson and Bernstein, "SipHash: a fast
/// short-input PRF" (2012). Who does not know the key cannot choose bytes whose hashes meet.
///
/// The same key and bytes give the same hash on every machine and in every version.
///
/// Thread-safety: a value.
package struct SipHash: Sendable {
  private let k0: UInt64
  private let k1: UInt64

  /// - Parameter key: its two halves, each read in little-endian order from the key's 16 bytes.
  package init(key: (UInt64, UInt64)) {
    k0 = key.0
    k1 = key.1
  }

  private struct State {
    var v0: UInt64
    var v1: UInt64
    var v2: UInt64
    var v3: UInt64

    @inline(__always)
    mutating func round() {
      v0 &+= v1
      v1 = v1 &<< 13 | v1 &>> 51
      v1 ^= v0
      v0 = v0 &<< 32 | v0 &>> 32
      v2 &+= v3
      v3 = v3 &<< 16 | v3 &>> 48
      v3 ^= v2
      v0 &+= v3
      v3 = v3 &<< 21 | v3 &>> 43
      v3 ^= v0
      v2 &+= v1
      v1 = v1 &<< 17 | v1 &>> 47
      v1 ^= v2
      v2 = v2 &<< 32 | v2 &>> 32
    }

    @inline(__always)
    mutating func compress(_ word: UInt64) {
      v3 ^= word
      round()
      round()
      v0 ^= word
    }
  }

  /// - Complexity: O(n), about a byte a cycle; allocates nothing.
  @safe
  package func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var state = State(
      v0: k0 ^ 0x736f_6d65_7073_6575, v1: k1 ^ 0x646f_7261_6e64_6f6d,
      v2: k0 ^ 0x6c79_6765_6e65_7261, v3: k1 ^ 0x7465_6462_7974_6573)
    let wholeWords = bytes.count & ~7
    var offset = 0
    while offset < wholeWords {
      // SAFETY: `offset + 8` is at most the count.
      state.compress(
        UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      offset &+= 8
    }
    var last = UInt64(truncatingIfNeeded: bytes.count) &<< 56
    while offset < bytes.count {
      last |=
        unsafe UInt64(bytes[offset]) &<< UInt64(truncatingIfNeeded: 8 &* (offset &- wholeWords))
      offset &+= 1
    }
    state.compress(last)
    state.v2 ^= 0xff
    for _ in 0..<4 { state.round() }
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
  }
}
