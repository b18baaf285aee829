extension ColumnKind {
  /// Whether every value of this type has the same bytes in a key, or in an index, of the other one.
  package func hasSameBytes(in other: ColumnKind) -> Bool {
    switch (self, other) {
    case (.int32, .int64), (.uint32, .uint64), (.uint32, .int64), (.sint32, .sint64),
      (.string, .bytes):
      true
    default: self == other
    }
  }
}
