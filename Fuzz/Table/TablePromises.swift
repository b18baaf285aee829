import LSM
import TestSupport

/// What holds of every table file, whatever its bytes.
enum TablePromises {
  private static let lookupCount = 24
  private static let cacheBytes = 256 << 10

  /// The only errors that bytes may lead to.
  static func check(_ error: LSMError) {
    if case .unsupportedFormat = error { return }
    guard case .corruption(let damage) = error else {
      return require(false, "wrong bytes are damage, not \(error)")
    }
    require(damage.path == TableFixture.path, "damage names the file")
  }

  /// - Returns: whether the table opened.
  @discardableResult
  static func check(_ bytes: [UInt8], _ random: inout SeededGenerator) -> Bool {
    guard bytes.count >= Footer.byteCount else {
      require(open(bytes, identity: 0, BlockCache(capacityBytes: 0)) == nil, "no footer, no table")
      return false
    }
    let identity = bytes.littleEndian(UInt64.self, at: bytes.count - Footer.byteCount + 8)
    let cache = BlockCache(capacityBytes: Bool.random(using: &random) ? cacheBytes : 0)
    guard let table = open(bytes, identity: identity, cache) else { return false }
    require(open(bytes, identity: ~identity, cache) == nil, "another table's identity is refused")
    guard let model = TableModel(bytes) else {
      require(false, "a table that opens has an index")
      return false
    }
    require(table.rangeTombstones.count == model.tombstones.count, "range tombstones are all there")
    for tier: Table.ReadTier in [.any, .anyWithoutFilling] {
      let iterator = table.makeIterator(tier: tier)
      checkWalk(iterator, model.blocks, forward: true)
      let reversed = model.blocks.reversed().map { $0.map { Array($0.reversed()) } }
      checkWalk(iterator, reversed, forward: false)
    }
    let known =
      model.entries + model.tombstones + model.separators
      + model.tombstones.map { RawEntry(key: $0.value, trailer: .max) }
    for _ in 0..<lookupCount { checkLookup(table, model, random.target(near: known)) }
    return true
  }

  private static func open(_ bytes: [UInt8], identity: UInt64, _ cache: BlockCache) -> Table? {
    do throws(LSMError) {
      return try Table(
        file: BytesFile(bytes, path: TableFixture.path), path: TableFixture.path,
        identity: identity, cache: cache)
    } catch {
      check(error)
      return nil
    }
  }

  /// All entries in order, up to the first block that cannot be read: there it must throw.
  private static func checkWalk(
    _ iterator: TableIterator, _ blocks: [[RawEntry]?], forward: Bool
  ) {
    let readable = blocks.prefix { $0 != nil }
    var rest = readable.flatMap { $0 ?? [] }[...]
    do throws(LSMError) {
      if forward { try iterator.seekToFirst() } else { try iterator.seekToLast() }
      while let entry = RawEntry(iterator) {
        require(entry == rest.popFirst(), "an iterator shows what the blocks hold")
        if forward { try iterator.next() } else { try iterator.previous() }
      }
      require(readable.count == blocks.count, "an iterator says the end only at the end")
    } catch {
      check(error)
      require(readable.count < blocks.count, "an iterator throws only at a block that is damaged")
      require(!iterator.isValid, "an iterator stands nowhere after an error")
    }
    require(rest.isEmpty, "an iterator leaves nothing out")
  }

  private static func checkLookup(_ table: Table, _ model: TableModel, _ target: RawEntry) {
    let sequence = target.sequence
    let (covering, passesFilter) = target.key.withUnsafeBytes { key in
      (
        table.newestCovering(key, at: SequenceNumber(rawValue: sequence)),
        table.mayContain(BloomFilter.hash(key))
      )
    }
    require(
      covering?.rawValue == model.newestCovering(target.key, at: sequence),
      "newestCovering is a linear scan")
    let isComparable = model.isReadable && model.isOrdered
    do throws(LSMError) {
      let expected = model.answer(target.key, at: sequence, passesFilter: passesFilter)
      let comparesAnswers = isComparable && model.separatesKeys
      let inMemory = try table.answer(target.key, at: sequence, tier: .memory)
      require(
        !comparesAnswers || inMemory == expected || inMemory == .wouldBlock,
        "a lookup in memory is a linear scan, or would block")
      let answer = try table.answer(target.key, at: sequence)
      require(!comparesAnswers || answer == expected, "a lookup is a linear scan")
      try checkSeeks(table, isComparable ? model.entries : nil, target)
    } catch {
      check(error)
      require(!isComparable, "what can be read does not throw")
    }
  }

  private static func checkSeeks(
    _ table: Table, _ entries: [RawEntry]?, _ target: RawEntry
  ) throws(LSMError) {
    let iterator = table.makeIterator(tier: .any)
    try target.withKey { (key) throws(LSMError) in try iterator.seek(key) }
    let index = entries?.firstIndex { !($0 < target) }
    if let entries {
      require(RawEntry(iterator) == index.map { entries[$0] }, "seek is a linear scan")
    }
    try target.withKey { (key) throws(LSMError) in try iterator.seekBefore(key) }
    if let entries {
      let before = (index ?? entries.count) - 1
      require(
        RawEntry(iterator) == (before < 0 ? nil : entries[before]), "seekBefore is a linear scan")
    }
  }
}
