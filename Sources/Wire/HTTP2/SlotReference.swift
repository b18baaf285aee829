/// A slot of a ``Connection``, by the address that it keeps.
///
/// Thread-safety: as its connection, confined to an event loop.
///
/// Unsafe island. Invariants:
/// 1. `address` is a slot that ``allocate(index:)`` has made, and that only the `deinit` of its connection frees.
/// 2. References are kept by that connection, by its nghttp2 session, which is deleted before, and by whoever was
///    called by either, until the return.
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
  static func allocate(index: UInt32) -> SlotReference {
    let address = UnsafeMutablePointer<CallSlot>.allocate(capacity: 1)
    unsafe address.initialize(to: CallSlot(index: index))
    return unsafe SlotReference(address)
  }

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
