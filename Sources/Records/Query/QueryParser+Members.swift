import Schema

// SAFETY: as in QueryParser.swift; `from` and `count` are of a field that was found there.

/// Parses the `Range` at `from` of a query.
///
/// - Throws: offsets of errors count from the start of `query`.
func parseRange(
  _ query: UnsafeRawBufferPointer, from: Int, count: Int
) throws(QueryError) -> KeyExpression {
  guard let start = query.baseAddress else { throw .unbounded }
  // SAFETY: raw bytes may be read as UInt8; ``WireScan`` checks every offset before it reads there.
  let base = unsafe start.assumingMemoryBound(to: UInt8.self)
  let end = from + count
  var lower: (number: Int, bound: KeyBound)?
  var upper: (number: Int, bound: KeyBound)?
  var severalBounds: (Int, Int)?
  var unsupported = 0
  var offset = from
  do throws(RecordError) {
    while offset < end {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, end)
      guard number <= 4 else {
        try unsafe WireScan.skip(
          base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 2)
        unsupported = Int(number)
        continue
      }
      guard wireType == 2 else {
        throw RecordError(.wrongWireType, offset: fieldStart, fieldNumber: 7, wireType: wireType)
      }
      let bound = unsafe KeyBound(
        key: try text(base, &offset, end, number), isIncluded: number == 1 || number == 3)
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

/// Checks the `Keys` at `from` of a query.
///
/// - Throws: offsets of errors count from the start of `query`.
func parseKeys(
  _ query: UnsafeRawBufferPointer, from: Int, count: Int
) throws(QueryError) -> KeyExpression {
  guard let start = query.baseAddress else { throw .noKeys }
  // SAFETY: raw bytes may be read as UInt8; ``WireScan`` checks every offset before it reads there.
  let base = unsafe start.assumingMemoryBound(to: UInt8.self)
  let end = from + count
  var keyCount = 0
  var unsupported = 0
  var problem: QueryError?
  var offset = from
  do throws(RecordError) {
    while offset < end {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, end)
      guard number == 1 else {
        try unsafe WireScan.skip(
          base, &offset, end, number: number, wireType: wireType, start: fieldStart, depth: 2)
        unsupported = Int(number)
        continue
      }
      guard wireType == 2 else {
        throw RecordError(.wrongWireType, offset: fieldStart, fieldNumber: 8, wireType: wireType)
      }
      let key = try unsafe text(base, &offset, end, 8)
      if problem == nil {
        if unsafe key.isEmpty {
          problem = .emptyKeyInList(keyCount)
        } else if key.count > RecordPlan.maximumKeySize {
          problem = .keyTooLong(key.count)
        }
      }
      keyCount += 1
    }
  } catch {
    throw error.reason == .invalidUTF8
      ? .invalidUTF8(field: 8, offset: error.offset) : .malformed(error)
  }
  guard unsupported == 0 else {
    throw .unsupportedIn(message: "IndexQuery.Keys", field: unsupported)
  }
  guard keyCount > 0 else { throw .noKeys }
  guard keyCount <= KeyList.maximumCount else { throw .tooManyKeys(keyCount) }
  if let problem { throw problem }
  return unsafe .in(KeyList(message: UnsafeRawBufferPointer(start: start + from, count: count)))
}

/// Parses a serialized `Key` message, which names one record.
///
/// - Returns: its pk, 1 to 4096 bytes, which alias the request.
package func parseKey(
  _ bytes: UnsafeRawBufferPointer
) throws(QueryError) -> UnsafeRawBufferPointer {
  guard let start = bytes.baseAddress else { throw .keyMissing }
  // SAFETY: raw bytes may be read as UInt8; ``WireScan`` checks every offset before it reads there.
  let base = unsafe start.assumingMemoryBound(to: UInt8.self)
  var key = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var unsupported = 0
  var offset = 0
  do throws(RecordError) {
    while offset < bytes.count {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, bytes.count)
      guard number == 1 else {
        try unsafe WireScan.skip(
          base, &offset, bytes.count, number: number, wireType: wireType, start: fieldStart,
          depth: 1
        )
        // Numbers up to 15 are columns of keys that this server does not have.
        if number <= 15 { unsupported = Int(number) }
        continue
      }
      guard wireType == 2 else {
        throw RecordError(.wrongWireType, offset: fieldStart, fieldNumber: 1, wireType: wireType)
      }
      unsafe key = try text(base, &offset, bytes.count, number)
    }
  } catch {
    throw .malformedKey(error)
  }
  guard unsupported == 0 else { throw .unsupportedIn(message: "Key", field: unsupported) }
  guard unsafe !key.isEmpty else { throw .keyMissing }
  guard key.count <= RecordPlan.maximumKeySize else { throw .requestedKeyTooLong(key.count) }
  return unsafe key
}

/// Reads the value of a string field whose tag has been read.
///
/// - Parameter number: the field that an error names.
private func text(
  _ base: UnsafePointer<UInt8>, _ offset: inout Int, _ end: Int, _ number: UInt32
) throws(RecordError) -> UnsafeRawBufferPointer {
  let length = try unsafe WireScan.length(base, &offset, end)
  let start = unsafe UnsafeRawPointer(base)
  let invalid = unsafe UTF8Validation.firstInvalid(start, from: offset, to: offset &+ length)
  guard invalid < 0 else {
    throw RecordError(.invalidUTF8, offset: invalid, fieldNumber: number)
  }
  defer { offset &+= length }
  return unsafe UnsafeRawBufferPointer(start: start + offset, count: length)
}
