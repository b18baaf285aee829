import Glibc
import Synchronization

/// Keeps one block in memory; releases it when it goes out of scope.
///
/// Thread-safety: one owner at a time; it may be released on any thread.
///
/// Unsafe island. Invariants:
/// 1. With a slot: the pin counts in its state, so the cache does not free the block. The cache
///    outlives the pin (whoever holds a pin holds the cache).
/// 2. Without one: `block`'s memory is `malloc`ed and the pin's alone.
package struct BlockPin: ~Copyable {
  /// The pinned block, valid as long as the pin.
  package let block: Block
  private let slot: BlockCacheSlot?

  init(pinned block: Block, in slot: BlockCacheSlot) {
    self.block = block
    self.slot = slot
  }

  /// A block outside every cache.
  init(owning block: Block) {
    self.block = block
    slot = nil
  }

  deinit {
    if let slot {
      slot.unpin()
    } else {
      // SAFETY: invariant 2.
      unsafe free(UnsafeMutableRawPointer(mutating: block.base))
    }
  }
}
