import Bytes
import Engine
import Schema

// SAFETY: reads through the base of a query that is lent until the return. ``WireScan`` checks every offset before it
// reads there.

/// Queries that have an `eq` for each of the first columns, and no other match: most of them. What their keys begin
/// with is made at once.
extension ColumnPlan {
  /// Appends what the keys begin with that a query names.
  ///
  /// - Parameters:
  ///   - key: has the prefix of the keys; some bytes may be appended when nil is returned.
  ///   - options: what the query has beside its matches.
  /// - Returns: how many columns have a match; nil for all other queries, also those that are wrong.
  /// - Complexity: O(n); allocates nothing but what the key needs.
  @safe
  func appendExact(
    _ query: UnsafeRawBufferPointer, to key: inout ByteWriter, _ options: inout QueryOptions
  ) -> Int? {
    guard let start = query.baseAddress else { return 0 }
    // SAFETY: raw bytes may be read as UInt8.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    let keyStart = key.count
    var (offset, count) = (0, 0)
    do throws(RecordError) {
      while offset < query.count {
        let fieldStart = offset
        let (number, wireType) = try unsafe WireScan.tag(base, &offset, query.count)
        guard number <= columns.count else {
          let field = WireField(number: number, wireType: wireType, start: fieldStart)
          let unsupported = try unsafe parseOption(query, &offset, field, &options)
          guard unsupported == nil, number > ModelKey.maximumColumns else { return nil }
          continue
        }
        guard number == count + 1, wireType == 2 else { return nil }
        let length = try unsafe WireScan.length(base, &offset, query.count)
        let match = unsafe ColumnMatchParser(columns[count], encodings[count], query)
        guard match.appendExact(offset..<offset + length, to: &key) else { return nil }
        offset += length
        count += 1
      }
    } catch {
      return nil
    }
    guard options.order <= 1, key.count - keyStart <= RecordPlan.maximumKeySize else { return nil }
    return count
  }
}

extension ColumnMatchParser {
  /// Appends the value of a match that is an `eq`.
  ///
  /// - Returns: false for all others.
  func appendExact(_ range: Range<Int>, to key: inout ByteWriter) -> Bool {
    var offset = range.lowerBound
    var slot = ColumnSlot()
    do throws(RecordError) {
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, range.upperBound)
      guard number == 1, wireType == encoding.kind.wireType else { return false }
      try unsafe slot.read(encoding.kind, base, &offset, range.upperBound, checksText: true)
    } catch {
      return false
    }
    guard offset == range.upperBound else { return false }
    return encoding.append(slot, of: bytes, to: &key)
  }
}
