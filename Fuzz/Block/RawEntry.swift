import LSM
import TestSupport

/// An entry of a block that owns its bytes, whatever its trailer says.
struct RawEntry: Equatable, Comparable {
  var key: [UInt8]
  var trailer: UInt64
  var value: [UInt8] = []

  init(key: [UInt8], trailer: UInt64, value: [UInt8] = []) {
    self.key = key
    self.trailer = trailer
    self.value = value
  }

  init(_ key: InternalKey, value: UnsafeRawBufferPointer) {
    self.init(key: Array(key.userKey), trailer: key.trailer, value: Array(value))
  }

  init?(_ iterator: borrowing BlockIterator) {
    guard iterator.isValid else { return nil }
    self.init(iterator.key, value: iterator.value)
  }

  init?(_ iterator: TableIterator) {
    guard iterator.isValid else { return nil }
    self.init(iterator.key, value: iterator.value)
  }

  var sequence: UInt64 { trailer >> 8 }
  var kind: EntryKind? { EntryKind(rawValue: UInt8(truncatingIfNeeded: trailer)) }

  /// Says the order in the plainest way, to compare the real one with.
  static func < (left: RawEntry, right: RawEntry) -> Bool {
    left.key == right.key
      ? left.trailer > right.trailer : left.key.lexicographicallyPrecedes(right.key)
  }

  func withKey<R, E: Error>(_ body: (InternalKey) throws(E) -> R) throws(E) -> R {
    // An allocation of exactly the size, so that the sanitizer sees a read behind it.
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: key.count, alignment: 1)
    defer { bytes.deallocate() }
    bytes.copyBytes(from: key)
    return try body(InternalKey(userKey: UnsafeRawBufferPointer(bytes), trailer: trailer))
  }
}

extension SeededGenerator {
  /// A key at, shortly before or shortly behind one of `entries`, or anywhere.
  mutating func target(near entries: [RawEntry]) -> RawEntry {
    guard var target = entries.randomElement(using: &self), Int.random(in: 0..<16, using: &self) > 0
    else { return RawEntry(key: key(), trailer: next()) }
    switch Int.random(in: 0..<8, using: &self) {
    case 0: target.trailer = .max
    case 1: target.trailer = 0
    case 2: target.trailer &+= 1
    case 3: target.trailer &-= 1
    case 4: target.key.append(0)
    case 5: target.key = Array(target.key.dropLast())
    case 6 where !target.key.isEmpty:
      let place = Int.random(in: target.key.indices, using: &self)
      target.key[place] &+= Bool.random(using: &self) ? 1 : 255
    default: break
    }
    return target
  }
}
