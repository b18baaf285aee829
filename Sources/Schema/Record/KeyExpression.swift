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
  /// More than ``RecordPlan/maximumKeySize`` bytes.
  case keyTooLong(Int)
  case invalidUTF8(field: Int, offset: Int)
  /// The request is no `IndexQuery` message.
  case malformed(RecordError)
}

extension QueryError: CustomStringConvertible {
  /// A sentence for the caller: what is wrong and what to do.
  package var description: String {
    switch self {
    case .missing:
      "the query has no expression: set one of eq, gte, lte, begins_with (begins_with: \"\" is "
        + "everything)"
    case .several(let first, let second) where first == second:
      "the query has two expressions, both \(Self.name(first)): set one alone"
    case .several(let first, let second):
      "the query has two expressions, \(Self.name(first)) and \(Self.name(second)): set one alone"
    case .unsupported(let number):
      "the query uses field \(number) of IndexQuery, which this server does not support: use eq, "
        + "gte, lte or begins_with alone, or a newer server"
    case .emptyKey:
      "the key of eq is empty: no record has an empty key (begins_with: \"\" is everything)"
    case .keyTooLong(let size):
      "the key of the query has \(size) bytes; keys have at most \(RecordPlan.maximumKeySize): take a shorter one"
    case .invalidUTF8(let field, let offset):
      "\(Self.name(field)) of the query is not UTF-8 at byte \(offset); keys are UTF-8 text"
    case .malformed(let error) where error.reason == .wrongWireType:
      "\(Self.name(Int(error.fieldNumber))) of the query is no string, at byte \(error.offset); generate the client from this "
        + "server's schema"
    case .malformed(let error):
      "the query is no IndexQuery message: it is malformed at byte \(error.offset); encode it "
        + "with a protobuf library"
    }
  }
}

extension QueryError {
  private static func name(_ field: Int) -> String {
    let names = ["eq", "gte", "lte", "begins_with"]
    return names.indices.contains(field - 1) ? names[field - 1] : "field \(field)"
  }
}

/// Parses a serialized `IndexQuery`.
///
/// A query has one expression. A decoder would take the last of several; here a second one is
/// refused, also the same one again: no client library writes two, whoever joined two queries meant
/// both, and a Delete that followed one of them could erase what the other one was to keep. Numbers
/// that are kept for later kinds of query (5 to 8, 16 to 21) are refused, so that a restriction is
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
      guard number <= 4 else {
        try WireScan.skip(
          base, &offset, bytes.count, number: number, wireType: wireType, start: fieldStart,
          depth: 1)
        if (5...8).contains(number) || (16...21).contains(number) {
          unsupported = Int(number)
        }
        continue
      }
      guard wireType == 2 else {
        throw RecordError(
          .wrongWireType, offset: fieldStart, fieldNumber: number, wireType: wireType)
      }
      let length = try WireScan.length(base, &offset, bytes.count)
      let invalid = UTF8Validation.firstInvalid(
        UnsafeRawPointer(base), from: offset, to: offset &+ length)
      guard invalid < 0 else {
        throw RecordError(.invalidUTF8, offset: invalid, fieldNumber: number)
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
  guard key.count <= RecordPlan.maximumKeySize else { throw .keyTooLong(key.count) }
  switch member {
  case 1:
    guard !key.isEmpty else { throw .emptyKey }
    return .eq(key)
  case 2: return .gte(key)
  case 3: return .lte(key)
  case 4: return .beginsWith(key)
  default: throw .missing
  }
}
