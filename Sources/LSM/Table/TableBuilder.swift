import Bytes

/// Writes sorted entries as a table, see ``TableFormat``.
///
/// The caller makes the file, and syncs and closes it after ``finish()``: only then is the table
/// whole. After an error the file is of no use.
///
/// Thread-safety: none; one owner at a time. Blocks on disk I/O.
// SAFETY: What blocks and writers lend is copied before they change. Slices end at lengths that were found in
// the same bytes.
package struct TableBuilder: ~Copyable {
  private let file: any WritableFile
  private let path: String
  private let identity: UInt64
  private let options: TableOptions

  private var block: BlockBuilder
  private var index = BlockBuilder(restartInterval: 1)
  private var compressor = BlockCompressor()
  private var filterHashes: [UInt64] = []
  private var tombstones: [(key: [UInt8], upper: [UInt8], sequence: SequenceNumber)] = []
  /// Of the block that the range tombstones become, at most.
  private var tombstoneBytes = 0
  private var properties = TableProperties()

  private var lastKey = ByteWriter()
  private var lastTrailer: UInt64 = 0
  private var blockTombstones = 0
  private var hasLZ4 = false
  /// What waits to be written to the file, in large pieces.
  private var pending = ByteWriter()
  private var stored = ByteWriter()
  private var handleBytes = ByteWriter()
  private var offset: UInt64 = 0

  /// Bytes written since the last hint to write them to the disk.
  private var unwrittenBytes = 0

  private static let writeBytes = 256 << 10
  private static let writebackBytes = 1 << 20

  /// - Parameters:
  ///   - file: empty.
  ///   - path: for errors.
  ///   - identity: a number that no other table has, as far as chance allows: the manifest keeps it, and a
  ///     reader asks for it.
  package init(
    file: any WritableFile, path: String, identity: UInt64, options: TableOptions = TableOptions()
  ) {
    self.file = file
    self.path = path
    self.identity = identity
    self.options = options
    block = BlockBuilder(restartInterval: options.restartInterval)
  }

  /// Bytes of the data blocks so far, and of the block at hand, the index and the range tombstones before
  /// compression: what the table takes on the disk, and in memory once it is open.
  package var sizeBytes: UInt64 {
    offset + UInt64(block.byteCount) + UInt64(index.byteCount) + UInt64(tombstoneBytes)
  }

  /// Whether neither an entry nor a range tombstone was added.
  package var isEmpty: Bool { properties.entryCount == 0 && tombstones.isEmpty }

  // MARK: - Adding

  /// Adds an entry.
  ///
  /// - Throws: ``LSMError/unsortedKeys(path:)`` when `key` is not after the one before it;
  ///   ``LSMError/tooLarge(bytes:limit:)``; what the file throws.
  @safe
  package mutating func add(
    _ key: InternalKey, value: UnsafeRawBufferPointer
  ) throws(LSMError) {
    guard let kind = key.kind, kind != .rangeTombstone else {
      preconditionFailure("only values and tombstones are entries")
    }
    try checkSizes(key.userKey.count, value.count)
    var isNewUserKey = true
    if properties.entryCount > 0 {
      let order = unsafe KeyOrder.compare(lastKey.bytes, key.userKey)
      guard order < 0 || (order == 0 && lastTrailer > key.trailer) else {
        throw .unsortedKeys(path: path)
      }
      isNewUserKey = order != 0
    }
    if !block.isEmpty,
      block.byteCount >= options.blockBytes
        || block.byteCount + key.userKey.count + value.count > TableFormat.maximumEntryBytes
    {
      try finishDataBlock(next: key)
    }
    block.add(key, value: value)
    if isNewUserKey {
      lastKey.removeAll()
      lastKey.append(key.userKey)
      if options.filterBitsPerKey > 0 { filterHashes.append(BloomFilter.hash(key.userKey)) }
    }
    lastTrailer = key.trailer
    if properties.entryCount == 0 { properties.smallest = key.encoded() }
    properties.entryCount += 1
    properties.keyBytes += UInt64(key.userKey.count)
    properties.valueBytes += UInt64(value.count)
    if kind == .tombstone {
      properties.tombstoneCount += 1
      blockTombstones += 1
    }
    note(key.sequence)
  }

  /// Adds a range tombstone; in any order, also between entries. An empty range is left out.
  ///
  /// - Throws: ``LSMError/tooLarge(bytes:limit:)``.
  package mutating func add(_ tombstone: RangeTombstone) throws(LSMError) {
    guard !tombstone.isEmpty else { return }
    try checkSizes(tombstone.lower.count, tombstone.upper.count)
    tombstoneBytes += Self.blockBytes(of: tombstone)
    guard tombstoneBytes <= TableFormat.maximumIndexBytes - BlockBuilder.footerBytes else {
      throw .tooLarge(bytes: tombstoneBytes, limit: TableFormat.maximumIndexBytes)
    }
    unsafe tombstones.append((Array(tombstone.lower), Array(tombstone.upper), tombstone.sequence))
    note(tombstone.sequence)
  }

  /// What a range tombstone takes in its block, at most.
  static func blockBytes(of tombstone: RangeTombstone) -> Int {
    tombstone.lower.count + tombstone.upper.count + TableFormat.indexEntryOverheadBytes
  }

  private func checkSizes(_ keyBytes: Int, _ valueBytes: Int) throws(LSMError) {
    guard keyBytes <= TableFormat.maximumKeyBytes else {
      throw .tooLarge(bytes: keyBytes, limit: TableFormat.maximumKeyBytes)
    }
    let limit = TableFormat.maximumEntryBytes
    guard valueBytes <= limit - keyBytes else {
      throw .tooLarge(bytes: keyBytes + valueBytes, limit: limit)
    }
  }

  private mutating func note(_ sequence: SequenceNumber) {
    properties.smallestSequence = min(properties.smallestSequence, sequence)
    properties.largestSequence = max(properties.largestSequence, sequence)
  }

  // MARK: - Blocks

  /// Writes the block at hand, and its index entry.
  /// - Parameter next: the first key of the next block, nil for the last.
  private mutating func finishDataBlock(next: InternalKey?) throws(LSMError) {
    properties.dataBlockCount += 1
    if blockTombstones * 2 >= block.entryCount { properties.denseTombstoneBlockCount += 1 }
    blockTombstones = 0
    let raw = unsafe block.finish()
    properties.rawDataBytes += UInt64(raw.count)
    let compression = compressor.compress(raw, with: options.compression, into: &stored)
    block.reset()
    let handle = try writeStored(compression)
    properties.storedDataBytes += handle.byteCount
    handleBytes.removeAll()
    handle.append(to: &handleBytes)
    let separator = unsafe Self.separator(lastKey.bytes, lastTrailer, next)
    let indexBytes =
      index.byteCount + separator.userKey.count + TableFormat.indexEntryOverheadBytes
    guard indexBytes <= TableFormat.maximumIndexBytes else {
      throw .tooLarge(bytes: indexBytes, limit: TableFormat.maximumIndexBytes)
    }
    unsafe index.add(separator, value: handleBytes.bytes)
  }

  /// The shortest key at or after the last of a block and before the first of the next.
  @safe
  private static func separator(
    _ last: UnsafeRawBufferPointer, _ trailer: UInt64, _ next: InternalKey?
  ) -> InternalKey {
    guard let next else { return unsafe InternalKey(userKey: last, trailer: trailer) }
    let shared = KeyOrder.sharedLength(last, next.userKey)
    // The versions of one key are on both sides: only the last one itself is between them.
    if shared == next.userKey.count { return unsafe InternalKey(userKey: last, trailer: trailer) }
    return unsafe .first(of: UnsafeRawBufferPointer(rebasing: next.userKey[...shared]))
  }

  /// Seals and writes the payload in `stored`.
  private mutating func writeStored(_ compression: Compression) throws(LSMError) -> BlockHandle {
    if compression == .lz4 { hasLZ4 = true }
    BlockTrailer.seal(&stored, compression, identity: identity, offset: offset)
    let handle = BlockHandle(offset: offset, byteCount: UInt64(stored.count))
    unsafe pending.append(stored.bytes)
    offset += handle.byteCount
    if pending.count >= Self.writeBytes { try writePending() }
    return handle
  }

  private mutating func writePending() throws(LSMError) {
    guard !pending.isEmpty else { return }
    try unsafe file.append(pending.bytes)
    unwrittenBytes += pending.count
    pending.removeAll()
    // Little by little: one fsync of a whole table would hold up the syncs of the log.
    if unwrittenBytes >= Self.writebackBytes {
      file.startWriteback()
      unwrittenBytes = 0
    }
  }

  // MARK: - Finishing

  /// Writes what is left, index, filter, properties and footer. Does not sync.
  ///
  /// - Precondition: the last call.
  package mutating func finish() throws(LSMError) -> TableProperties {
    if !block.isEmpty { try finishDataBlock(next: nil) }
    if properties.entryCount > 0 {
      properties.largest = unsafe InternalKey(userKey: lastKey.bytes, trailer: lastTrailer)
        .encoded()
    }
    let rangeTombstones = try writeTombstones()
    var filter: BlockHandle?
    if !filterHashes.isEmpty {
      let bytes = BloomFilter.build(filterHashes, bitsPerKey: options.filterBitsPerKey)
      filter = try write(bytes)
    }
    let indexCompression = unsafe compressor.compress(
      index.finish(), with: options.compression, into: &stored)
    let indexHandle = try writeStored(indexCompression)
    let propertiesHandle = try write(properties.encoded())
    let footer = Footer(
      identity: identity, fileBytes: offset + UInt64(Footer.byteCount), index: indexHandle,
      filter: filter, rangeTombstones: rangeTombstones, properties: propertiesHandle,
      hasLZ4: hasLZ4)
    pending.append(footer.encoded())
    offset += UInt64(Footer.byteCount)
    try writePending()
    return properties
  }

  private mutating func write(_ bytes: [UInt8]) throws(LSMError) -> BlockHandle {
    bytes.withBytes { _ = compressor.compress($0, with: .none, into: &stored) }
    return try writeStored(.none)
  }

  private mutating func writeTombstones() throws(LSMError) -> BlockHandle? {
    guard !tombstones.isEmpty else { return nil }
    properties.rangeTombstoneCount = UInt64(tombstones.count)
    tombstones.sort {
      $0.key == $1.key ? $0.sequence > $1.sequence : $0.key.lexicographicallyPrecedes($1.key)
    }
    var block = BlockBuilder(restartInterval: 1)
    for (place, tombstone) in tombstones.enumerated() {
      if place > 0, tombstone.key == tombstones[place - 1].key,
        tombstone.sequence == tombstones[place - 1].sequence
      {
        throw .unsortedKeys(path: path)
      }
      tombstone.key.withBytes { lower in
        tombstone.upper.withBytes { upper in
          unsafe block.add(
            InternalKey(userKey: lower, sequence: tombstone.sequence, kind: .rangeTombstone),
            value: upper)
          extendBounds(lower, upper, tombstone.sequence)
        }
      }
    }
    let compression = unsafe compressor.compress(
      block.finish(), with: options.compression, into: &stored)
    return try writeStored(compression)
  }

  @safe
  private mutating func extendBounds(
    _ lower: UnsafeRawBufferPointer, _ upper: UnsafeRawBufferPointer, _ sequence: SequenceNumber
  ) {
    let first = unsafe InternalKey(userKey: lower, sequence: sequence, kind: .rangeTombstone)
    let end = unsafe InternalKey.first(of: upper)
    let startsFirst = InternalKey.withKey(encoded: properties.smallest) { first < $0 } ?? true
    if startsFirst { properties.smallest = first.encoded() }
    let endsLast = InternalKey.withKey(encoded: properties.largest) { $0 < end } ?? true
    if endsLast { properties.largest = end.encoded() }
  }
}
