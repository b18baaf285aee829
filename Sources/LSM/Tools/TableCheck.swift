/// Reads all that can be read of a table, compares it with what the table, its index and the manifest say of
/// it, and tells what is damaged and what is lost with that.
///
/// Memory: that of ``TableParts``. Blocks on disk I/O.
// SAFETY: Keys are views of the block at hand, or of `lastKey`, which is not changed while a view of it is used.
struct TableCheck {
  /// User keys between which entries are lost.
  struct Gap: Equatable {
    /// The last key that could be read before the gap; nil: none.
    var lower: [UInt8]?
    /// The first key that could be read after it; nil: none.
    var upper: [UInt8]?
    var offset: UInt64
    /// Bytes of the file; 0 when it is not known whether anything was there.
    var byteCount: UInt64
  }

  private(set) var findings: [Finding] = []
  private(set) var gaps: [Gap] = []
  /// What was counted, in the form of what the table says of itself.
  private(set) var seen = TableProperties()

  private let parts: TableParts
  private let metadata: TableMetadata?
  private var lastKey: [UInt8] = []
  private var lastTrailer: UInt64 = 0
  private var hasLast = false
  private var openGap: Gap?

  /// - Parameter metadata: what the manifest says of the table, if there is one.
  init(_ parts: TableParts, _ metadata: TableMetadata?) {
    self.parts = parts
    self.metadata = metadata
    findings = parts.problems.map(\.finding)
  }

  var isIntact: Bool { findings.isEmpty }

  /// Reads every data block.
  ///
  /// - Parameters:
  ///   - progress: gets the bytes of each block once it is read.
  ///   - visit: sees every entry that can be trusted, in strict order.
  @safe
  mutating func run(
    progress: (UInt64) -> Void = { _ in },
    _ visit: (InternalKey, UnsafeRawBufferPointer) throws(LSMError) -> Void = { _, _ in }
  ) throws(LSMError) {
    let hasIndex = parts.index != nil
    let areAllKnown = hasIndex ? true : parts.searchBlocks()
    var end: UInt64 = 0
    for (place, handle) in parts.blocks.enumerated() {
      if handle.offset > end { loseBytes(end, handle.offset - end) }
      end = handle.offset + handle.byteCount
      let block: Block
      do throws(LSMError) {
        block = try parts.dataBlock(handle)
      } catch {
        findings.append(Finding(error, in: parts.name))
        loseBytes(handle.offset, handle.byteCount)
        progress(handle.byteCount)
        continue
      }
      try take(block, handle, place, hasIndex: hasIndex, visit)
      progress(handle.byteCount)
    }
    if !areAllKnown {
      // Where the data end is known from the properties alone.
      let dataEnd = parts.properties?.storedDataBytes
      if dataEnd.map({ $0 > end }) ?? true { loseBytes(end, (dataEnd ?? end) - end) }
    }
    closeGap(before: nil)
    extendByTombstones()
    compare(hasIndex: hasIndex)
  }

  // MARK: - Blocks

  @safe
  private mutating func take(
    _ block: Block, _ handle: BlockHandle, _ place: Int, hasIndex: Bool,
    _ visit: (InternalKey, UnsafeRawBufferPointer) throws(LSMError) -> Void
  ) throws(LSMError) {
    var iterator = BlockIterator(block)
    iterator.seekToFirst()
    guard iterator.isValid else {
      note(handle, "the block has no entries")
      return
    }
    let first = iterator.key
    guard isAfterLast(first) else {
      note(handle, "the block does not come after the one before it")
      loseBytes(handle.offset, handle.byteCount)
      return
    }
    closeGap(before: first.userKey)
    if hasIndex { checkIndex(first, handle, "first") }
    var tombstoneCount = 0
    while iterator.isValid {
      let key = iterator.key
      count(key, iterator.value)
      if key.kind == .tombstone { tombstoneCount += 1 }
      checkLookup(key, block, handle)
      try unsafe visit(key, iterator.value)
      remember(key)
      iterator.next()
    }
    if hasIndex {
      lastKey.withBytes {
        unsafe checkIndex(InternalKey(userKey: $0, trailer: lastTrailer), handle, "last")
      }
    }
    seen.dataBlockCount += 1
    if tombstoneCount * 2 >= block.entryCount { seen.denseTombstoneBlockCount += 1 }
    seen.rawDataBytes += UInt64(block.byteCount)
    seen.storedDataBytes += handle.byteCount
  }

  private func isAfterLast(_ key: InternalKey) -> Bool {
    guard hasLast else { return true }
    return lastKey.withBytes {
      unsafe InternalKey.compare(InternalKey(userKey: $0, trailer: lastTrailer), key) < 0
    }
  }

  private mutating func remember(_ key: InternalKey) {
    hasLast = true
    lastKey.removeAll(keepingCapacity: true)
    unsafe lastKey.append(contentsOf: key.userKey)
    lastTrailer = key.trailer
  }

  @safe
  private mutating func count(_ key: InternalKey, _ value: UnsafeRawBufferPointer) {
    if seen.entryCount == 0 { seen.smallest = key.encoded() }
    seen.entryCount += 1
    if key.kind == .tombstone { seen.tombstoneCount += 1 }
    seen.keyBytes += UInt64(key.userKey.count)
    seen.valueBytes += UInt64(value.count)
    note(key.sequence)
  }

