import Synchronization

/// One entry of a ``SkipList``, as it lies in the arena.
///
///     node - 4 * height            node                                                      8-aligned
///     +------------+-----+---------+--------+---------+------+-------+-----------+-------------+-----+-------+
///     | next[h-1]  | ... | next[0] | prefix | trailer | prev | chain | key bytes | value bytes | key | value |
///     | u32        |     | u32     | u64    | u64     | u32  | u32   | u32       | u32         |     |       |
///     +------------+-----+---------+--------+---------+------+-------+-----------+-------------+-----+-------+
///
/// The links are before the node, so that the ones used most (level 0, 1) share a cache line with
/// the prefix. A link is the arena offset of a node, 0 for none; that of the chain is ``HashIndex``'s.
///
/// Unsafe island: a typed view of arena memory. Invariants:
/// 1. `address` is a node that was allocated with room for its height, key and value.
/// 2. All but the links is written before the node is linked and never again; links are only
///    touched atomically.
@safe
struct SkipListNode {
  let address: UnsafeMutableRawPointer

  static let trailerOffset = 8
  static let previousOffset = 16
  static let chainOffset = 20
  static let keyBytesOffset = 24
  static let valueBytesOffset = 28
  static let headerBytes = 32
  static let linkBytes = 4

  @inline(__always)
  init(_ address: UnsafeMutableRawPointer) { unsafe self.address = address }

  /// ``KeyOrder/prefix(of:)`` of the user key.
  @inline(__always)
  var prefix: UInt64 { unsafe address.load(as: UInt64.self) }

  @inline(__always)
  var trailer: UInt64 { unsafe address.load(fromByteOffset: Self.trailerOffset, as: UInt64.self) }

  @inline(__always)
  var userKey: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(
      start: address + Self.headerBytes,
      count: Int(address.load(fromByteOffset: Self.keyBytesOffset, as: UInt32.self)))
  }

  @inline(__always)
  var key: InternalKey { unsafe InternalKey(userKey: userKey, trailer: trailer) }

  @inline(__always)
  var value: UnsafeRawBufferPointer {
    let keyBytes = unsafe Int(address.load(fromByteOffset: Self.keyBytesOffset, as: UInt32.self))
    return unsafe UnsafeRawBufferPointer(
      start: address + Self.headerBytes + keyBytes,
      count: Int(address.load(fromByteOffset: Self.valueBytesOffset, as: UInt32.self)))
  }

  // SAFETY (all links): invariant 1 gives the memory, 8-aligned and zeroed by the arena; `Atomic`
  // of a u32 has the layout of a u32 (proved by a test), and zero is a valid one.
  @inline(__always)
  func next(_ level: Int) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (address - Self.linkBytes &* (level &+ 1)).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  @inline(__always)
  var previous: UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (address + Self.previousOffset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// The next node of a ``HashIndex``'s chain.
  @inline(__always)
  var chain: UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe (address + Self.chainOffset).assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  /// Where a node of this height begins in what was allocated for it.
  static func linksBytes(height: Int) -> Int { (height &* linkBytes &+ 7) & ~7 }

  /// Writes all but the links.
  func fill(prefix: UInt64, key: InternalKey, value: UnsafeRawBufferPointer) {
    unsafe address.storeBytes(of: prefix, as: UInt64.self)
    unsafe address.storeBytes(of: key.trailer, toByteOffset: Self.trailerOffset, as: UInt64.self)
    unsafe address.storeBytes(
      of: UInt32(key.userKey.count), toByteOffset: Self.keyBytesOffset, as: UInt32.self)
    unsafe address.storeBytes(
      of: UInt32(value.count), toByteOffset: Self.valueBytesOffset, as: UInt32.self)
    let bytes = unsafe address + Self.headerBytes
    unsafe UnsafeMutableRawBufferPointer(start: bytes, count: key.userKey.count).copyMemory(
      from: key.userKey)
    unsafe UnsafeMutableRawBufferPointer(start: bytes + key.userKey.count, count: value.count)
      .copyMemory(
        from: value)
  }
}
