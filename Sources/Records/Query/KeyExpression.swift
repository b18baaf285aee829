import Schema

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
  /// Each of these keys, in any order and also several times; 1 to 1000 of them, each 1 to 4096 bytes.
  case `in`(KeyList)
}

/// One end of a range of keys.
package struct KeyBound {
  /// May be empty.
  package let key: UnsafeRawBufferPointer
  /// Whether `key` itself is in the range.
  package let isIncluded: Bool
}

/// The keys of `in`, which lie one after the other in the request.
package struct KeyList {
  /// How many keys a query may name.
  package static let maximumCount = 1000

  /// A `Keys` message whose fields are all known to be well formed.
  let message: UnsafeRawBufferPointer

  package var byteCount: Int { message.count }

  /// In the order of the request; each is valid as long as the request is.
  package func visitKeys(_ visit: (UnsafeRawBufferPointer) -> Void) {
    var reader = RecordBatchReader(message)
    while let key = try? reader.next() { visit(key) }
  }
}
