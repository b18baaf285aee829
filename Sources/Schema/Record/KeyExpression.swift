/// Which keys an `IndexQuery` asks for. Keys compare byte by byte.
///
/// The bytes alias the request they were parsed from and are valid as long as it is.
package enum KeyExpression {
  /// Exactly this key, 1 to 4096 bytes.
  case eq(UnsafeRawBufferPointer)
  /// This key and all above it; may be empty.
  case gte(UnsafeRawBufferPointer)
  /// This key and all below it; may be empty.
  case lte(UnsafeRawBufferPointer)
  /// All keys with this prefix; the empty one is everything.
  case beginsWith(UnsafeRawBufferPointer)
  /// All keys above this one; it may be empty.
  case gt(UnsafeRawBufferPointer)
  /// All keys below this one; it may be empty.
  case lt(UnsafeRawBufferPointer)
  /// All keys between two bounds, of which one may be missing. Nothing when they contradict each other.
  case range(lower: KeyBound?, upper: KeyBound?)
}

/// One end of a range of keys.
package struct KeyBound {
  /// May be empty.
  package let key: UnsafeRawBufferPointer
  /// Whether `key` itself is in the range.
  package let isIncluded: Bool
}

/// Why an `IndexQuery` is refused.
package enum QueryError: Error, Equatable, Sendable {
  /// No expression is set. It never means everything.
  case missing
  /// Two expressions are set, by their field numbers in the order of the wire.
  case several(Int, Int)
  /// A field that this version does not know: a kind of query that clients of a later one have.
  case unsupported(Int)
  case emptyKey
  /// `range` has no bound. It never means everything.
  case unbounded
  /// `range` has two bounds of one end, by their field numbers in `Range`.
  case severalBounds(Int, Int)
  /// `range` has a field that this version does not know.
  case unsupportedBound(Int)
  /// More than ``RecordPlan/maximumKeySize`` bytes.
  case keyTooLong(Int)
  case invalidUTF8(field: Int, offset: Int)
  /// Of a bound of `range`, by its field number in `Range`.
  case boundNotUTF8(field: Int, offset: Int)
  /// The request is no `IndexQuery` message.
  case malformed(RecordError)
}

extension QueryError: CustomStringConvertible {
  /// A sentence for the caller: what is wrong and what to do.
  package var description: String {
    switch self {
    case .missing:
      "the query has no expression: set one of eq, gte, gt, lte, lt, range, begins_with "
        + "(begins_with: \"\" is everything)"
    case .several(let first, let second) where first == second:
      "the query has two expressions, both \(Self.name(first)): set one alone"
    case .several(let first, let second):
      "the query has two expressions, \(Self.name(first)) and \(Self.name(second)): set one alone"
    case .unsupported(let number):
      "the query uses field \(number) of IndexQuery, which this server does not support: leave it "
        + "out, or use a newer server"
    case .emptyKey:
      "the key of eq is empty: no record has an empty key (begins_with: \"\" is everything)"
    case .unbounded:
      "the range of the query has no bound: set one of gte and gt, one of lte and lt, or both (begins_with: \"\" "
        + "is everything)"
    case .severalBounds(let first, let second) where first == second:
      "the range of the query has two bounds of one end, both \(Self.boundName(first)): set one alone"
    case .severalBounds(let first, let second):
      "the range of the query has two bounds of one end, \(Self.boundName(first)) and \(Self.boundName(second)): "
        + "set one alone"
    case .unsupportedBound(let number):
      "the query uses field \(number) of IndexQuery.Range, which this server does not support: leave it out, or "
        + "use a newer server"
    case .boundNotUTF8(let field, let offset):
      "\(Self.boundName(field)) of the query's range is not UTF-8 at byte \(offset); keys are UTF-8 text"
    case .keyTooLong(let size):
      "the key of the query has \(size) bytes; keys have at most \(RecordPlan.maximumKeySize): take a shorter one"
    case .invalidUTF8(let field, let offset):
      "\(Self.name(field)) of the query is not UTF-8 at byte \(offset); keys are UTF-8 text"
    case .malformed(let error) where error.reason == .wrongWireType:
      "\(Self.name(Int(error.fieldNumber))) of the query is no \(error.fieldNumber == 7 ? "message" : "string"), at byte \(error.offset); generate the client from this "
        + "server's schema"
    case .malformed(let error):
      "the query is no IndexQuery message: it is malformed at byte \(error.offset); encode it "
        + "with a protobuf library"
    }
  }
}

extension QueryError {
  private static func name(_ field: Int) -> String {
    let names = ["eq", "gte", "lte", "begins_with", "gt", "lt", "range"]
    return names.indices.contains(field - 1) ? names[field - 1] : "field \(field)"
  }

  private static func boundName(_ field: Int) -> String {
    let names = ["gte", "gt", "lte", "lt"]
    return names.indices.contains(field - 1) ? names[field - 1] : "field \(field)"
  }
}

