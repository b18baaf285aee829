import Bytes
import Engine

// SAFETY: a key is lent while it is appended, by keys that are not changed meanwhile.

/// Which stored keys a read visits, in ascending order. They are those of one model.
enum RecordSource: Sendable {
  case range(KeyRange)
  case keys(StoredKeys)

  /// Leaves out `key` and all that a read in this direction visits before it.
  mutating func skip(to key: [UInt8], isDescending: Bool) {
    switch self {
    case .range(var range):
      // Within the range as it is, wherever `key` is.
      if isDescending {
        range.upper = range.upper.map { $0.lexicographicallyPrecedes(key) ? $0 : key } ?? key
      } else {
        let next = key + [0]
        if range.lower.lexicographicallyPrecedes(next) { range.lower = next }
      }
      self = .range(range)
    case .keys(var keys):
      keys.skip(to: key, fromEnd: isDescending)
      self = .keys(keys)
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
    case .keys(let keys):
      writer.append(1)
      keys.visit { key in
        writer.appendVarint(UInt64(key.count))
        unsafe key.withUnsafeBytes { writer.append($0) }
      }
    }
  }
}