  private mutating func note(_ sequence: SequenceNumber) {
    seen.smallestSequence = min(seen.smallestSequence, sequence)
    seen.largestSequence = max(seen.largestSequence, sequence)
  }

  private mutating func note(_ handle: BlockHandle, _ what: String) {
    findings.append(Finding(parts.name, at: handle.offset, what))
  }

  // MARK: - Lookups

  /// A point read must get past the filter, and find the entry in this block.
  private mutating func checkLookup(_ key: InternalKey, _ block: Block, _ handle: BlockHandle) {
    if let filter = parts.filter, !filter.mayContain(BloomFilter.hash(key.userKey)) {
      note(handle, unsafe "the filter denies the key \(KeyText.readable(key.userKey))")
    }
    let found = unsafe block.find(.seeking(key.userKey, at: key.sequence))
    if unsafe found?.trailer != key.trailer {
      note(handle, unsafe "a lookup does not find the key \(KeyText.readable(key.userKey))")
    }
  }

  /// A point read must be led to this block by the index.
  private mutating func checkIndex(_ key: InternalKey, _ handle: BlockHandle, _ which: String) {
    let target = unsafe InternalKey.seeking(key.userKey, at: key.sequence)
    let led = unsafe parts.index?.firstValue(atOrAfter: target).flatMap {
      BlockHandle(varints: $0)
    }
    if led != handle {
      note(
        handle,
        unsafe "the index leads its \(which) key \(KeyText.readable(key.userKey)) to another block")
    }
  }

  // MARK: - Gaps

  private mutating func loseBytes(_ offset: UInt64, _ byteCount: UInt64) {
    if openGap == nil {
      openGap = Gap(
        lower: hasLast ? lastKey : nil, upper: nil, offset: offset, byteCount: 0)
    }
    openGap?.byteCount += byteCount
  }

  @safe
  private mutating func closeGap(before key: UnsafeRawBufferPointer?) {
    guard var gap = openGap else { return }
    gap.upper = unsafe key.map { unsafe Array($0) }
    gaps.append(gap)
    openGap = nil
  }

  // MARK: - Comparing

  private mutating func extendByTombstones() {
    if hasLast {
      seen.largest = lastKey.withBytes {
        unsafe InternalKey(userKey: $0, trailer: lastTrailer).encoded()
      }
    }
    seen.rangeTombstoneCount = UInt64(parts.tombstones.count)
    for tombstone in parts.tombstones {
      note(tombstone.sequence)
      let first = unsafe InternalKey(
        userKey: tombstone.lower, sequence: tombstone.sequence, kind: .rangeTombstone)
      let end = unsafe InternalKey.first(of: tombstone.upper)
      if seen.smallest.isEmpty || Self.isBefore(first, seen.smallest) {
        seen.smallest = first.encoded()
      }
      if seen.largest.isEmpty || !Self.isBefore(end, seen.largest) {
        seen.largest = end.encoded()
      }
    }
  }

  private static func isBefore(_ key: InternalKey, _ encoded: [UInt8]) -> Bool {
    InternalKey.withKey(encoded: encoded) { key < $0 } ?? true
  }

  /// Compares what was counted with what is said. With gaps every count would differ, which says nothing.
  private mutating func compare(hasIndex: Bool) {
    guard let properties = parts.properties else { return }
    if let metadata, let field = metadata.disagreement(with: properties) {
      findings.append(Finding(parts.name, "its \(field) are not those that the manifest says"))
    }
    guard gaps.isEmpty, hasIndex, !parts.hasProblem(.rangeTombstones) else { return }
    func compare(_ field: String, _ said: UInt64, _ counted: UInt64) {
      if said == counted { return }
      findings.append(
        Finding(parts.name, "the properties say \(field): \(said), there are \(counted)"))
    }
    compare("entries", properties.entryCount, seen.entryCount)
    compare("tombstones", properties.tombstoneCount, seen.tombstoneCount)
    compare("range tombstones", properties.rangeTombstoneCount, seen.rangeTombstoneCount)
    compare("data blocks", properties.dataBlockCount, seen.dataBlockCount)
    compare(
      "dense tombstone blocks", properties.denseTombstoneBlockCount, seen.denseTombstoneBlockCount)
    compare("key bytes", properties.keyBytes, seen.keyBytes)
    compare("value bytes", properties.valueBytes, seen.valueBytes)
    compare("raw data bytes", properties.rawDataBytes, seen.rawDataBytes)
    compare("stored data bytes", properties.storedDataBytes, seen.storedDataBytes)
    compare(
      "smallest sequence number", properties.smallestSequence.rawValue,
      seen.smallestSequence.rawValue)
    compare(
      "largest sequence number", properties.largestSequence.rawValue, seen.largestSequence.rawValue)
    for (field, said, counted) in [
      ("smallest key", properties.smallest, seen.smallest),
      ("largest key", properties.largest, seen.largest),
    ] where said != counted {
      findings.append(
        Finding(
          parts.name,
          "the properties say \(field): \(KeyText.userKey(said)), it is \(KeyText.userKey(counted))"
        ))
    }
  }
}
