import Glibc

/// The order of user keys: memcmp, a key before the longer keys that begin with it.
///
/// Unsafe island: reads both keys by unaligned 8-byte loads. Invariant: a load at `i` is made only
/// when `i + 8 <= min(left.count, right.count)`.
package enum KeyOrder {
  /// Longer common parts than this are left to memcmp, which then beats a loop of our own.
  private static let inlineBytes = 64

  /// Negative, zero or positive, as `left` is before, equal to or after `right`.
  @inline(__always)
  @safe
  package static func compare(
    _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer
  ) -> Int {
    let common = min(left.count, right.count)
    // SAFETY: the base addresses are used only when both keys have bytes.
    if common > 0 {
      let order = unsafe compare(
        left.baseAddress.unsafelyUnwrapped, right.baseAddress.unsafelyUnwrapped, count: common)
      if order != 0 { return order }
    }
    return left.count &- right.count
  }

  @inline(__always)
  @safe
  static func isSame(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    return compare(left, right) == 0
  }

  @inline(__always)
  static func compare(_ left: UnsafeRawPointer, _ right: UnsafeRawPointer, count: Int) -> Int {
    if count < 8 {
      var index = 0
      while index < count {
        let leftByte = unsafe left.load(fromByteOffset: index, as: UInt8.self)
        let rightByte = unsafe right.load(fromByteOffset: index, as: UInt8.self)
        if leftByte != rightByte { return Int(leftByte) &- Int(rightByte) }
        index &+= 1
      }
      return 0
    }
    if count > inlineBytes { return unsafe Int(memcmp(left, right, count)) }
    var index = 0
    while index &+ 8 <= count {
      let order = unsafe compareWords(left, right, at: index)
      if order != 0 { return order }
      index &+= 8
    }
    // The last word overlaps the one before it: equal bytes there change nothing.
    return unsafe index == count ? 0 : compareWords(left, right, at: count &- 8)
  }

  @inline(__always)
  private static func compareWords(
    _ left: UnsafeRawPointer, _ right: UnsafeRawPointer, at index: Int
  ) -> Int {
    let leftWord = unsafe UInt64(
      bigEndian: left.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    let rightWord = unsafe UInt64(
      bigEndian: right.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    return leftWord == rightWord ? 0 : (leftWord < rightWord ? -1 : 1)
  }

  /// The first eight bytes as a big-endian number, missing ones as zero.
  ///
  /// A smaller prefix means a smaller key. Equal prefixes say nothing.
  @inline(__always)
  @safe
  package static func prefix(of key: UnsafeRawBufferPointer) -> UInt64 {
    let count = key.count
    guard count > 0 else { return 0 }
    let base = unsafe key.baseAddress.unsafelyUnwrapped
    if count >= 8 { return unsafe UInt64(bigEndian: base.loadUnaligned(as: UInt64.self)) }
    var word: UInt64 = 0
    var index = 0
    while index < count {
      word = unsafe word << 8 | UInt64(base.load(fromByteOffset: index, as: UInt8.self))
      index &+= 1
    }
    return word << (8 &* UInt64(8 &- count))
  }

  /// How many bytes both keys begin with in common.
  @inline(__always)
  @safe
  package static func sharedLength(
    _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer
  ) -> Int {
    let common = min(left.count, right.count)
    guard common > 0 else { return 0 }
    let left = unsafe left.baseAddress.unsafelyUnwrapped
    let right = unsafe right.baseAddress.unsafelyUnwrapped
    var index = 0
    while index &+ 8 <= common {
      let difference =
        unsafe left.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
        ^ right.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
      if difference != 0 { return index &+ (difference.trailingZeroBitCount >> 3) }
      index &+= 8
    }
    while index < common,
      unsafe left.load(fromByteOffset: index, as: UInt8.self)
        == right.load(fromByteOffset: index, as: UInt8.self)
    {
      index &+= 1
    }
    return index
  }
}
