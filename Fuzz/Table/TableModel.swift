import Glibc
import LSM

/// A table read in the plainest way: all blocks, one after the other.
struct TableModel {
  /// Nil for a block that cannot be read, or that holds nothing.
  let blocks: [[RawEntry]?]
  /// As entries of the index.
  let separators: [RawEntry]
  let tombstones: [RawEntry]
  let entries: [RawEntry]
  /// Whether each block's entries are between the separators around it. A checksum that is right says
  /// so; readers rely on it.
  let isOrdered: Bool
  /// Whether no separator stands among the versions of a key, but as the last entry of its block.
  let separatesKeys: Bool

  /// Nil when index or range tombstones cannot be read.
  init?(_ bytes: [UInt8]) {
    let start = bytes.count - Footer.byteCount
    guard start >= 0 else { return nil }
    let footer = bytes[start...].withUnsafeBytes {
      try? Footer(decoding: $0, fileBytes: UInt64(bytes.count), path: TableFixture.path)
    }
    guard let footer,
      let separators = Self.block(bytes, footer.index, footer.identity, .index)
    else { return nil }
    self.separators = separators
    var tombstones: [RawEntry] = []
    if let handle = footer.rangeTombstones {
      guard let found = Self.block(bytes, handle, footer.identity, .rangeTombstones) else {
        return nil
      }
      tombstones = found
    }
    self.tombstones = tombstones
    let blocks = separators.map { separator in
      Self.handle(separator.value, before: start)
        .flatMap { Self.block(bytes, $0, footer.identity, .entries) }
        .flatMap { $0.isEmpty ? nil : $0 }
    }
    self.blocks = blocks
    entries = blocks.flatMap { $0 ?? [] }
    isOrdered = Self.isOrdered(blocks, separators)
    separatesKeys = zip(separators, blocks).allSatisfy { separator, block in
      separator.trailer == .max
        || (block?.last).map { $0.key == separator.key && $0.trailer == separator.trailer } ?? false
    }
  }

  var isReadable: Bool { !blocks.contains { $0 == nil } }

  private static func isOrdered(_ blocks: [[RawEntry]?], _ separators: [RawEntry]) -> Bool {
    var before: RawEntry?
    for (separator, block) in zip(separators, blocks) {
      guard let first = block?.first, let last = block?.last, !(separator < last) else {
        return false
      }
      if let before, !(before < first) { return false }
      before = separator
    }
    return true
  }

  /// The newest range tombstone over a key.
  func newestCovering(_ key: [UInt8], at sequence: UInt64) -> UInt64? {
    tombstones.filter {
      $0.sequence <= sequence && !key.lexicographicallyPrecedes($0.key)
        && key.lexicographicallyPrecedes($0.value)
    }.map(\.sequence).max()
  }

  func answer(_ key: [UInt8], at sequence: UInt64, passesFilter: Bool) -> TableAnswer {
    let covering = newestCovering(key, at: sequence)
    let entry = passesFilter ? entries.first { $0.key == key && $0.sequence <= sequence } : nil
    guard let entry, covering.map({ $0 <= entry.sequence }) ?? true else {
      return covering.map { .deleted($0) } ?? .absent
    }
    return entry.kind == .value ? .value(entry.value, entry.sequence) : .deleted(entry.sequence)
  }

  // MARK: - Blocks

  static func handle(_ varints: [UInt8], before end: Int) -> TableSealing.Handle? {
    var numbers: [UInt64] = [0]
    var shift: UInt64 = 0
    for byte in varints {
      guard shift < 63 else { return nil }
      numbers[numbers.count - 1] |= UInt64(byte & 0x7F) << shift
      shift += 7
      if byte < 0x80 {
        numbers.append(0)
        shift = 0
      }
    }
    guard numbers.count == 3, shift == 0 else { return nil }
    return TableSealing.Handle(numbers[0], numbers[1], before: end)
  }

  private static func block(
    _ bytes: [UInt8], _ handle: BlockHandle, _ identity: UInt64, _ content: Block.Content
  ) -> [RawEntry]? {
    TableSealing.Handle(handle.offset, handle.byteCount, before: bytes.count)
      .flatMap { block(bytes, $0, identity, content) }
  }

  /// The entries of a block; nil when it cannot be read.
  static func block(
    _ bytes: [UInt8], _ handle: TableSealing.Handle, _ identity: UInt64, _ content: Block.Content
  ) -> [RawEntry]? {
    bytes[handle.begin..<handle.end].withUnsafeBytes { stored in
      guard
        let (payload, compression) = try? BlockTrailer.open(
          stored, identity: identity, offset: UInt64(handle.begin))
      else { return nil }
      guard compression != .none else { return entries(of: payload, content) }
      guard !CompressedBlockTarget.statesTooMuch(payload),
        let raw = try? BlockDecompressor.decompress(payload, compression)
      else { return nil }
      defer { free(raw.baseAddress) }
      return entries(of: UnsafeRawBufferPointer(raw), content)
    }
  }

  static func entries(
    of payload: UnsafeRawBufferPointer, _ content: Block.Content
  ) -> [RawEntry]? {
    guard let block = try? Block(validating: payload, content: content) else { return nil }
    var iterator = BlockIterator(block)
    return BlockPromises.entries(&iterator)
  }
}
