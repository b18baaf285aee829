/// XXH64: the checksum of every block and chunk, and the hash of the bloom filters.
///
/// Source: the specification in Cyan4973/xxHash, doc/xxhash_spec.md. Not a defence against someone who
/// knows the seed.
///
/// Unsafe island. Invariant 1: every load lies inside `bytes`, because each loop first checks how many
/// bytes are left.
package enum XXH64 {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  /// The hash of `bytes`. Any alignment. O(n), about 8 bytes a cycle pair.
  @safe
  package static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    guard var at = bytes.baseAddress else { return finish(seed &+ prime5) }
    var left = bytes.count
    var state: UInt64
    if left >= 32 {
      var lane1 = seed &+ prime1 &+ prime2
      var lane2 = seed &+ prime2
      var lane3 = seed
      var lane4 = seed &- prime1
      repeat {
        // SAFETY: invariant 1; 32 bytes are left.
        lane1 = unsafe round(lane1, load64(at, 0))
        lane2 = unsafe round(lane2, load64(at, 8))
        lane3 = unsafe round(lane3, load64(at, 16))
        lane4 = unsafe round(lane4, load64(at, 24))
        unsafe at += 32
        left &-= 32
      } while left >= 32
      state =
        rotate(lane1, 1) &+ rotate(lane2, 7) &+ rotate(lane3, 12) &+ rotate(lane4, 18)
      state = merge(state, lane1)
      state = merge(state, lane2)
      state = merge(state, lane3)
      state = merge(state, lane4)
    } else {
      state = seed &+ prime5
    }
    state &+= UInt64(bytes.count)
    // SAFETY (to the end): invariant 1; `left` counts down to 0.
    while left >= 8 {
      unsafe state ^= round(0, load64(at, 0))
      state = rotate(state, 27) &* prime1 &+ prime4
      unsafe at += 8
      left &-= 8
    }
    if left >= 4 {
      let word = unsafe UInt32(littleEndian: at.loadUnaligned(as: UInt32.self))
      state ^= UInt64(word) &* prime1
      state = rotate(state, 23) &* prime2 &+ prime3
      unsafe at += 4
      left &-= 4
    }
    while left > 0 {
      unsafe state ^= UInt64(at.load(as: UInt8.self)) &* prime5
      state = rotate(state, 11) &* prime1
      unsafe at += 1
      left &-= 1
    }
    return finish(state)
  }

  @inline(__always)
  private static func load64(_ at: UnsafeRawPointer, _ offset: Int) -> UInt64 {
    unsafe UInt64(littleEndian: at.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  @inline(__always)
  private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 {
    value &<< bits | value &>> (64 &- bits)
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
    rotate(lane &+ input &* prime2, 31) &* prime1
  }

  @inline(__always)
  private static func merge(_ state: UInt64, _ lane: UInt64) -> UInt64 {
    (state ^ round(0, lane)) &* prime1 &+ prime4
  }

  @inline(__always)
  private static func finish(_ state: UInt64) -> UInt64 {
    var state = state
    state ^= state &>> 33
    state &*= prime2
    state ^= state &>> 29
    state &*= prime3
    return state ^ state &>> 32
  }
}