/// Parses a serialized `IndexQuery`.
///
/// A query has one expression. A decoder would take the last of several; here a second one is
/// refused, also the same one again: no client library writes two, whoever joined two queries meant
/// both, and a Delete that followed one of them could erase what the other one was to keep. Numbers
/// that are kept for later kinds of query (8, 16 to 21) are refused, so that a restriction is
/// never dropped; other unknown fields are stepped over.
///
/// - Complexity: O(n); allocates nothing.
package func parseIndexQuery(
  _ bytes: UnsafeRawBufferPointer
) throws(QueryError) -> KeyExpression {
  guard let start = bytes.baseAddress else { throw .missing }
  // SAFETY: raw bytes may be read as UInt8; ``WireScan`` checks every offset before it reads there.
  let base = start.assumingMemoryBound(to: UInt8.self)
  var member: UInt32 = 0
  var key = UnsafeRawBufferPointer(start: nil, count: 0)
  var unsupported = 0
  var second: UInt32 = 0
  var offset = 0
  do throws(RecordError) {
    while offset < bytes.count {
      let fieldStart = offset
      let (number, wireType) = try WireScan.tag(base, &offset, bytes.count)
      guard number <= 7 else {
        try WireScan.skip(
          base, &offset, bytes.count, number: number, wireType: wireType, start: fieldStart,
          depth: 1)
        if number == 8 || (16...21).contains(number) { unsupported = Int(number) }
        continue
      }
      guard wireType == 2 else {
        throw RecordError(
          .wrongWireType, offset: fieldStart, fieldNumber: number, wireType: wireType)
      }
      let length = try WireScan.length(base, &offset, bytes.count)
      if number != 7 {
        let invalid = UTF8Validation.firstInvalid(
          UnsafeRawPointer(base), from: offset, to: offset &+ length)
        guard invalid < 0 else {
          throw RecordError(.invalidUTF8, offset: invalid, fieldNumber: number)
        }
      }
      if member != 0 && second == 0 { second = number }
      if second == 0 { member = number }
      key = UnsafeRawBufferPointer(start: start + offset, count: length)
      offset &+= length
    }
  } catch {
    throw error.reason == .invalidUTF8
      ? .invalidUTF8(field: Int(error.fieldNumber), offset: error.offset) : .malformed(error)
  }
  guard unsupported == 0 else { throw .unsupported(unsupported) }
  guard second == 0 else { throw .several(Int(member), Int(second)) }
  if member == 7 {
    return try parseRange(bytes, from: position(of: key, in: bytes), count: key.count)
  }
  guard key.count <= RecordPlan.maximumKeySize else { throw .keyTooLong(key.count) }
  switch member {
  case 1:
    guard !key.isEmpty else { throw .emptyKey }
    return .eq(key)
  case 2: return .gte(key)
  case 3: return .lte(key)
  case 4: return .beginsWith(key)
  case 5: return .gt(key)
  case 6: return .lt(key)
  default: throw .missing
  }
}

/// Where `part` begins in `bytes`, which it is a part of.
private func position(of part: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> Int {
  guard let start = bytes.baseAddress, let first = part.baseAddress else { return 0 }
  return first - start
}

/// Parses the `Range` at `from` of a query.
///
/// - Throws: offsets of errors count from the start of `query`.
private func parseRange(
  _ query: UnsafeRawBufferPointer, from: Int, count: Int
) throws(QueryError) -> KeyExpression {
  guard let start = query.baseAddress else { throw .unbounded }
  // SAFETY: raw bytes may be read as UInt8; ``WireScan`` checks every offset before it reads there.
  let base = start.assumingMemoryBound(to: UInt8.self)
  let end = from + count
  var lower: (number: Int, bound: KeyBound)?
  var upper: (number: Int, bound: KeyBound)?
  var severalBounds: (Int, Int)?
  var unsupported = 0
  var offset = from
  do throws(RecordError) {
    while offset < end {
      let fieldStart = offset
      let (number, wireType) = try WireScan.tag(base, &offset, end)
      guard number <= 4 else {
        try WireScan.skip(
          base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 2)
        unsupported = Int(number)
        continue
      }
      guard wireType == 2 else {
        throw RecordError(.wrongWireType, offset: fieldStart, fieldNumber: 7, wireType: wireType)
      }
      let length = try WireScan.length(base, &offset, end)
      let invalid = UTF8Validation.firstInvalid(
        UnsafeRawPointer(base), from: offset, to: offset &+ length)
      guard invalid < 0 else {
        throw RecordError(.invalidUTF8, offset: invalid, fieldNumber: number)
      }
      let bound = KeyBound(
        key: UnsafeRawBufferPointer(start: start + offset, count: length),
        isIncluded: number == 1 || number == 3)
      offset &+= length
      if number <= 2 {
        if let lower, severalBounds == nil { severalBounds = (lower.number, Int(number)) }
        lower = (Int(number), bound)
      } else {
        if let upper, severalBounds == nil { severalBounds = (upper.number, Int(number)) }
        upper = (Int(number), bound)
      }
    }
  } catch {
    throw error.reason == .invalidUTF8
      ? .boundNotUTF8(field: Int(error.fieldNumber), offset: error.offset) : .malformed(error)
  }
  guard unsupported == 0 else { throw .unsupportedBound(unsupported) }
  if let severalBounds { throw .severalBounds(severalBounds.0, severalBounds.1) }
  guard lower != nil || upper != nil else { throw .unbounded }
  let longest = max(lower?.bound.key.count ?? 0, upper?.bound.key.count ?? 0)
  guard longest <= RecordPlan.maximumKeySize else { throw .keyTooLong(longest) }
  return .range(lower: lower?.bound, upper: upper?.bound)
}
