import Glibc

// SAFETY: what is read of a key is within its count. Keys are lent until `body` returns, from an array that is not
// changed meanwhile; as many are initialised as are lent, and they need no end. The keys of a list lie in the request,
// which outlives the init.

/// Stored keys of one model: ascending, each once, one after the other in one piece of memory.
///
/// From either end keys can be left out, which costs nothing.
struct StoredKeys: Sendable {
  private let bytes: [UInt8]
  /// Where each key ends in `bytes`.
  private let ends: [Int]
  private var left: Range<Int>

  /// One key, which is stored as it is here.
  init(_ key: [UInt8]) {
    bytes = key
    ends = [key.count]
    left = 0..<1
  }

  /// Keys as they are stored: ascending, each once.
  init(ascending keys: [[UInt8]]) {
    bytes = Array(keys.joined())
    var end = 0
    ends = keys.map { key in
      end += key.count
      return end
    }
    left = 0..<keys.count
  }

  /// The keys of a list, with `prefix` before each.
  ///
  /// - Complexity: O(n log n).
  init(_ list: KeyList, prefix: KeyPrefix) {
    var keys: [SortedKey] = []
    var common = Int.max
    list.visit { key in
      if let first = keys.first { common = first.commonCount(key, upTo: common) }
      keys.append(SortedKey(key))
    }
    if keys.count > 1 {
      for index in keys.indices { keys[index].readHead(after: common) }
      keys.sort()
    }
    let prefixBytes = prefix.bytes
    var ends: [Int] = []
    ends.reserveCapacity(keys.count)
    let capacity = keys.reduce(keys.count * prefixBytes.count) { $0 + $1.bytes.count }
    bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      let buffer = UnsafeMutableRawBufferPointer(buffer)
      for (index, key) in keys.enumerated() where index == 0 || keys[index - 1] < key {
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
        unsafe room.copyBytes(from: prefixBytes)
        unsafe UnsafeMutableRawBufferPointer(rebasing: room[prefixBytes.count...]).copyMemory(
          from: key.bytes)
        count += prefixBytes.count + key.bytes.count
        ends.append(count)
      }
    }
    self.ends = ends
    left = 0..<ends.count
  }

  var count: Int { left.count }

  /// Of all of them.
  var byteCount: Int { bytes.count }

  /// Lends keys until `body` returns, in ascending order or from the end.
  ///
  /// - Parameter count: of them, the first ones in that order; at most ``count``.
  @safe
  func withKeys(
    first count: Int, fromEnd isBackwards: Bool,
    _ body: (UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Void
  ) {
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe withUnsafeTemporaryAllocation(of: UnsafeRawBufferPointer.self, capacity: count) {
        keys in
        for index in 0..<count {
          let range = range(
            of: isBackwards ? left.upperBound - 1 - index : left.lowerBound + index)
          unsafe keys.initializeElement(
            at: index, to: UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        unsafe body(UnsafeBufferPointer(keys))
      }
    }
  }

  /// Leaves so many keys out.
  mutating func drop(_ count: Int, fromEnd isBackwards: Bool) {
    left =
      isBackwards
      ? left.lowerBound..<left.upperBound - count : left.lowerBound + count..<left.upperBound
  }

  /// Leaves `key` out and all that come before it, in ascending order or from the end.
  mutating func skip(to key: [UInt8], fromEnd isBackwards: Bool) {
    var low = left.lowerBound
    var high = left.upperBound
    // The first key above `key`; from the end, the first one not below it.
    while low < high {
      let middle = low + (high - low) / 2
      let candidate = bytes[range(of: middle)]
      let isBefore =
        isBackwards
        ? candidate.lexicographicallyPrecedes(key) : !key.lexicographicallyPrecedes(candidate)
      if isBefore { low = middle + 1 } else { high = middle }
    }
    left = isBackwards ? left.lowerBound..<low : low..<left.upperBound
  }

  /// Whether a key is among those that are left.
  func contains(_ key: [UInt8]) -> Bool {
    var (low, high) = (left.lowerBound, left.upperBound)
    while low < high {
      let middle = low + (high - low) / 2
      if bytes[range(of: middle)].lexicographicallyPrecedes(key) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low < left.upperBound && bytes[range(of: low)].elementsEqual(key)
  }

  /// Those that are left, in ascending order.
  func visit(_ body: (ArraySlice<UInt8>) -> Void) {
    for index in left { body(bytes[range(of: index)]) }
  }

  private func range(of index: Int) -> Range<Int> {
    (index == 0 ? 0 : ends[index - 1])..<ends[index]
  }
}

/// A key of a request while its list is sorted.
@safe
private struct SortedKey: Comparable {
  @safe let bytes: UnsafeRawBufferPointer
  /// The 8 bytes after those that all keys begin with, big-endian, with zeros after the key's end: mostly enough to
  /// tell two keys apart.
  var head: UInt64 = 0

  @safe
  init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = bytes }

  /// How many bytes both begin with, `limit` at most.
  @safe
  func commonCount(_ other: UnsafeRawBufferPointer, upTo limit: Int) -> Int {
    let limit = min(limit, bytes.count, other.count)
    guard limit > 0, let left = bytes.baseAddress, let right = other.baseAddress else { return 0 }
    // Mostly all keys begin alike, as far as the first two do.
    if unsafe memcmp(left, right, limit) == 0 { return limit }
    var count = 0
    while unsafe count < limit && bytes[count] == other[count] { count += 1 }
    return count
  }

  mutating func readHead(after common: Int) {
    if bytes.count - common >= 8 {
      head = unsafe UInt64(
        bigEndian: bytes.loadUnaligned(fromByteOffset: common, as: UInt64.self))
      return
    }
    head = 0
    for index in 0..<8 {
      let place = common &+ index
      let byte = place < bytes.count ? bytes[place] : 0
      head = head << 8 | UInt64(byte)
    }
  }

  @inline(__always)
  private func order(_ other: SortedKey) -> Int {
    guard let left = bytes.baseAddress, let right = other.bytes.baseAddress else {
      return bytes.count - other.bytes.count
    }
    let order = unsafe memcmp(left, right, min(bytes.count, other.bytes.count))
    return order == 0 ? bytes.count - other.bytes.count : Int(order)
  }

  static func < (left: SortedKey, right: SortedKey) -> Bool {
    left.head == right.head ? left.order(right) < 0 : left.head < right.head
  }

  static func == (left: SortedKey, right: SortedKey) -> Bool {
    left.head == right.head && left.order(right) == 0
  }
}
