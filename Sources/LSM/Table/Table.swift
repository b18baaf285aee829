import Glibc

/// An open table: answers lookups and makes iterators.
///
/// Index, filter and range tombstones stay in memory as long as the table is open; data blocks come
/// from the block cache, or from the file. Every block is checked against its checksum and for its
/// structure when it is read, once.
///
/// Thread-safety: every call from any thread. Reads may block on disk I/O, unless their tier
/// forbids it.
///
/// Unsafe island: owns the pinned blocks. Invariants:
/// 1. `index`, `filter` and the bounds in `tombstones` point into `pinned`, which is freed in
///    deinit.
/// 2. The cache outlives the table, and a pin is never kept longer than the table.
// SAFETY (Sendable): nothing changes after init.
package final class Table: @unchecked Sendable {
  /// The file, for errors.
  package let path: String
  /// What the table says of itself.
  package let properties: TableProperties
  /// Bytes of index, filter and range tombstones in memory.
  package let pinnedBytes: Int
  private let file: any ReadableFile
  private let identity: UInt64
  private let cache: BlockCache
  private let cacheOwner: UInt64
  /// Data blocks end here at the latest.
  private let dataEnd: UInt64
  /// Of the block of range tombstones before compression.
  private let tombstoneBytes: Int
  let index: Block
  private let filter: BloomFilter?
  private let tombstones: RangeTombstoneIndex?
  private let pinned: PinnedBlocks

  /// Where a read may look.
  package enum ReadTier: Sendable {
    /// Block cache and file; may block. What was read is kept in the cache.
    case any
    /// As `any`, but what was read is not kept: for compactions, which read everything once.
    case anyWithoutFilling
    /// Block cache only.
    case memory
    /// Block cache, and what the operating system has of the file in memory, but for blocks over 64 KiB; does not
    /// block. What was read is kept in the cache.
    case pageCache
  }

  /// Opens a table and reads its index, filter, range tombstones and properties. Blocks on disk
  /// I/O.
  ///
  /// - Parameters:
  ///   - file: stays open as long as the table; read from any thread.
  ///   - path: for errors.
  ///   - identity: what the manifest says the table's identity is; another one is damage.
  /// - Throws: ``LSMError/corruption(_:)`` with file and offset;
  ///   ``LSMError/unsupportedFormat(path:version:)``; what the file throws.
  package init(
    file: any ReadableFile, path: String, identity: UInt64, cache: BlockCache
  ) throws(LSMError) {
    let footer = try Self.readFooter(file, path)
    guard footer.identity == identity else {
      throw .corruption(
        LSMError.Damage(
          path: path, offset: file.size - UInt64(Footer.byteCount) + 8,
          .value(field: "table identity", expected: identity, actual: footer.identity)))
    }
    let pinned = PinnedBlocks()
    func payload(_ handle: BlockHandle) throws(LSMError) -> UnsafeRawBufferPointer {
      let bytes = try unsafe Self.readPayload(file, path, identity, handle)
      unsafe pinned.keep(bytes)
      return UnsafeRawBufferPointer(bytes)
    }
    func located<R>(
      _ handle: BlockHandle, _ body: () throws(DamageInBlock) -> R
    ) throws(LSMError) -> R {
      do throws(DamageInBlock) {
        return try body()
      } catch {
        throw error.located(path: path, offset: handle.offset)
      }
    }
    let propertiesBytes = try unsafe payload(footer.properties)
    let properties = try located(footer.properties) { () throws(DamageInBlock) in
      try TableProperties(decoding: propertiesBytes)
    }
    let indexBytes = try unsafe payload(footer.index)
    let index = try located(footer.index) { () throws(DamageInBlock) in
      try unsafe Block(validating: indexBytes, content: .index)
    }
    let dataEnd = try located(footer.index) { () throws(DamageInBlock) in
      try Self.checkIndex(index, before: footer.index.offset, count: properties.dataBlockCount)
    }
    var filter: BloomFilter?
    if let handle = footer.filter {
      let bytes = try unsafe payload(handle)
      filter = try located(handle) { () throws(DamageInBlock) in
        try unsafe BloomFilter(validating: bytes)
      }
    }
    var tombstones: RangeTombstoneIndex?
    var tombstoneBytes = 0
    if let handle = footer.rangeTombstones {
      let bytes = try unsafe payload(handle)
      tombstoneBytes = bytes.count
      tombstones = try located(handle) { () throws(DamageInBlock) in
        try Self.decodeTombstones(bytes, count: properties.rangeTombstoneCount)
      }
    } else if properties.rangeTombstoneCount != 0 {
      throw .corruption(
        LSMError.Damage(
          path: path, offset: footer.properties.offset,
          .value(
            field: "range tombstones", expected: properties.rangeTombstoneCount, actual: 0)))
    }
    self.file = file
    self.path = path
    self.identity = identity
    self.cache = cache
    self.properties = properties
    self.index = index
    self.filter = filter
    self.tombstones = tombstones
    self.tombstoneBytes = tombstoneBytes
    self.pinned = pinned
    self.dataEnd = dataEnd
    pinnedBytes = pinned.byteCount
    cacheOwner = cache.makeOwner()
    file.expectRandomReads()
  }

  deinit {
    removeBlocks()
    file.close()
  }

  /// Frees what the cache has of the table, which nobody will ask for any more. O(blocks of the table).
  private func removeBlocks() {
    var iterator = BlockIterator(index)
    iterator.seekToFirst()
    while iterator.isValid {
      if let handle = BlockHandle(varints: iterator.value) {
        cache.remove(BlockCacheKey(owner: cacheOwner, offset: handle.offset))
      }
      iterator.next()
    }
  }

  // MARK: - Opening

  static func readFooter(
    _ file: any ReadableFile, _ path: String
  ) throws(LSMError) -> Footer {
    let size = file.size
    guard size >= UInt64(Footer.byteCount) else {
      throw .corruption(
        LSMError.Damage(
          path: path, offset: 0,
          .truncated(field: "footer", needed: UInt64(Footer.byteCount), available: size)))
    }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: Footer.byteCount, alignment: 8)
    defer { unsafe bytes.deallocate() }
    try file.read(into: bytes, at: size - UInt64(Footer.byteCount))
    return try Footer(decoding: UnsafeRawBufferPointer(bytes), fileBytes: size, path: path)
  }

  /// Checks that the data blocks lie one after the other, and tells where they end.
  static func checkIndex(
    _ index: Block, before limit: UInt64, count: UInt64
  ) throws(DamageInBlock) -> UInt64 {
    // A lookup relies on every entry being a restart point.
    guard UInt64(index.entryCount) == count, index.restartCount == index.entryCount else {
      throw DamageInBlock(
        .value(field: "index entries", expected: count, actual: UInt64(index.entryCount)))
    }
    var iterator = BlockIterator(index)
    iterator.seekToFirst()
    var end: UInt64 = 0
    while iterator.isValid {
      guard let handle = BlockHandle(varints: iterator.value), handle.offset == end,
        handle.fits(before: limit)
      else {
        throw DamageInBlock(.length(field: "data block in the index", value: end, limit: limit))
      }
      end += handle.byteCount
      iterator.next()
    }
    return end
  }

  @safe
  static func decodeTombstones(
    _ bytes: UnsafeRawBufferPointer, count: UInt64
  ) throws(DamageInBlock) -> RangeTombstoneIndex {
    let block = try unsafe Block(validating: bytes, content: .rangeTombstones)
    // Keys must be whole in the block, because the index borrows them from there.
    guard block.entryCount == block.restartCount, UInt64(block.entryCount) == count else {
      throw DamageInBlock(
        .value(field: "range tombstones", expected: count, actual: UInt64(block.restartCount)))
    }
    var tombstones: [RangeTombstone] = []
    tombstones.reserveCapacity(block.entryCount)
    var iterator = BlockIterator(block)
    iterator.seekToFirst()
    while iterator.isValid {
      let tombstone = unsafe RangeTombstone(
        lower: iterator.key.userKey, upper: iterator.value, sequence: iterator.key.sequence)
      guard !tombstone.isEmpty else { throw DamageInBlock(.order(field: "range tombstone")) }
      tombstones.append(tombstone)
      iterator.next()
    }
    return RangeTombstoneIndex(tombstones)
  }

  // MARK: - Blocks

  /// Reads a block's payload into fresh `malloc`ed memory that the caller frees. Memory is bounded
  /// by the file's size, and by the size a checked compressed block states.
  ///
  /// - Parameter onlyCached: whether it is read only if the operating system has it in memory;
  ///   ``LSMError/wouldBlock`` if not.
  static func readPayload(
    _ file: any ReadableFile, _ path: String, _ identity: UInt64, _ handle: BlockHandle,
    onlyCached: Bool = false
  ) throws(LSMError) -> UnsafeMutableRawBufferPointer {
    precondition(handle.fits(before: file.size))
    let size = Int(handle.byteCount)
    guard let memory = unsafe malloc(size) else {
      fatalError("out of memory: \(size) bytes of a block")
    }
    let stored = unsafe UnsafeMutableRawBufferPointer(start: memory, count: size)
    do throws(LSMError) {
      if onlyCached {
        guard file.readCached(into: stored, at: handle.offset) else { throw .wouldBlock }
      } else {
        try file.read(into: stored, at: handle.offset)
      }
    } catch {
      unsafe free(memory)
      throw error
    }
    do throws(DamageInBlock) {
      let (payload, compression) = try unsafe BlockTrailer.open(
        UnsafeRawBufferPointer(stored), identity: identity, offset: handle.offset)
      switch compression {
      case .none:
        return unsafe UnsafeMutableRawBufferPointer(start: memory, count: payload.count)
      case .zstd, .lz4:
        if !onlyCached || BlockDecompressor.statedBytes(payload) <= Self.quickBlockBytes {
          let block = try BlockDecompressor.decompress(payload, compression)
          unsafe free(memory)
          return unsafe block
        }
      }
    } catch {
      unsafe free(memory)
      throw error.located(path: path, offset: handle.offset)
    }
    unsafe free(memory)
    throw .wouldBlock
  }

  /// The data block of an index entry, pinned.
  /// - Throws: ``LSMError/wouldBlock`` when it is not where the tier may look.
  @inline(__always)
  @safe
  func dataBlock(
    _ entry: UnsafeRawBufferPointer, _ tier: ReadTier
  ) throws(LSMError) -> BlockPin {
    // The whole index was checked when the table was opened.
    guard let handle = BlockHandle(varints: entry) else {
      preconditionFailure("an index entry without a handle")
    }
    let key = BlockCacheKey(owner: cacheOwner, offset: handle.offset)
    if let pin = cache.find(key) { return pin }
    return try readDataBlock(handle, key, tier)
  }

  /// The same for an iterator, which may want the blocks after it as well.
  @safe
  func dataBlock(
    _ entry: UnsafeRawBufferPointer, _ tier: ReadTier, _ readAhead: inout ReadAhead
  ) throws(LSMError) -> BlockPin {
    guard let handle = BlockHandle(varints: entry) else {
      preconditionFailure("an index entry without a handle")
    }
    let key = BlockCacheKey(owner: cacheOwner, offset: handle.offset)
    if let pin = cache.find(key) { return pin }
    switch tier {
    case .any: readAhead.willRead(handle, isForAll: false, file)
    case .anyWithoutFilling: readAhead.willRead(handle, isForAll: true, file)
    case .memory, .pageCache: break
    }
    return try readDataBlock(handle, key, tier)
  }

  /// A larger block, stored or decompressed, is not read by who must not be held up: to decode and check this one takes
  /// some 30 microseconds.
  private static let quickBlockBytes: UInt64 = 64 << 10

  private func readDataBlock(
    _ handle: BlockHandle, _ key: BlockCacheKey, _ tier: ReadTier
  ) throws(LSMError) -> BlockPin {
    if tier == .memory || (tier == .pageCache && handle.byteCount > Self.quickBlockBytes) {
      throw .wouldBlock
    }
    let bytes = try unsafe Self.readPayload(
      file, path, identity, handle, onlyCached: tier == .pageCache)
    let block: Block
    do throws(DamageInBlock) {
      block = try unsafe Block(validating: UnsafeRawBufferPointer(bytes), content: .entries)
      // Nobody writes one, and an iterator would take it for the end of the table.
      guard block.entryCount > 0 else {
        throw DamageInBlock(.truncated(field: "the first entry", needed: 11, available: 0))
      }
    } catch {
      unsafe free(bytes.baseAddress)
      throw error.located(path: path, offset: handle.offset)
    }
    return tier == .anyWithoutFilling ? BlockPin(owning: block) : cache.insert(key, block)
  }

  // MARK: - Reading

  /// What a table knows of a key.
  package enum Lookup: Equatable, Sendable {
    /// Its newest value was visited.
    case value(SequenceNumber)
    /// It is deleted, by a tombstone or a range tombstone of this sequence number.
    case deleted(SequenceNumber)
    /// Nothing: older data decide.
    case absent
    /// The answer is not where the tier may look.
    case wouldBlock
  }

  /// Looks up the newest state of a key at a sequence number.
  ///
  /// - Parameters:
  ///   - hash: ``BloomFilter/hash(_:)`` of `userKey`, computed once for all tables.
  ///   - visit: gets the value, borrowed until it returns; called at most once.
  /// - Complexity: O(log n); at most one block is read, and none when the filter knows better.
  @inline(__always)
  @safe
  package func get(
    _ userKey: UnsafeRawBufferPointer, hash: UInt64, at sequence: SequenceNumber, tier: ReadTier,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(LSMError) -> Lookup {
    let covering = tombstones?.newestCovering(userKey, at: sequence)
    if let filter, !filter.mayContain(hash) { return covering.map { .deleted($0) } ?? .absent }
    let target = unsafe InternalKey.seeking(userKey, at: sequence)
    // No separator is between a key's seek and its entries, so one block decides.
    guard let handle = unsafe index.firstValue(atOrAfter: target) else {
      return covering.map { .deleted($0) } ?? .absent
    }
    let pin: BlockPin
    do throws(LSMError) {
      pin = try dataBlock(handle, tier)
    } catch .wouldBlock {
      return .wouldBlock
    }
    guard let entry = unsafe pin.block.find(target) else {
      return covering.map { .deleted($0) } ?? .absent
    }
    let found = unsafe SequenceNumber(trailer: entry.trailer)
    if let covering, covering > found { return .deleted(covering) }
    guard unsafe UInt8(truncatingIfNeeded: entry.trailer) == EntryKind.value.rawValue else {
      return .deleted(found)
    }
    unsafe visit(entry.value)
    return .value(found)
  }

  /// The newest range tombstone at or below `sequence` that covers `userKey`.
  @safe
  package func newestCovering(
    _ userKey: UnsafeRawBufferPointer, at sequence: SequenceNumber
  ) -> SequenceNumber? {
    tombstones?.newestCovering(userKey, at: sequence)
  }

  /// What an index, or a block of range tombstones, could take before compression in a table that this one is
  /// merged into: an index entry of its own for each entry. Unit: bytes.
  var maximumIndexBytes: UInt64 {
    let entries = properties.entryCount.multipliedReportingOverflow(
      by: UInt64(TableFormat.indexEntryOverheadBytes))
    let index = properties.keyBytes.addingReportingOverflow(entries.partialValue)
    // What the properties say may be any number; sums of these must not overflow.
    let limit = UInt64(TableFormat.maximumIndexBytes) + 1
    if entries.overflow || index.overflow { return limit }
    return min(max(index.partialValue, UInt64(tombstoneBytes)), limit)
  }

  /// The range tombstones as an index, if there are any; valid as long as the table.
  var rangeTombstoneIndex: RangeTombstoneIndex? { tombstones }

  /// The range tombstones, newest first; valid as long as the table.
  package var rangeTombstones: [RangeTombstone] { tombstones?.tombstones ?? [] }

  /// Whether the filter lets a key with this hash through; true without a filter.
  package func mayContain(_ hash: UInt64) -> Bool { filter?.mayContain(hash) ?? true }

  /// An iterator over the entries that is on none yet. Range tombstones are not among them.
  package func makeIterator(tier: ReadTier) -> TableIterator { TableIterator(self, tier) }
}

/// Blocks that live as long as their table.
///
/// Unsafe island. Invariant: each is `malloc`ed and freed in deinit only.
@safe
private final class PinnedBlocks {
  private var blocks: [UnsafeMutableRawBufferPointer] = unsafe []
  private(set) var byteCount = 0

  deinit {
    for index in unsafe blocks.indices { unsafe free(blocks[index].baseAddress) }
  }

  func keep(_ block: UnsafeMutableRawBufferPointer) {
    unsafe blocks.append(block)
    byteCount += block.count
  }
}
