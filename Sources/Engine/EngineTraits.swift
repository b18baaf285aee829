/// What a caller may have to know of an engine, and what no call of it changes.
package struct EngineTraits: Equatable, Sendable {
  /// Whether ranges that were deleted are compacted without being asked for, when it pays. Else whoever deletes
  /// ranges should have them compacted, so that scans over them are fast again and their space comes back.
  package let compactsDeletedRanges: Bool

  package init(compactsDeletedRanges: Bool) { self.compactsDeletedRanges = compactsDeletedRanges }
}
