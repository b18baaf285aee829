/// What a caller may have to know of an engine, and what no call of it changes.
package struct EngineTraits: Equatable, Sendable {
  /// Whether ranges that were deleted are compacted without being asked for, when it pays. Else whoever deletes
  /// ranges should have them compacted, so that scans over them are fast again and their space comes back.
  package let compactsDeletedRanges: Bool
  /// How long a look-up takes that finds its blocks in the page cache, in units of five microseconds; at least 1. What
  /// an event loop does in one go is counted in them.
  package let lookUpCost: Int

  package init(compactsDeletedRanges: Bool, lookUpCost: Int = 1) {
    precondition(lookUpCost >= 1)
    self.compactsDeletedRanges = compactsDeletedRanges
    self.lookUpCost = lookUpCost
  }
}
