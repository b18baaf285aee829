import Bytes
import Schema

// SAFETY: a query and all that is made of it are views of the request, whose bytes outlive them. `WireScan` checks
// every offset before it reads there, and a length against what is left before a view is made of it.

/// Parses a serialized `IndexQuery`.
///
/// A query has one expression. A decoder would take the last of several; here a second one is
/// refused, also the same one again: no client library writes two, whoever joined two queries meant
/// both, and a Delete that followed one of them could erase what the other one was to keep. Numbers
/// that are kept for later kinds of query (9 to 15, 22 to 31) are refused, so that a restriction is
/// never dropped; other unknown fields are stepped over.
///
/// - Complexity: O(n); allocates nothing.
package func parseIndexQuery(
  _ bytes: UnsafeRawBufferPointer
) throws(QueryError) -> RecordQuery {
  guard let start = bytes.baseAddress else { throw .missing }
  // SAFETY: raw bytes may be read as UInt8; ``WireScan`` checks every offset before it reads there.
  let base = unsafe start.assumingMemoryBound(to: UInt8.self)
  var options = QueryOptions()
  var member: UInt32 = 0
  var key = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var unsupported = 0
  var second: UInt32 = 0
  var offset = 0
  do throws(RecordError) {
    while offset < bytes.count {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, bytes.count)
      guard number <= 8 else {
        let field = WireField(number: number, wireType: wireType, start: fieldStart)
        unsupported = try unsafe parseOption(bytes, &offset, field, &options) ?? unsupported
        continue
      }
      guard wireType == 2 else {
        throw RecordError(
          .wrongWireType, offset: fieldStart, fieldNumber: number, wireType: wireType)
      }
      let length = try unsafe WireScan.length(base, &offset, bytes.count)
      if number < 7 {
        let invalid = unsafe UTF8Validation.firstInvalid(
          UnsafeRawPointer(base), from: offset, to: offset &+ length)
        guard invalid < 0 else {
          throw RecordError(.invalidUTF8, offset: invalid, fieldNumber: number)
        }
      }
      if member != 0 && second == 0 { second = number }
      if second == 0 { member = number }
      unsafe key = UnsafeRawBufferPointer(start: start + offset, count: length)
      offset &+= length
    }
  } catch {
    throw error.reason == .invalidUTF8
      ? .invalidUTF8(field: Int(error.fieldNumber), offset: error.offset) : .malformed(error)
  }
  guard unsupported == 0 else { throw .unsupported(unsupported) }
  guard second == 0 else { throw .several(Int(member), Int(second)) }
  // A later version may have more orders; to answer in another one would be a wrong answer.
  guard options.order <= 1 else { throw .unknownOrder(options.order) }
  guard member < 7 else {
    let from = unsafe position(of: key, in: bytes)
    let expression =
      unsafe member == 7
      ? try parseRange(bytes, from: from, count: key.count)
      : try parseKeys(bytes, from: from, count: key.count)
    return RecordQuery(expression: expression, options: options)
  }
  guard key.count <= RecordPlan.maximumKeySize else { throw .keyTooLong(key.count) }
  switch member {
  case 1:
    guard unsafe !key.isEmpty else { throw .emptyKey }
    return unsafe RecordQuery(expression: .eq(key), options: options)
  case 2: return unsafe RecordQuery(expression: .gte(key), options: options)
  case 3: return unsafe RecordQuery(expression: .lte(key), options: options)
  case 4: return unsafe RecordQuery(expression: .beginsWith(key), options: options)
  case 5: return unsafe RecordQuery(expression: .gt(key), options: options)
  case 6: return unsafe RecordQuery(expression: .lt(key), options: options)
  default: throw .missing
  }
}

/// A field whose tag has been read.
struct WireField {
  let number: UInt32
  let wireType: UInt8
  /// Where the tag begins.
  let start: Int
}

/// Reads a field that is no expression.
///
/// - Returns: its number when this server does not support it and must not step over it.
@inline(never)
func parseOption(
  _ bytes: UnsafeRawBufferPointer, _ offset: inout Int, _ field: WireField,
  _ options: inout QueryOptions
) throws(RecordError) -> Int? {
  guard let start = bytes.baseAddress else { return nil }
  // SAFETY: as in ``parseIndexQuery(_:)``.
  let base = unsafe start.assumingMemoryBound(to: UInt8.self)
  guard let option = QueryOptions.Field(rawValue: field.number) else {
    try unsafe WireScan.skip(
      base, &offset, bytes.count, number: field.number, wireType: field.wireType,
      start: field.start, depth: 1)
    return (9...15).contains(field.number) || (22...31).contains(field.number)
      ? Int(field.number) : nil
  }
  if options.first == nil { options.first = option }
  let isVarint = option != .pageToken && option != .readMask
  guard field.wireType == (isVarint ? 0 : 2) else {
    throw RecordError(
      .wrongWireType, offset: field.start, fieldNumber: field.number, wireType: field.wireType)
  }
  guard isVarint else {
    let length = try unsafe WireScan.length(base, &offset, bytes.count)
    if option == .pageToken {
      unsafe options.pageToken = UnsafeRawBufferPointer(start: start + offset, count: length)
    } else {
      options.hasMask = true
    }
    offset &+= length
    return nil
  }
  // The last one counts, and numbers are cut to their type, as any decoder does it.
  let value = try unsafe WireScan.varint(base, &offset, bytes.count)
  switch option {
  case .pageSize: options.pageSize = UInt32(truncatingIfNeeded: value)
  case .order: options.order = value
  case .countOnly: options.isCountOnly = value != 0
  default: options.hasEtags = value != 0
  }
  return nil
}

/// Visits the parts of the `read_mask` of a query, in the order of the wire.
///
/// - Precondition: ``parseIndexQuery(_:)`` has accepted `query`.
@safe
func visitMaskParts(
  of query: UnsafeRawBufferPointer, _ visit: (UnsafeRawBufferPointer) -> Void
) {
  guard let start = query.baseAddress else { return }
  // SAFETY: as in ``parseIndexQuery(_:)``.
  let base = unsafe start.assumingMemoryBound(to: UInt8.self)
  var offset = 0
  while offset < query.count {
    let fieldStart = offset
    guard let (number, wireType) = try? unsafe WireScan.tag(base, &offset, query.count) else {
      return
    }
    guard number == QueryOptions.Field.readMask.rawValue else {
      let isSkipped: ()? = try? unsafe WireScan.skip(
        base, &offset, query.count, number: number, wireType: wireType, start: fieldStart, depth: 1)
      guard isSkipped != nil else { return }
      continue
    }
    guard let length = try? unsafe WireScan.length(base, &offset, query.count) else { return }
    unsafe visit(UnsafeRawBufferPointer(start: start + offset, count: length))
    offset &+= length
  }
}

/// Where `part` begins in `bytes`, which it is a part of.
private func position(of part: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> Int {
  guard let start = bytes.baseAddress, let first = part.baseAddress else { return 0 }
  return unsafe first - start
}
