import TestSupport

/// A query as a client library would write it, and what it means.
struct TestQuery: CustomStringConvertible {
  enum Expression {
    case eq(String)
    case gte(String)
    case lte(String)
    case beginsWith(String)
    case gt(String)
    case lt(String)
    case range(lower: (key: String, isIncluded: Bool)?, upper: (key: String, isIncluded: Bool)?)
    case `in`([String])
  }

  var expression: Expression
  var pageSize = 0
  var pageToken = ""
  var isDescending = false
  var mask: [String] = []
  var isCountOnly = false
  var hasEtags = false

  init(_ expression: Expression) { self.expression = expression }

  var bytes: [UInt8] {
    var bytes = expressionBytes
    if pageSize != 0 { bytes += WireBytes.field(16, varint: UInt64(pageSize)) }
    if !pageToken.isEmpty { bytes += WireBytes.field(17, pageToken) }
    if isDescending { bytes += WireBytes.field(18, varint: 1) }
    if !mask.isEmpty { bytes += WireBytes.field(19, mask.flatMap { WireBytes.field(1, $0) }) }
    if isCountOnly { bytes += WireBytes.field(20, varint: 1) }
    if hasEtags { bytes += WireBytes.field(21, varint: 1) }
    return bytes
  }

  private var expressionBytes: [UInt8] {
    switch expression {
    case .eq(let key): return WireBytes.field(1, key)
    case .gte(let key): return WireBytes.field(2, key)
    case .lte(let key): return WireBytes.field(3, key)
    case .beginsWith(let key): return WireBytes.field(4, key)
    case .gt(let key): return WireBytes.field(5, key)
    case .lt(let key): return WireBytes.field(6, key)
    case .range(let lower, let upper):
      var bounds: [UInt8] = []
      if let lower { bounds += WireBytes.field(lower.isIncluded ? 1 : 2, lower.key) }
      if let upper { bounds += WireBytes.field(upper.isIncluded ? 3 : 4, upper.key) }
      return WireBytes.field(7, bounds)
    case .in(let keys): return WireBytes.field(8, keys.flatMap { WireBytes.field(1, $0) })
    }
  }

  /// Whether the expression names `key`. Keys compare by their UTF-8 bytes.
  func names(_ key: String) -> Bool {
    let key = Array(key.utf8)
    func precedes(_ first: [UInt8], _ second: String) -> Bool {
      first.lexicographicallyPrecedes(second.utf8)
    }
    func follows(_ first: [UInt8], _ second: String) -> Bool {
      second.utf8.lexicographicallyPrecedes(first)
    }
    switch expression {
    case .eq(let other): return key == Array(other.utf8)
    case .gte(let bound): return !precedes(key, bound)
    case .lte(let bound): return !follows(key, bound)
    case .beginsWith(let prefix): return key.starts(with: prefix.utf8)
    case .gt(let bound): return follows(key, bound)
    case .lt(let bound): return precedes(key, bound)
    case .range(let lower, let upper):
      if let lower {
        if precedes(key, lower.key) || (!lower.isIncluded && !follows(key, lower.key)) {
          return false
        }
      }
      if let upper {
        if follows(key, upper.key) || (!upper.isIncluded && !precedes(key, upper.key)) {
          return false
        }
      }
      return true
    case .in(let keys): return keys.contains { Array($0.utf8) == key }
    }
  }

  var description: String {
    "\(expression) page_size \(pageSize) order \(isDescending ? "desc" : "asc") mask \(mask)"
      + (isCountOnly ? " count" : "") + (hasEtags ? " etags" : "")
  }
}

/// An answer, decoded by hand.
struct TestAnswer: Equatable {
  var records: [[UInt8]] = []
  var nextPageToken = ""
  var count: UInt64 = 0
  var etags: [String] = []

  init(_ bytes: [UInt8]) {
    var reader = WireReader(bytes)
    while let field = reader.next() {
      switch field.number {
      case 1: records.append(field.bytes)
      case 2: nextPageToken = String(decoding: field.bytes, as: UTF8.self)
      case 3: count = field.value
      case 4: etags.append(String(decoding: field.bytes, as: UTF8.self))
      default: fatalError("field \(field.number) in an answer")
      }
    }
  }
}
