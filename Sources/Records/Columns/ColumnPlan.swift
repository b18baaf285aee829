import Schema

/// Columns of a key or of an index with the form of their bytes: resolved once.
///
/// Thread-safety: a constant value.
package struct ColumnPlan: Sendable {
  /// From the first one that orders on; 1 to 15.
  let columns: [Column]
  let encodings: [ColumnEncoding]
  /// The message of its queries, which errors name: `ByPk`.
  let message: String
  /// Whether the bytes of all columns are a whole key, and not the beginning of several.
  let areWholeKeys: Bool

  /// - Parameter lastIsRaw: whether a string at the end, if it ascends, has no end of its own.
  init(_ columns: [Column], message: String, lastIsRaw: Bool, areWholeKeys: Bool) {
    self.columns = columns
    self.message = message
    self.areWholeKeys = areWholeKeys
    encodings = columns.enumerated().map { index, column in
      ColumnEncoding(
        kind: column.kind, isDescending: column.isDescending,
        isRaw: lastIsRaw && index == columns.count - 1 && column.kind.isText
          && !column.isDescending)
    }
  }
}
