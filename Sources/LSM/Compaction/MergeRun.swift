import Bytes

/// Merges sources into new tables, and leaves out what no reader can see: the one loop of flush and
/// compaction.
///
/// Of each key, newest version first:
///
/// - a version in the same stripe (``SnapshotStripes``) as a newer one goes ("shadowed");
/// - a version that a range tombstone of its own stripe covers goes ("covered");
/// - a tombstone that every reader sees, and below which no level has the key, goes ("spent").
///
/// A table is ended only between two user keys. Range tombstones are cut at the same places, so that each
/// table answers alone for the keys between its bounds.
///
/// Thread-safety: none; one owner, on one thread. Blocks on disk I/O.
struct MergeRun: ~Copyable {
  struct Settings {
    var stripes: SnapshotStripes
    /// The version and level below which tombstones have to find something; nil keeps them all.
    var bottom: (version: Version, level: Int)?
    var targetBytes: UInt64 = .max
    /// Tables of the level below the output, in order: outputs end at their borders where they can.
    var grandparents: [TableFile] = []
    var epoch: UInt64
  }

  private let settings: Settings
  private let store: TableStore
  private let makeNumber: () -> FileNumber
  private let pause: () throws(LSMError) -> Void

  private var iterator: MergingIterator
  private let tombstones: [RangeTombstone]
  /// One for each stripe; empty without range tombstones.
  private var covering: [CoveringTombstones]
  private(set) var counts = MergeCounts()

  private var output: TableOutput?
  private var outputs: [TableFile] = []
  /// Where the output at hand begins, but for the first one, which has no such bound.
  private var lowerBound = ByteWriter()
  private var hasLowerBound = false
  private var lastKey = ByteWriter()
  private var grandparent = 0
  private var grandparentBytes: UInt64 = 0

  /// Entries between two calls of `pause`.
  static let sliceEntries: UInt64 = 4096
  /// An output ends when it overlaps more than this many times its size in the level below.
  private static let grandparentFactor: UInt64 = 10

  /// - Parameters:
  ///   - indexes: the range tombstones of the sources, which also go into the outputs.
  ///   - makeNumber: a file number never used before.
  ///   - pause: called every few thousand entries: other work may be done there, or the run ended by a throw.
  init(
    _ sources: [MergeSource], tombstones indexes: [RangeTombstoneIndex], _ settings: Settings,
    _ store: TableStore, makeNumber: @escaping () -> FileNumber,
    pause: @escaping () throws(LSMError) -> Void
  ) {
    self.settings = settings
    self.store = store
    self.makeNumber = makeNumber
    self.pause = pause
    iterator = MergingIterator(sources)
    tombstones = indexes.flatMap(\.tombstones)
    covering =
      tombstones.isEmpty
      ? []
      : (0..<settings.stripes.count).map {
        CoveringTombstones(indexes, at: settings.stripes.top(of: $0))
      }
  }

  /// Runs to the end; the outputs are durable, their names are not. On an error what was written is
  /// removed.
  mutating func run() throws(LSMError) -> [TableFile] {
    do throws(LSMError) {
      try merge()
      try endOutput(before: nil)
    } catch {
      output?.abandon()
      for file in outputs { file.markRemoved() }
      throw error
    }
    return outputs
  }

  private mutating func merge() throws(LSMError) {
    try iterator.seekToFirst()
    var hasKey = false
    var lastStripe = 0
    while iterator.isValid {
      let key = iterator.key
      counts.read += 1
      if counts.read % Self.sliceEntries == 0 { try pause() }
      let isSameKey = hasKey && KeyOrder.compare(lastKey.bytes, key.userKey) == 0
      if !isSameKey {
        try endOutputIfDue(key.userKey)
        lastKey.removeAll()
        lastKey.append(key.userKey)
        hasKey = true
      }
      let stripe = settings.stripes.stripe(of: key.sequence)
      if isSameKey && stripe == lastStripe {
        counts.shadowed += 1
      } else {
        lastStripe = stripe
        try take(key, stripe, isOlderVersion: isSameKey)
      }
      try iterator.next()
    }
  }

  private mutating func take(
    _ key: InternalKey, _ stripe: Int, isOlderVersion: Bool
  ) throws(LSMError) {
    if !covering.isEmpty, let newest = covering[stripe].covering(key.userKey),
      newest > key.sequence
    {
      counts.covered += 1
      return
    }
    var isReclaimable = isOlderVersion
    if key.kind == .tombstone, let bottom = settings.bottom,
      !bottom.version.mayHold(key.userKey, below: bottom.level)
    {
      if stripe == 0 {
        counts.spentTombstones += 1
        return
      }
      isReclaimable = true
    }
    let output = try currentOutput()
    try output.add(key, value: iterator.value)
    if isReclaimable { output.reclaimableCount += 1 }
    counts.written += 1
  }

  // MARK: - Outputs

  private mutating func currentOutput() throws(LSMError) -> TableOutput {
    if let output { return output }
    let new = try store.begin(makeNumber())
    output = new
    return new
  }

  private mutating func endOutputIfDue(_ next: UnsafeRawBufferPointer) throws(LSMError) {
    let crosses = passGrandparents(next)
    guard let output, !output.isEmpty else {
      grandparentBytes = 0
      return
    }
    let bytes = output.bytes
    let isDue =
      bytes >= settings.targetBytes || (crosses && bytes >= settings.targetBytes / 2)
      || (crosses && grandparentBytes / Self.grandparentFactor > settings.targetBytes)
    if isDue { try endOutput(before: next) }
  }

  /// Whether `next` lies behind a border that the key before it was not behind.
  private mutating func passGrandparents(_ next: UnsafeRawBufferPointer) -> Bool {
    let files = settings.grandparents
    var crosses = false
    while grandparent < files.count, !files[grandparent].isNotBefore(next) {
      grandparentBytes += files[grandparent].metadata.fileBytes
      grandparent += 1
      crosses = true
    }
    return crosses
  }

  /// Ends the output at hand; its range tombstones end at `bound`, which begins the next one.
  private mutating func endOutput(before bound: UnsafeRawBufferPointer?) throws(LSMError) {
    grandparentBytes = 0
    for tombstone in tombstones {
      guard let piece = clip(tombstone, upTo: bound) else { continue }
      let isSpent = settings.bottom.map {
        !$0.version.mayHold(from: piece.lower, upTo: piece.upper, below: $0.level)
      }
      if isSpent == true, settings.stripes.isSeenByAll(piece.sequence) { continue }
      let output = try currentOutput()
      try output.add(piece)
      if isSpent == true { output.reclaimableCount += 1 }
    }
    lowerBound.removeAll()
    if let bound { lowerBound.append(bound) }
    hasLowerBound = bound != nil
    guard let output else { return }
    self.output = nil
    outputs.append(try output.finish(epoch: settings.epoch))
  }

  /// The part of a range tombstone that belongs to the output at hand. Its bytes are the tombstone's, or
  /// those of the bounds.
  private func clip(
    _ tombstone: RangeTombstone, upTo bound: UnsafeRawBufferPointer?
  ) -> RangeTombstone? {
    var lower = tombstone.lower
    var upper = tombstone.upper
    if hasLowerBound, KeyOrder.compare(lower, lowerBound.bytes) < 0 { lower = lowerBound.bytes }
    if let bound, KeyOrder.compare(bound, upper) < 0 { upper = bound }
    let piece = RangeTombstone(lower: lower, upper: upper, sequence: tombstone.sequence)
    return piece.isEmpty ? nil : piece
  }
}
