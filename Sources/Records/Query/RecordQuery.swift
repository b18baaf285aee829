// SAFETY: a view of a request, which outlives it.

/// A parsed `IndexQuery`: which records, and what of them is asked for.
///
/// Its bytes alias the request and are valid as long as that is.
package struct RecordQuery {
  /// Which keys.
  package let expression: KeyExpression
  /// The order, the page and the form of the answer.
  package let options: QueryOptions
}

/// The fields of an `IndexQuery` beside its expression.
@safe
package struct QueryOptions {
  /// Their numbers in `IndexQuery`.
  enum Field: UInt32, CaseIterable {
    case pageSize = 16
    case pageToken = 17
    case order = 18
    case readMask = 19
    case countOnly = 20
    case withEtags = 21

    var name: String {
      switch self {
      case .pageSize: "page_size"
      case .pageToken: "page_token"
      case .order: "order"
      case .readMask: "read_mask"
      case .countOnly: "count_only"
      case .withEtags: "with_etags"
      }
    }
  }

  /// Records an answer may have; 0: as many as there are.
  var pageSize: UInt32 = 0
  /// Empty: from the start.
  @safe var pageToken = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  /// 0: ascending; 1: descending.
  var order: UInt64 = 0
  var isCountOnly = false
  var hasEtags = false
  /// Whether there is a `read_mask`; it may be empty, and come in parts.
  var hasMask = false
  /// The first of them in the order of the wire, also when it has its default value.
  var first: Field?

  /// Whether none of them is set.
  package var isPlain: Bool { first == nil }

  /// A stream has no place for a count.
  package func refuseForStream() throws(QueryError) {
    if isCountOnly { throw .notForStream(Field.countOnly.name) }
  }

  /// A Delete has no place for any of them.
  package func refuseForDelete() throws(QueryError) {
    if let first { throw .notForDelete(first.name) }
  }
}
