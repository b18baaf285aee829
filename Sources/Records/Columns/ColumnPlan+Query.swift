import Bytes
import Engine
import Schema

// SAFETY: reads through the base of a query that is lent until the return. ``WireScan`` checks every offset before it
// reads there.

/// A parsed query by columns, such as `ByPk`: which stored keys, and what of their records is asked for.
///
/// The page token of the options aliases the request.
struct ColumnQuery {
  let source: RecordSource
  let options: QueryOptions
  /// Whether no column has a match: all records.
  let isEverything: Bool
  /// Whether every column has a match, and each names one value.
  let namesOneOfEach: Bool
}

extension ColumnPlan {
  /// Parses a query that has a match for each of the first columns.
  ///
  /// All but the last match are `eq` or `in`; so the keys lie in ranges that do not touch, at most 1000 of them.
  @safe
  func parseQuery(
    _ bytes: UnsafeRawBufferPointer, prefix: KeyPrefix
  ) throws(QueryError) -> ColumnQuery {
    var options = QueryOptions()
    var exact = ByteWriter()
    prefix.fixed.append(to: &exact)
    if let count = appendExact(bytes, to: &exact, &options) {
      let (key, hasAll) = (exact.array(), count == columns.count)
      return ColumnQuery(
        source: hasAll && areWholeKeys ? .keys(StoredKeys(key)) : .range(.prefix(key)),
        options: options, isEverything: count == 0, namesOneOfEach: hasAll)
    }
    options = QueryOptions()
    var matches = [ColumnMatch?](repeating: nil, count: columns.count)
    try parse(bytes, &matches, &options)
    // A later version may have more orders; to answer in another one would be a wrong answer.
    guard options.order <= 1 else { throw .unknownOrder(options.order) }
    return ColumnQuery(
      source: try source(of: matches, prefix), options: options,
      isEverything: matches.allSatisfy { $0 == nil },
      namesOneOfEach: matches.allSatisfy {
        if case .values(let values) = $0 { values.count == 1 } else { false }
      })
  }

  @safe
  private func parse(
    _ bytes: UnsafeRawBufferPointer, _ matches: inout [ColumnMatch?], _ options: inout QueryOptions
  ) throws(QueryError) {
    guard let start = bytes.baseAddress else { return }
    // SAFETY: raw bytes may be read as UInt8.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    var offset = 0
    while offset < bytes.count {
      var place = 0..<0
      var column = -1
      do throws(RecordError) {
        let fieldStart = offset
        let (number, wireType) = try unsafe WireScan.tag(base, &offset, bytes.count)
        if number <= matches.count {
          column = Int(number) - 1
          guard wireType == 2 else {
            throw RecordError(
              .wrongWireType, offset: fieldStart, fieldNumber: number, wireType: wireType)
          }
          let length = try unsafe WireScan.length(base, &offset, bytes.count)
          place = offset..<offset + length
          offset += length
        } else {
          let field = WireField(number: number, wireType: wireType, start: fieldStart)
          if let unsupported = try unsafe parseOption(bytes, &offset, field, &options) {
            column = -1 - unsupported
          } else if number <= ModelKey.maximumColumns {
            column = -1 - Int(number)
          }
        }
      } catch {
        throw column >= 0
          ? .badMatch(column: columns[column].name, .malformed(offset: error.offset))
          : .malformed(error)
      }
      if column < -1 { throw .unsupportedIn(message: message, field: -1 - column) }
      guard column >= 0 else { continue }
      let name = columns[column].name
      guard matches[column] == nil else { throw .badMatch(column: name, .several) }
      matches[column] = try unsafe ColumnMatchParser(
        columns[column], encodings[column], bytes
      ).parse(place)
    }
  }

  // MARK: - Ranges

