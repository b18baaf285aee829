import LSM
import TestSupport

/// An entry that owns its bytes, for models and expectations.
struct Entry: Equatable, Comparable, CustomStringConvertible {
  var key: [UInt8]
  var sequence: UInt64
  var kind: EntryKind = .value
  var value: [UInt8] = []

  init(_ key: [UInt8], _ sequence: UInt64, _ kind: EntryKind = .value, value: [UInt8] = []) {
    self.key = key
    self.sequence = sequence
    self.kind = kind
    self.value = value
  }

  init(_ key: InternalKey, value: UnsafeRawBufferPointer) {
    self.init(
      Array(key.userKey), key.sequence.rawValue, key.kind ?? .rangeTombstone, value: Array(value))
  }

  /// Says the order in the plainest way, to compare the real one with.
  static func < (left: Entry, right: Entry) -> Bool {
    if left.key != right.key { return left.key.lexicographicallyPrecedes(right.key) }
    return (left.sequence, left.kind.rawValue) > (right.sequence, right.kind.rawValue)
  }

  var description: String { "\(key)@\(sequence) \(kind)" }

  func withKey<R, E: Error>(_ body: (InternalKey) throws(E) -> R) throws(E) -> R {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(key.count, 1), alignment: 1)
    defer { bytes.deallocate() }
    bytes.copyBytes(from: key)
    let key = UnsafeRawBufferPointer(rebasing: bytes[..<key.count])
    return try body(
      InternalKey(userKey: key, sequence: SequenceNumber(rawValue: sequence), kind: kind))
  }
}

extension SeededGenerator {
  /// A key of few different bytes, so that keys collide and begin with one another; now and then
  /// empty or long.
  mutating func key() -> [UInt8] {
    let length =
      Int.random(in: 0..<20, using: &self) == 0 ? 70 : Int.random(in: 0..<12, using: &self)
    let alphabet: [UInt8] = [0x00, 0x01, 0x61, 0x62, 0x7F, 0x80, 0xFF]
    return (0..<length).map { _ in alphabet.randomElement(using: &self) ?? 0 }
  }

  /// `count` entries with sequence numbers of their own, in insertion order.
  mutating func entries(_ count: Int, valueBytes: Range<Int> = 0..<30) -> [Entry] {
    (1...count).map { sequence in
      let kind: EntryKind = Int.random(in: 0..<4, using: &self) == 0 ? .tombstone : .value
      let size = Int.random(in: valueBytes, using: &self)
      return Entry(key(), UInt64(sequence), kind, value: kind == .value ? bytes(size) : [])
    }
  }
}

/// Calls `body` with the bytes of two arrays.
func withBytes<R>(
  _ first: [UInt8], _ second: [UInt8],
  _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> R
) -> R {
  first.withUnsafeBytes { first in second.withUnsafeBytes { body(first, $0) } }
}
