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
/// A table is ended only between two user keys, once data, index and range tombstones are as large as they
/// should be together. Range tombstones are cut at the same places, so that each table answers alone for the
/// keys between its bounds.
///
/// Thread-safety: none; one owner, on one thread. Blocks on disk I/O.
// SAFETY: What writers lend is compared or copied before they change. `bound` is a key of a source, which stays until
// the source moves on.
struct MergeRun: ~Copyable {
  struct Settings {
    var stripes: SnapshotStripes
    /// The version and level below which tombstones have to find something; nil keeps them all.
    var bottom: (version: Version, level: Int)?
    /// What outputs are ended at, as ``TableBuilder/sizeBytes`` counts; `.max`: there is one, whatever it takes.
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
  /// All range tombstones of the sources, when there is one output.
  private var tombstones: [RangeTombstone] = []
  /// The same, to be spread over several outputs.
  private var rows: TombstoneRows?
  /// Of `rows`, what belongs to the output at hand so far.
  private var waitingBytes: UInt64 = 0
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

  /// The most entries between two calls of `pause`.
  static let sliceEntries: UInt64 = 4096
  /// The bytes of entries after which `pause` is called in any case.
  private static let sliceBytes = 4 << 20
  private var bytesSincePause = 0
  /// An output ends when it overlaps more than this many times its size in the level below.
  private static let grandparentFactor: UInt64 = 10

  /// - Parameters:
  ///   - indexes: the range tombstones of the sources, which also go into the outputs.
  ///   - makeNumber: a file number never used before.
  ///   - pause: called every few thousand entries or few megabytes: other work may be done there, or the run
  ///     ended by a throw.
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
    let tombstones = indexes.flatMap(\.tombstones)
    if settings.targetBytes == .max {
      self.tombstones = tombstones
    } else if !tombstones.isEmpty {
      rows = TombstoneRows(tombstones, settings.stripes)
    }
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
      try passTombstones(through: nil)
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
      bytesSincePause += key.userKey.count + iterator.value.count
      if counts.read % Self.sliceEntries == 0 || bytesSincePause > Self.sliceBytes {
        bytesSincePause = 0
        try pause()
      }
      let isSameKey = unsafe hasKey && KeyOrder.compare(lastKey.bytes, key.userKey) == 0
      if !isSameKey {
        try passTombstones(through: key.userKey)
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

  private var outputBytes: UInt64 {
    (output.map { $0.isEmpty ? 0 : $0.sizeBytes } ?? 0) + waitingBytes
  }

  /// Counts the range tombstones that begin at or before `next` as part of the output at hand, which is ended
  /// before those that make it too large.
  @inline(__always)
  @safe
  private mutating func passTombstones(through next: UnsafeRawBufferPointer?) throws(LSMError) {
    while let piece = rows?.next(through: next) {
      let bytes = UInt64(TableBuilder.blockBytes(of: piece))
      // All keys so far are before the piece: it was not passed at the last one.
      if outputBytes > 0, outputBytes + bytes > settings.targetBytes {
        try endOutput(before: piece.lower)
        try pause()
      }
      rows?.pass()
      waitingBytes += bytes
    }
  }

  @safe
  private mutating func endOutputIfDue(_ next: UnsafeRawBufferPointer) throws(LSMError) {
    let crosses = passGrandparents(next)
    let bytes = outputBytes
    if bytes == 0 {
      grandparentBytes = 0
      return
    }
    let isDue =
      bytes >= settings.targetBytes || (crosses && bytes >= settings.targetBytes / 2)
      || (crosses && grandparentBytes / Self.grandparentFactor > settings.targetBytes)
    if isDue { try endOutput(before: next) }
  }

  /// Whether `next` is past the end of a grandparent that the key before it was not past.
  @safe
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
  @safe
  private mutating func endOutput(before bound: UnsafeRawBufferPointer?) throws(LSMError) {
    grandparentBytes = 0
    for tombstone in tombstones { try write(tombstone) }
    if var rows {
      self.rows = nil
      try unsafe rows.take(from: hasLowerBound ? lowerBound.bytes : nil, before: bound) {
        (piece) throws(LSMError) in try write(piece)
      }
      waitingBytes = unsafe bound.map { rows.waitingBytes(from: $0) } ?? 0
      self.rows = rows
    }
    lowerBound.removeAll()
    if let bound = unsafe bound { lowerBound.append(bound) }
    hasLowerBound = unsafe bound != nil
    guard let output else { return }
    self.output = nil
    outputs.append(try output.finish(epoch: settings.epoch))
  }

  private mutating func write(_ tombstone: RangeTombstone) throws(LSMError) {
    let isSpent = settings.bottom.map {
      !$0.version.mayHold(from: tombstone.lower, upTo: tombstone.upper, below: $0.level)
    }
    if isSpent == true, settings.stripes.isSeenByAll(tombstone.sequence) { return }
    let output = try currentOutput()
    try output.add(tombstone)
    if isSpent == true { output.reclaimableCount += 1 }
  }
}
