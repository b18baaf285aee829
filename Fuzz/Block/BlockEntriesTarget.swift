import LSM

/// The entries of a block alone. What stands behind them, and must agree with them, is made here, so
/// that an input gets past it: prefixes, offsets, common and counts.
///
///     0   4 bits: the longest distance of restart points, from 0 for 1
///         4 bits: the longest common prefix, 15 for as long as it is
///     1   entries, as BlockBuilder draws them
enum BlockEntriesTarget: FuzzTarget {
  static let name = "block-entries"
  static let maximumBytes = 2048

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard let control = bytes.first else { return }
    let block = completed(
      Array(bytes.dropFirst()), distance: Int(control & 15) + 1,
      maximumCommon: control >> 4 == 15 ? .max : Int(control >> 4))
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: block.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: block)
    BlockTarget.run(UnsafeRawBufferPointer(copy))
  }

  static func seeds() -> [[UInt8]] {
    BlockSeeds.all.flatMap { block -> [[UInt8]] in
      let restarts = Int(block.littleEndian(UInt32.self, at: block.count - 4))
      let entries = block.dropLast(restarts * 12 + 12)
      return [0xF0, 0xF1, 0xF2, 0xFF, 0x20].map { [$0] + entries }
    }
  }

  /// What is left of entries that end inside their block, and the end of the block.
  private static func completed(
    _ bytes: [UInt8], distance: Int, maximumCommon: Int
  ) -> [UInt8] {
    var keys: [[UInt8]] = []
    var restarts: [(offset: Int, key: [UInt8])] = []
    var end = 0
    var sinceRestart = 0
    while let entry = Lengths(bytes, at: end) {
      let rest = bytes[entry.rest..<(entry.rest + entry.unshared)]
      let key = (keys.last?.prefix(entry.shared) ?? []) + rest
      if entry.shared == 0, keys.isEmpty || sinceRestart + 1 >= distance {
        restarts.append((end, Array(key)))
        sinceRestart = 0
      } else {
        sinceRestart += 1
      }
      keys.append(Array(key))
      end = entry.end
    }
    let first = keys.first ?? []
    let last = keys.last ?? []
    let common = min(zip(first, last).prefix { $0 == $1 }.count, maximumCommon)
    var block = Array(bytes[..<end])
    for restart in restarts {
      let prefix = (restart.key.dropFirst(common) + [UInt8](repeating: 0, count: 8)).prefix(8)
      block.append(littleEndian: prefix.reduce(0 as UInt64) { $0 << 8 | UInt64($1) })
    }
    for restart in restarts { block.append(littleEndian: UInt32(restart.offset)) }
    for number in [common, keys.count, restarts.count] {
      block.append(littleEndian: UInt32(number))
    }
    return block
  }

  /// The lengths of one entry that lies inside.
  private struct Lengths {
    let shared: Int
    let unshared: Int
    let rest: Int
    let end: Int

    init?(_ bytes: [UInt8], at offset: Int) {
      var at = offset
      func varint() -> Int? {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
          guard at < bytes.count else { return nil }
          let byte = bytes[at]
          at += 1
          value |= Int(byte & 0x7F) << shift
          if byte < 0x80 { return value }
        }
        return nil
      }
      guard let shared = varint(), let unshared = varint(), let value = varint() else { return nil }
      self.shared = shared
      self.unshared = unshared
      rest = at
      end = at + unshared + InternalKey.trailerBytes + value
      guard end <= bytes.count else { return nil }
    }
  }
}
