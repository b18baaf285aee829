import LSM
import TestSupport

/// Small tables of the real builder.
enum TableSeeds {
  static var fixtures: [TableFixture] {
    get throws {
      var random = SeededGenerator(seed: 4)
      var options = TableOptions()
      options.restartInterval = 2
      options.compression = .none
      // The example of docs/file-formats/lsm-table.md first.
      var fixtures = [
        try TableFixture(
          [
            Entry([0x61, 0x62], 5, value: [0xAA]), Entry([0x61, 0x62], 3, .tombstone),
            Entry([0x61, 0x63], 4),
          ], deletions: [.init(lower: [0x62], upper: [0x64], sequence: 6)], options: options),
        try TableFixture([], options: options),
        try TableFixture(
          [], deletions: [.init(lower: [1], upper: [3], sequence: 7)], options: options),
      ]
      for (blockBytes, compression, filterBits) in [
        (1, Compression.none, 0), (1, .none, 10), (100, .none, 0), (100, .none, 10),
        (400, .zstd, 0), (400, .zstd, 10), (400, .lz4, 0), (400, .lz4, 10),
      ] {
        options.blockBytes = blockBytes
        options.compression = compression
        options.filterBitsPerKey = filterBits
        fixtures.append(
          try TableFixture(
            random.entries(blockBytes == 1 ? 6 : 24, valueBytes: 0..<12),
            deletions: filterBits == 0
              ? []
              : [
                .init(lower: [0x61], upper: [0x62], sequence: 100),
                .init(lower: [], upper: [1], sequence: 101),
                .init(lower: [0x61], upper: [0x80], sequence: 4),
              ], options: options))
      }
      return fixtures
    }
  }
}
