/// A slot of a ``Connection``, by the address that it keeps.
///
/// Thread-safety: as its connection, confined to an event loop.
///
/// Unsafe island. Invariants:
/// 1. `address` is a slot that ``allocate(index:generation:)`` has made, and that its connection frees: when that is
///    gone, or when the slot was free for a while (``CallSlots/trim(now:)``).
/// 2. References are kept by that connection, by its nghttp2 session, for streams that are open, which have slots that
///    are not free, and by whoever was called by either, until the return.
@safe
struct SlotReference {
  let address: UnsafeMutablePointer<CallSlot>

  @inline(__always)
  init(_ address: UnsafeMutablePointer<CallSlot>) { unsafe self.address = address }

  /// What nghttp2 keeps for a stream or an answer.
  @inline(__always)
  init(opaque address: UnsafeMutableRawPointer) {
    unsafe self.address = address.assumingMemoryBound(to: CallSlot.self)
  }

  /// A new free slot.
  static func allocate(index: UInt32, generation: UInt32) -> SlotReference {
    let address = UnsafeMutablePointer<CallSlot>.allocate(capacity: 1)
    unsafe address.initialize(to: CallSlot(index: index, generation: generation))
    return unsafe SlotReference(address)
  }

  /// Stands for a slot that was given up: it is free, and no place has its index.
  // SAFETY of `nonisolated(unsafe)`: Swift builds it once, before the first use; nobody changes or frees it.
  nonisolated(unsafe) static let vacant = allocate(index: .max, generation: 0)

  var isVacant: Bool { pointee.index == .max }

  /// Frees the slot; no reference to it may be used afterwards.
  @unsafe
  func free() {
    unsafe address.deinitialize(count: 1)
    unsafe address.deallocate()
  }

  var pointee: CallSlot {
    @inline(__always) unsafeAddress { unsafe UnsafePointer(address) }
    @inline(__always) nonmutating unsafeMutableAddress { unsafe address }
  }
}
