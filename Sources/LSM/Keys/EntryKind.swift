/// What an entry says of its key. The raw values are on disk.
package enum EntryKind: UInt8, Sendable, CaseIterable {
  /// The key is deleted.
  case tombstone = 0
  /// The key has the entry's value.
  case value = 1
  /// All keys from the entry's key up to its value (exclusive) are deleted. Never among the other
  /// entries: range tombstones have a block and an index of their own.
  case rangeTombstone = 2
}