  private func source(
    of matches: [ColumnMatch?], _ prefix: KeyPrefix
  ) throws(QueryError) -> RecordSource {
    let count = matches.firstIndex { $0 == nil } ?? matches.count
    if let later = matches[count...].firstIndex(where: { $0 != nil }) {
      throw .gap(missing: columns[count].name, isRange: false, later: columns[later].name)
    }
    var prefixes = [prefix.bytes]
    for column in 0..<count {
      guard let match = matches[column], case .values(let values) = match else {
        guard column == count - 1 else {
          throw .gap(
            missing: columns[column].name, isRange: true, later: columns[column + 1].name)
        }
        return Self.source(
          ofRanges: prefixes.compactMap { range(of: matches[column], at: column, after: $0) })
      }
      let distinct = Set(values).sorted { $0.lexicographicallyPrecedes($1) }
      guard prefixes.count * distinct.count <= KeyList.maximumCount else {
        throw .tooManyRanges(prefixes.count * distinct.count)
      }
      // No key is longer, so none begins with these; a query of a few kilobytes could name gigabytes of them.
      let limit = KeyPrefix.byteCount + RecordPlan.maximumKeySize
      prefixes = prefixes.flatMap { prefix in
        distinct.lazy.filter { prefix.count + $0.count <= limit }.map { prefix + $0 }
      }
    }
    return areWholeKeys && count == matches.count && !prefixes.isEmpty
      ? .keys(StoredKeys(ascending: prefixes))
      : Self.source(ofRanges: prefixes.map { KeyRange.prefix($0) })
  }

  private static func source(ofRanges ranges: [KeyRange]) -> RecordSource {
    let ranges = ranges.filter { !$0.isEmpty }
    if ranges.count == 1 { return .range(ranges[0]) }
    return .ranges(ranges[...])
  }

  /// The keys that begin with `prefix`, the columns before this one, and go on as the match says.
  private func range(
    of match: ColumnMatch?, at column: Int, after prefix: [UInt8]
  ) -> KeyRange? {
    let encoding = encodings[column]
    let set = setValues(encoding, after: prefix)
    switch match {
    case nil, .values: return nil
    case .unset:
      return encoding.isRaw ? nil : KeyRange.prefix(prefix + encoding.unsetMark)
    case .beginning(let open):
      var range = KeyRange.prefix(prefix + open)
      range.lower = Self.later(range.lower, set.lower)
      range.upper = Self.earlier(range.upper, set.upper)
      return range
    case .range(let lower, let upper):
      var range = set
      // In a descending column larger values come first.
      let (first, last) = encoding.isDescending ? (upper, lower) : (lower, upper)
      if let first {
        range.lower = Self.later(range.lower, edge(first, encoding, prefix, isLower: true))
      }
      if let last {
        range.upper = Self.earlier(range.upper, edge(last, encoding, prefix, isLower: false))
      }
      return range
    }
  }

  /// Where a range begins or ends that has a value, or goes up to it.
  private func edge(
    _ bound: ColumnMatch.Bound, _ encoding: ColumnEncoding, _ prefix: [UInt8], isLower: Bool
  ) -> [UInt8] {
    let value = prefix + bound.value
    if bound.isIncluded == isLower { return value }
    // A raw value is the end of its key: longer ones are other values.
    return encoding.isRaw ? value + [0] : KeyRange.prefix(value).upper ?? value
  }

  /// All keys whose column is set.
  private func setValues(_ encoding: ColumnEncoding, after prefix: [UInt8]) -> KeyRange {
    var range = KeyRange.prefix(prefix)
    guard !encoding.isRaw else { return range }
    if encoding.kind.isFloatingPoint { return numbers(encoding, after: prefix) }
    let unset = KeyRange.prefix(prefix + encoding.unsetMark)
    if encoding.isDescending {
      range.upper = unset.lower
    } else {
      range.lower = unset.upper ?? range.lower
    }
    return range
  }

  /// All keys whose column is a number: what has no order is in no range.
  private func numbers(_ encoding: ColumnEncoding, after prefix: [UInt8]) -> KeyRange {
    let nan = OrderedFloat.beginningOfNaN(byteCount: encoding.kind.floatByteCount)
    let unset = KeyRange.prefix(prefix + encoding.unsetMark)
    guard encoding.isDescending else {
      return KeyRange(lower: unset.upper ?? prefix, upper: prefix + nan)
    }
    return KeyRange(
      lower: KeyRange.prefix(prefix + nan.map { ~$0 }).upper ?? prefix, upper: unset.lower)
  }

  private static func later(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
    first.lexicographicallyPrecedes(second) ? second : first
  }

  private static func earlier(_ first: [UInt8]?, _ second: [UInt8]?) -> [UInt8]? {
    guard let first, let second else { return first ?? second }
    return first.lexicographicallyPrecedes(second) ? first : second
  }
}
