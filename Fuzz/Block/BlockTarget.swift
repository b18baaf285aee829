import LSM
import TestSupport

/// The bytes of a block, taken for each content that a block may have.
enum BlockTarget: FuzzTarget {
  static let name = "block"
  static let maximumBytes = 2048

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var random = SeededGenerator(of: bytes)
    // The content only decides which kinds are taken: one walk is enough.
    for content: Block.Content in [.entries, .index, .rangeTombstones] {
      guard let block = try? Block(validating: bytes, content: content) else { continue }
      return BlockPromises.check(block, &random)
    }
  }

  static func seeds() -> [[UInt8]] { BlockSeeds.all }
}

enum BlockSeeds {
  /// The example of docs/file-formats/lsm-table.md first.
  static let all: [[UInt8]] = {
    var random = SeededGenerator(seed: 1)
    var seeds = [
      block(
        [
          Entry([0x61, 0x62], 5, value: [0xAA]), Entry([0x61, 0x62], 3, .tombstone),
          Entry([0x61, 0x63], 4),
        ], restartInterval: 2)
    ]
    for restartInterval in [1, 2, 3, 16] {
      seeds.append(block([], restartInterval: restartInterval))
      seeds.append(block([Entry([1], 7, .rangeTombstone, value: [2])], restartInterval: 1))
      for count in [1, 5, 20] {
        let entries = random.entries(count)
        seeds.append(block(entries, restartInterval: restartInterval))
        seeds.append(
          block(
            entries.map { Entry([1, 0, 0, 0, 7] + $0.key, $0.sequence, $0.kind, value: $0.value) },
            restartInterval: restartInterval))
      }
    }
    // Lengths of two bytes.
    seeds.append(
      block(
        random.entries(3, valueBytes: 130..<200) + [Entry(random.bytes(150), 9)], restartInterval: 2
      )
    )
    return seeds
  }()

  static func block(_ entries: [Entry], restartInterval: Int) -> [UInt8] {
    var builder = BlockBuilder(restartInterval: restartInterval)
    for entry in entries.sorted() {
      entry.withKey { key in entry.value.withUnsafeBytes { builder.add(key, value: $0) } }
    }
    return Array(builder.finish())
  }
}
