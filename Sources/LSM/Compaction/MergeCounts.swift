/// What became of the entries that a flush or compaction read: every one is accounted for.
package struct MergeCounts: Equatable, Sendable {
  /// Entries that the inputs gave.
  package var read: UInt64 = 0
  /// Entries in the outputs.
  package var written: UInt64 = 0
  /// Older than another version of the key, with no snapshot between them.
  package var shadowed: UInt64 = 0
  /// Deleted by a range tombstone, with no snapshot between them.
  package var covered: UInt64 = 0
  /// Tombstones with nothing left below them to delete.
  package var spentTombstones: UInt64 = 0
  /// In tables that a range tombstone covers as a whole, and that were not read.
  package var skipped: UInt64 = 0

  package init() {}

  /// Entries left out, for whichever reason.
  package var dropped: UInt64 { shadowed + covered + spentTombstones }

  /// - Parameter expected: entries of the inputs, as their tables say.
  /// - Throws: ``LSMError/brokenInvariant(_:)`` when an entry is not accounted for: an input that ended
  ///   early would lose data without a word.
  func check(expected: UInt64, _ what: String) throws(LSMError) {
    guard read == written + dropped, read + skipped == expected else {
      throw .brokenInvariant(
        "\(what): of \(expected) entries \(read) were read, \(written) written, \(dropped) dropped, "
          + "\(skipped) skipped")
    }
  }

  package static func += (left: inout MergeCounts, right: MergeCounts) {
    left.read += right.read
    left.written += right.written
    left.shadowed += right.shadowed
    left.covered += right.covered
    left.spentTombstones += right.spentTombstones
    left.skipped += right.skipped
  }
}
