import Synchronization

/// One place of a ``BlockCache`` for one block.
///
///     state: u64   bit 63: visible, the fields below are valid and do not change
///                  bits 0-31: pins, also short-lived ones of threads that look at a slot in passing
///     touched: u32 1 after a hit, 0 after the clock's hand passed
///     tag: u32     of the key's hash, 0 for an empty slot; a hint only. The tags of a set are together
///                  in an array of their own, one cache line long.
///
/// Unsafe island. Invariants:
/// 1. `contents` is written only while the slot is not visible, by the thread that holds the
///    shard's lock.
/// 2. It is read only by a thread that counts among the pins and saw the slot visible after it
///    pinned.
/// 3. A slot turns invisible only in one step from "visible, no pins".
@safe
struct BlockCacheSlot {
  struct Fields: ~Copyable {
    let state = Atomic<UInt64>(0)
    let touched = Atomic<UInt32>(0)
    var contents: Contents?
  }

  struct Contents {
    let key: BlockCacheKey
    let block: Block
    let charge: Int
  }

  typealias Tag = Atomic<UInt32>

  let fields: UnsafeMutablePointer<Fields>
  let tag: UnsafeMutablePointer<Tag>

  private static let visible: UInt64 = 1 << 63

  /// Pins the slot if it holds the block of `key`.
  @inline(__always)
  func pin(_ key: BlockCacheKey) -> Block? {
    let before = unsafe fields.pointee.state.add(1, ordering: .acquiring).oldValue
    // SAFETY: invariants 2 and 3: visible with our pin counted, so the contents stay.
    if before & Self.visible != 0, let contents = unsafe fields.pointee.contents,
      contents.key == key
    {
      if unsafe fields.pointee.touched.load(ordering: .relaxed) == 0 {
        unsafe fields.pointee.touched.store(1, ordering: .relaxed)
      }
      return contents.block
    }
    unpin()
    return nil
  }

  @inline(__always)
  func unpin() { unsafe fields.pointee.state.subtract(1, ordering: .releasing) }

  var isVisible: Bool { unsafe fields.pointee.state.load(ordering: .relaxed) & Self.visible != 0 }

  /// Whether it was hit since the last call.
  func takeTouched() -> Bool {
    guard unsafe fields.pointee.touched.load(ordering: .relaxed) != 0 else { return false }
    unsafe fields.pointee.touched.store(0, ordering: .relaxed)
    return true
  }

  /// Fills an invisible slot, makes it visible and pins it.
  /// - Precondition: the shard's lock is held; the slot is not visible.
  func fill(_ contents: Contents, tag newTag: UInt32) {
    // SAFETY: invariant 1. The add keeps the passing pins of other threads counted.
    unsafe fields.pointee.contents = contents
    unsafe fields.pointee.touched.store(0, ordering: .relaxed)
    unsafe tag.pointee.store(newTag, ordering: .relaxed)
    unsafe fields.pointee.state.add(Self.visible | 1, ordering: .acquiringAndReleasing)
  }

  /// Takes the contents out, unless the slot is empty or pinned.
  /// - Precondition: the shard's lock is held, or no other thread knows the cache.
  func evict() -> Contents? {
    let (exchanged, _) = unsafe fields.pointee.state.compareExchange(
      expected: Self.visible, desired: 0, ordering: .acquiringAndReleasing)
    guard exchanged else { return nil }
    // SAFETY: invariant 3 made it invisible while nobody had it pinned.
    let contents = unsafe fields.pointee.contents
    unsafe fields.pointee.contents = nil
    unsafe tag.pointee.store(0, ordering: .relaxed)
    return contents
  }
}

/// Names a block: which table, and where in it.
package struct BlockCacheKey: Equatable, Sendable {
  /// From ``BlockCache/makeOwner()``: never given twice in one cache.
  let owner: UInt64
  let offset: UInt64

  package init(owner: UInt64, offset: UInt64) {
    self.owner = owner
    self.offset = offset
  }

  /// The upper half chooses the set, the lower one is the tag: not 0, which means an empty
  /// slot.
  @inline(__always)
  var hash: UInt64 {
    var mixed = (owner &* 0x9E37_79B9_7F4A_7C15) ^ offset
    mixed = (mixed ^ (mixed >> 32)) &* 0xD6E8_FEB8_6659_FD93
    mixed = (mixed ^ (mixed >> 32)) &* 0xD6E8_FEB8_6659_FD93
    return (mixed ^ (mixed >> 32)) | 1
  }
}
