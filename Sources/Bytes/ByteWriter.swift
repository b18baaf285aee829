import Glibc

/// A growable run of raw bytes that its owner reuses.
///
/// It exists for hot paths: no `Array` uniqueness checks, no reference counting, and memory that stays
/// allocated between uses (`removeAll()`). Bytes handed out by ``bytes`` are valid until the next
/// mutation.
///
/// Thread-safety: none; one owner at a time. It may move between threads.
///
/// Unsafe island: owns one `malloc` block. Invariants:
/// 1. `0 <= count <= capacity`, and `base` points to `capacity` bytes (or is nil when `capacity` is 0).
/// 2. The first `count` bytes are initialised.
@safe
package struct ByteWriter: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  /// Number of bytes written.
  package private(set) var count: Int
  /// Bytes that fit before more memory is taken.
  package private(set) var capacity: Int

  /// Creates an empty writer. Allocates nothing until bytes are appended.
  package init() {
    unsafe base = nil
    count = 0
    capacity = 0
  }

  /// Creates an empty writer with room for `capacity` bytes.
  package init(capacity: Int) {
    self.init()
    if capacity > 0 { grow(toAtLeast: capacity) }
  }

  deinit { unsafe free(base) }

  /// The bytes written so far; valid until the next mutation of this writer.
  package var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: base, count: count)
  }

  /// Whether nothing is written.
  package var isEmpty: Bool { count == 0 }

  /// Forgets the bytes and keeps the memory.
  package mutating func removeAll() { count = 0 }

  /// Forgets the bytes; gives memory back when more than `keepingAtMost` bytes are held.
  package mutating func removeAll(keepingAtMost limit: Int) {
    count = 0
    if capacity > limit {
      unsafe free(base)
      unsafe base = nil
      capacity = 0
    }
  }

  /// Drops bytes from the end.
  /// - Precondition: `newCount <= count`.
  package mutating func truncate(to newCount: Int) {
    precondition(newCount >= 0 && newCount <= count)
    count = newCount
  }

  /// Drops bytes from the front. What stays is moved; gives memory back when more than `keepingAtMost` bytes are
  /// held and fewer stay. O(bytes that stay).
  /// - Precondition: `dropped <= count`.
  package mutating func removeFirst(_ dropped: Int, keepingAtMost limit: Int) {
    precondition(dropped >= 0 && dropped <= count)
    guard dropped < count else { return removeAll(keepingAtMost: limit) }
    let kept = count - dropped
    if capacity > limit && kept <= limit {
      var moved = ByteWriter(capacity: kept)
      unsafe moved.append(UnsafeRawBufferPointer(rebasing: bytes[dropped...]))
      self = moved
    } else if dropped > 0 {
      // SAFETY: invariant 1; both ranges lie in the first `count` bytes, and memmove takes overlapping ones.
      unsafe memmove(base.unsafelyUnwrapped, base.unsafelyUnwrapped + dropped, kept)
      count = kept
    }
  }

  /// Makes room for `additional` more bytes. Amortised O(1) a byte.
  package mutating func reserve(_ additional: Int) {
    precondition(additional >= 0)
    let needed = count + additional
    if needed > capacity { grow(toAtLeast: needed) }
  }

  /// Makes room for `additional` more bytes, and no more: for whoever knows how many come, or how many may.
  package mutating func reserveExactly(_ additional: Int) {
    precondition(additional >= 0)
    if count + additional > capacity { resize(to: count + additional) }
  }

  /// Gives back the memory beyond what is written.
  package mutating func shrink() {
    if count == 0 { removeAll(keepingAtMost: 0) } else if capacity > count { resize(to: count) }
  }

  private mutating func grow(toAtLeast needed: Int) {
    resize(to: max(needed, max(64, capacity &* 2)))
  }

  /// - Precondition: `target` is more than 0, and not less than `count`.
  private mutating func resize(to target: Int) {
    // SAFETY: `realloc` keeps the first `count` bytes; a nil result would leave no memory to go on
    // with, which is fatal as for any Swift allocation.
    guard let moved = unsafe realloc(base, target) else {
      fatalError("out of memory: \(target) bytes")
    }
    unsafe base = moved
    capacity = target
  }

  /// Appends one byte. Amortised O(1).
  package mutating func append(_ byte: UInt8) {
    if count == capacity { grow(toAtLeast: count + 1) }
    // SAFETY: invariant 1; `count < capacity` now.
    unsafe base.unsafelyUnwrapped.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count &+= 1
  }

  /// Appends a copy of bytes, which must not be this writer's own.
  @safe
  package mutating func append(_ bytes: UnsafeRawBufferPointer) {
    let added = bytes.count
    guard added > 0, let source = bytes.baseAddress else { return }
    reserve(added)
    // SAFETY: `reserve` made room; `source` is another allocation (exclusive access to self).
    unsafe memcpy(base.unsafelyUnwrapped + count, source, added)
    count &+= added
  }

  /// Appends the bytes of an array.
  package mutating func append(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { append($0) }
  }

  /// Appends a string's UTF-8, without its length.
  package mutating func append(_ string: String) {
    var string = string
    string.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  /// Gives `body` room for `capacity` bytes at the end, and appends as many as it says it wrote there.
  /// - Precondition: `body` returns 0 to `capacity`, and wrote that many bytes.
  @safe
  package mutating func appendUninitialized(
    _ capacity: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int
  ) -> Int {
    reserve(capacity)
    // SAFETY: invariant 1; `reserve` made room.
    let room = unsafe UnsafeMutableRawBufferPointer(
      start: base.map { unsafe $0 + count }, count: capacity)
    let written = unsafe body(room)
    precondition(written >= 0 && written <= capacity)
    count += written
    return written
  }

  /// Appends an integer in little-endian order.
  package mutating func appendLittleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    store(value.littleEndian)
  }

  /// Appends an integer in big-endian (memcmp) order.
  package mutating func appendBigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    store(value.bigEndian)
  }

  @inline(__always)
  private mutating func store<T: BitwiseCopyable>(_ value: T) {
    let size = MemoryLayout<T>.size
    reserve(size)
    // SAFETY: invariant 1; `reserve` made room.
    unsafe base.unsafelyUnwrapped.storeBytes(of: value, toByteOffset: count, as: T.self)
    count &+= size
  }

  /// Overwrites bytes written before.
  /// - Precondition: `offset + bytes.count <= count`.
  @safe
  package mutating func overwrite(at offset: Int, with bytes: UnsafeRawBufferPointer) {
    precondition(offset >= 0 && offset + bytes.count <= count)
    if let source = bytes.baseAddress {
      unsafe memcpy(base.unsafelyUnwrapped + offset, source, bytes.count)
    }
  }

  /// Appends a base-128 varint (protobuf's, LEB128): 1 to 10 bytes.
  package mutating func appendVarint(_ value: UInt64) {
    reserve(10)
    let start = unsafe base.unsafelyUnwrapped
    var rest = value
    while rest >= 0x80 {
      unsafe start.storeBytes(
        of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
      count &+= 1
      rest >>= 7
    }
    unsafe start.storeBytes(
      of: UInt8(truncatingIfNeeded: rest), toByteOffset: count, as: UInt8.self)
    count &+= 1
  }

  /// Puts a varint before bytes that are written already: the length of a message whose end is known now.
  /// - Precondition: `offset <= count`.
  /// - Complexity: O(bytes after `offset`).
  package mutating func insertVarint(_ value: UInt64, at offset: Int) {
    precondition(offset >= 0 && offset <= count)
    let size = max(1, (64 - value.leadingZeroBitCount + 6) / 7)
    reserve(size)
    // SAFETY: invariant 1; `reserve` made room for `size` more bytes, and `memmove` allows the overlap.
    let place = unsafe base.unsafelyUnwrapped + offset
    unsafe memmove(place + size, place, count - offset)
    let end = count + size
    count = offset
    appendVarint(value)
    count = end
  }

  /// The bytes as an array. O(n).
  package func array() -> [UInt8] { unsafe Array(bytes) }

  /// Turns every bit of the bytes from `start` on.
  /// - Precondition: `start <= count`.
  package mutating func complement(from start: Int) {
    precondition(start >= 0 && start <= count)
    guard let base = unsafe base else { return }
    // SAFETY: invariant 2.
    for offset in start..<count {
      let byte = unsafe base.load(fromByteOffset: offset, as: UInt8.self)
      unsafe base.storeBytes(of: ~byte, toByteOffset: offset, as: UInt8.self)
    }
  }
}

// SAFETY: it owns its memory alone, so moving it to another thread moves the memory with it.
extension ByteWriter: @unchecked Sendable {}
