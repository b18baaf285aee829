import Bytes
import Engine

// SAFETY: a key is lent while it is appended, by keys that are not changed meanwhile.

/// Which stored keys a read visits, in ascending order. They are those of one model.
enum RecordSource: Sendable {
  case range(KeyRange)
  /// Ascending, without a key in common, none empty. There may be no range at all.
  case ranges(ArraySlice<KeyRange>)
  case keys(StoredKeys)

  /// Leaves out `key` and all that a read in this direction visits before it.
  mutating func skip(to key: [UInt8], isDescending: Bool) {
    switch self {
    case .range(var range):
      Self.skip(in: &range, to: key, isDescending: isDescending)
      self = .range(range)
    case .ranges(var ranges):
      while let next = isDescending ? ranges.last : ranges.first {
        var range = next
        Self.skip(in: &range, to: key, isDescending: isDescending)
        if !range.isEmpty {
          ranges[isDescending ? ranges.endIndex - 1 : ranges.startIndex] = range
          break
        }
        if isDescending { ranges.removeLast() } else { ranges.removeFirst() }
      }
      self = .ranges(ranges)
    case .keys(var keys):
      keys.skip(to: key, fromEnd: isDescending)
      self = .keys(keys)
    }
  }

  /// Within the range as it is, wherever `key` is.
  private static func skip(in range: inout KeyRange, to key: [UInt8], isDescending: Bool) {
    if isDescending {
      range.upper = range.upper.map { $0.lexicographicallyPrecedes(key) ? $0 : key } ?? key
    } else {
      let next = key + [0]
      if range.lower.lexicographicallyPrecedes(next) { range.lower = next }
    }
  }

  /// Appends bytes that are the same for the same keys, and others for others.
  func appendCanonicalBytes(to writer: inout ByteWriter) {
    switch self {
    case .range(let range):
      writer.append(0)
      writer.appendVarint(UInt64(range.lower.count))
      writer.append(range.lower)
      writer.append(range.upper ?? [])
    case .ranges(let ranges):
      writer.append(2)
      for range in ranges {
        for bound in [range.lower, range.upper ?? []] {
          writer.appendVarint(UInt64(bound.count))
          writer.append(bound)
        }
      }
    case .keys(let keys):
      writer.append(1)
      keys.visit { key in
        writer.appendVarint(UInt64(key.count))
        unsafe key.withUnsafeBytes { writer.append($0) }
      }
    }
  }
}
