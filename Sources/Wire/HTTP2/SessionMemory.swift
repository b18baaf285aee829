import CNghttp2
import Glibc

/// Memory for the nghttp2 sessions of one event loop: freed blocks are kept for the next call, which takes the same
/// ones again. A call takes seven, and malloc asks three times as much for each.
///
/// Blocks of up to 1 KiB come from a list of free ones of their size, in steps of 64 bytes; larger ones from malloc. At
/// most ``keptBytes`` lie free.
///
///     block:  size class: u64 | unused: 8 bytes | memory that nghttp2 uses, or the next free block
///
/// Thread-safety: confined to its event loop, as the sessions are.
///
/// Unsafe island. Invariants:
/// 1. `free` has a list for each class; its blocks have the class's size, and nobody uses them.
/// 2. The class before a block was written when it was made, and nghttp2 does not write there; 0 is malloc's.
/// 3. This object lives longer than the sessions that have its address.
@safe
package final class SessionMemory {
  private static let step = 64
  private static let classes = 16
  private static let headerBytes = 16
  /// Of free blocks, over all classes.
  package static let keptBytes = 1 << 20

  private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// Bytes of free blocks.
  package private(set) var freeBytes = 0

  /// Has no block yet.
  package init() {
    unsafe free = .allocate(capacity: Self.classes + 1)
    unsafe free.initialize(repeating: nil, count: Self.classes + 1)
  }

  deinit {
    for index in 1...Self.classes {
      while let block = unsafe free[index] {
        unsafe free[index] = block.load(as: UnsafeMutableRawPointer?.self)
        unsafe Glibc.free(block - Self.headerBytes)
      }
    }
    unsafe free.deallocate()
  }

  /// What nghttp2 is given for a session; it copies that.
  @unsafe
  func functions() -> nghttp2_mem {
    unsafe nghttp2_mem(
      mem_user_data: Unmanaged.passUnretained(self).toOpaque(),
      malloc: { size, user in unsafe SessionMemory.at(user) { unsafe $0.allocate(size) } },
      free: { block, user in unsafe SessionMemory.at(user) { unsafe $0.release(block) } },
      calloc: { count, size, user in
        unsafe SessionMemory.at(user) { unsafe $0.allocateCleared(count, size) }
      },
      realloc: { block, size, user in
        unsafe SessionMemory.at(user) { unsafe $0.resize(block, size) }
      })
  }

  // SAFETY: invariant 3.
  @inline(__always)
  private static func at<R>(_ user: UnsafeMutableRawPointer?, _ body: (SessionMemory) -> R) -> R {
    unsafe Unmanaged<SessionMemory>.fromOpaque(user.unsafelyUnwrapped)._withUnsafeGuaranteedRef(
      body)
  }

  /// A block of at least `size` bytes, aligned for anything; nil when there is no memory.
  @unsafe
  package func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    let sizeClass =
      size <= Self.classes * Self.step ? max(1, (size + Self.step - 1) / Self.step) : 0
    if sizeClass > 0, let block = unsafe free[sizeClass] {
      unsafe free[sizeClass] = block.load(as: UnsafeMutableRawPointer?.self)
      freeBytes &-= sizeClass &* Self.step
      return unsafe block
    }
    let (bytes, isTooMuch) = (sizeClass > 0 ? sizeClass * Self.step : size)
      .addingReportingOverflow(Self.headerBytes)
    guard !isTooMuch, let start = unsafe malloc(bytes) else { return nil }
    unsafe start.storeBytes(of: sizeClass, as: Int.self)
    return unsafe start + Self.headerBytes
  }

  /// A block for `count` things of `size` bytes, all of them 0; nil when there is no memory.
  @unsafe
  package func allocateCleared(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer? {
    let (bytes, isTooMuch) = count.multipliedReportingOverflow(by: size)
    guard !isTooMuch, let block = unsafe allocate(bytes) else { return nil }
    return unsafe memset(block, 0, bytes)
  }

  /// Takes back what ``allocate(_:)`` gave, or nil.
  @unsafe
  package func release(_ block: UnsafeMutableRawPointer?) {
    guard let block = unsafe block else { return }
    let start = unsafe block - Self.headerBytes
    let sizeClass = unsafe start.load(as: Int.self)
    guard sizeClass > 0, freeBytes + sizeClass * Self.step <= Self.keptBytes else {
      return unsafe Glibc.free(start)
    }
    unsafe block.storeBytes(of: free[sizeClass], as: UnsafeMutableRawPointer?.self)
    unsafe free[sizeClass] = block
    freeBytes &+= sizeClass &* Self.step
  }

  /// The block with room for `size` bytes: the same one, or another one that begins with what was there.
  @unsafe
  package func resize(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
    guard let block = unsafe block else { return unsafe allocate(size) }
    let start = unsafe block - Self.headerBytes
    let sizeClass = unsafe start.load(as: Int.self)
    let room = sizeClass * Self.step
    if sizeClass > 0 && size <= room { return unsafe block }
    if sizeClass == 0 && size > Self.classes * Self.step {
      let (bytes, isTooMuch) = size.addingReportingOverflow(Self.headerBytes)
      guard !isTooMuch, let moved = unsafe realloc(start, bytes) else { return nil }
      return unsafe moved + Self.headerBytes
    }
    guard let moved = unsafe allocate(size) else { return nil }
    // Of malloc's the size is not known; it is more than `size` here.
    unsafe memcpy(moved, block, sizeClass > 0 ? min(room, size) : size)
    unsafe release(block)
    return unsafe moved
  }
}
