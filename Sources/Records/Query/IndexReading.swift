import Bytes
import Engine
import Schema

// SAFETY: keys and values of a chunk lie in a writer that is not changed while they are read.

/// How a read finds records by an index.
struct IndexReading: Sendable {
  let index: OpenIndex
  /// The entries that were asked for, wherever the read is by now.
  let asked: RecordSource
  /// Whether entries have all that is answered; else the records are looked up.
  let isCovered: Bool
  /// Whether the values of entries are what is answered, in their order: a read of them is one of records.
  var answersValues: Bool { isCovered && !mayRepeat && !index.plan.index.isUnique }
  /// Whether a record may have several entries among those that were asked for: it is answered with the first of them.
  let mayRepeat: Bool

  /// The key of the record that an entry is of, when it is in the entry's key.
  func recordKey(ofEntry key: [UInt8]) -> [UInt8] {
    unsafe key.withUnsafeBytes { bytes in
      let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
      guard case .inKey(let range) = index.plan.keyPlace(bytes, none) else { return key }
      return unsafe Array(bytes[range])
    }
  }

  /// - Parameter ends: whether records may have ended: an entry has to tell, or the record does.
  init(_ index: OpenIndex, _ asked: RecordSource, _ form: RecordScan.Form, ends: Bool) {
    self.index = index
    self.asked = asked
    let plan = index.plan
    mayRepeat = plan.index.hasElements && !asked.isOneKey
    let hasWhole = if case .everything = plan.index.inclusion { true } else { false }
    isCovered =
      switch form {
      case .count: !mayRepeat && !ends || hasWhole || plan.covering != nil
      case .records: hasWhole
      case .shaped(let shape):
        hasWhole
          || shape.etagHash == nil && shape.mask.flatMap { plan.covering?.covers($0) } == true
      }
  }
}

extension RecordSource {
  /// Whether a stored key is among those of the source.
  func contains(_ key: [UInt8]) -> Bool {
    switch self {
    case .range(let range): return range.contains(key)
    case .ranges(let ranges):
      // The last range that does not begin after the key.
      var (low, high) = (ranges.startIndex, ranges.endIndex)
      while low < high {
        let middle = low + (high - low) / 2
        if key.lexicographicallyPrecedes(ranges[middle].lower) {
          high = middle
        } else {
          low = middle + 1
        }
      }
      return low > ranges.startIndex && ranges[low - 1].contains(key)
    case .keys(let keys): return keys.contains(key)
    }
  }

  fileprivate var isOneKey: Bool {
    if case .keys(let keys) = self { keys.count == 1 } else { false }
  }
}

/// Some entries of an index, as they were read.
struct EntryChunk: ~Copyable {
  /// Entries of one chunk, at most.
  static let maximumCount = 64

  struct Entry {
    let keyStart: Int
    let keyEnd: Int
    /// The value follows the key.
    let valueEnd: Int
    /// The key of the record, in the chunk.
    let recordKey: Range<Int>
  }

  private(set) var bytes = ByteWriter()
  private(set) var entries: [Entry] = []
  /// The last key that was looked at, whether there is an entry or not.
  var lastKey: [UInt8]?

  /// - Returns: false when it is no entry.
  @safe
  mutating func append(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ plan: IndexPlan
  ) -> Bool {
    guard let place = plan.keyPlace(key, value) else { return false }
    let start = bytes.count
    bytes.append(key)
    let keyEnd = bytes.count
    bytes.append(value)
    let recordKey =
      switch place {
      case .inKey(let range): start + range.lowerBound..<start + range.upperBound
      case .inValue(let range): keyEnd + range.lowerBound..<keyEnd + range.upperBound
      }
    entries.append(
      Entry(
        keyStart: start, keyEnd: keyEnd, valueEnd: bytes.count, recordKey: recordKey))
    return true
  }

  @safe
  func part(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[range])
  }

  @safe
  func key(_ entry: Entry) -> UnsafeRawBufferPointer { part(entry.keyStart..<entry.keyEnd) }

  @safe
  func value(_ entry: Entry) -> UnsafeRawBufferPointer { part(entry.keyEnd..<entry.valueEnd) }
}
