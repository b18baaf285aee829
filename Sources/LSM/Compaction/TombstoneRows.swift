/// The range tombstones of a merge in key order, cut so that each place is covered by one tombstone of each stripe
/// (``SnapshotStripes``): the newest, since no reader can tell the older ones of its stripe from nothing.
///
/// So the pieces are at most twice as many as the tombstones, however these overlap, and an output that is a
/// part of the key space gets at most one piece a stripe that reaches over its bounds.
///
/// Thread-safety: none; one owner at a time. The bytes are borrowed from the sources of the merge.
// SAFETY: Every piece borrows its bounds from tombstones of the merge's sources, which outlive the merge, or from a
// bound that outlives the call it is given to.
struct TombstoneRows {
  private struct Row {
    /// Ascending, without overlaps.
    let pieces: [RangeTombstone]
    /// Pieces before it are in outputs.
    var written = 0
    /// Pieces before it count as part of the output at hand, or were written.
    var passed = 0
  }

  private var rows: [Row] = []
  /// The row whose next piece begins first.
  private var first: Int?

  init(_ tombstones: [RangeTombstone], _ stripes: SnapshotStripes) {
    var byStripe: [Int: [RangeTombstone]] = [:]
    for tombstone in tombstones where !tombstone.isEmpty {
      byStripe[stripes.stripe(of: tombstone.sequence), default: []].append(tombstone)
    }
    for stripe in byStripe.keys.sorted(by: >) {
      rows.append(Row(pieces: Self.pieces(byStripe[stripe] ?? [])))
    }
    findFirst()
  }

  private static func pieces(_ tombstones: [RangeTombstone]) -> [RangeTombstone] {
    var pieces: [RangeTombstone] = []
    RangeTombstoneIndex(tombstones).forEachInterval { lower, upper, newest in
      if let last = pieces.last, last.sequence == newest,
        KeyOrder.compare(last.upper, lower) == 0
      {
        pieces[pieces.count - 1] = unsafe RangeTombstone(
          lower: last.lower, upper: upper, sequence: newest)
      } else {
        unsafe pieces.append(RangeTombstone(lower: lower, upper: upper, sequence: newest))
      }
    }
    return pieces
  }

  private mutating func findFirst() {
    first = nil
    for (index, row) in rows.enumerated() where row.passed < row.pieces.count {
      guard let current = first else {
        first = index
        continue
      }
      let other = rows[current].pieces[rows[current].passed]
      if KeyOrder.compare(row.pieces[row.passed].lower, other.lower) < 0 { first = index }
    }
  }

  /// The next piece, if it begins at or before `key` (nil: wherever it begins).
  @inline(__always)
  @safe
  func next(through key: UnsafeRawBufferPointer?) -> RangeTombstone? {
    guard let first else { return nil }
    let piece = rows[first].pieces[rows[first].passed]
    if let key = unsafe key, KeyOrder.compare(piece.lower, key) > 0 { return nil }
    return piece
  }

  /// Goes on after what ``next(through:)`` has answered.
  mutating func pass() {
    guard let first else { return }
    rows[first].passed += 1
    findFirst()
  }

  /// Hands over what lies before `bound` (nil: the end) and was not handed over before; what reaches over the
  /// bound is cut there.
  ///
  /// - Parameter lower: the bound of the call before, if there was one.
  @safe
  mutating func take(
    from lower: UnsafeRawBufferPointer?, before bound: UnsafeRawBufferPointer?,
    _ body: (RangeTombstone) throws(LSMError) -> Void
  ) throws(LSMError) {
    for index in rows.indices {
      while rows[index].written < rows[index].pieces.count {
        let piece = rows[index].pieces[rows[index].written]
        if let bound = unsafe bound, KeyOrder.compare(piece.lower, bound) >= 0 { break }
        let isCut = unsafe bound.map { KeyOrder.compare($0, piece.upper) < 0 } ?? false
        let begin = unsafe lower.map {
          unsafe KeyOrder.compare(piece.lower, $0) < 0 ? $0 : piece.lower
        }
        let part = unsafe RangeTombstone(
          lower: begin ?? piece.lower, upper: isCut ? bound ?? piece.upper : piece.upper,
          sequence: piece.sequence)
        if !part.isEmpty { try body(part) }
        if isCut { break }
        rows[index].written += 1
        rows[index].passed = max(rows[index].passed, rows[index].written)
      }
    }
    findFirst()
  }

  /// What the pieces that were passed and not handed over take in a table that begins at `lower`. Unit: bytes.
  @safe
  func waitingBytes(from lower: UnsafeRawBufferPointer) -> UInt64 {
    var bytes = 0
    for row in rows {
      for piece in row.pieces[row.written..<row.passed] {
        let begin = unsafe KeyOrder.compare(piece.lower, lower) < 0 ? lower : piece.lower
        unsafe bytes += TableBuilder.blockBytes(
          of: RangeTombstone(lower: begin, upper: piece.upper, sequence: piece.sequence))
      }
    }
    return UInt64(bytes)
  }
}
