import LSM
import Testing

@Suite("Bloom filter") struct BloomFilterTests {
  private static func hash(_ number: UInt64) -> UInt64 {
    withUnsafeBytes(of: number) { BloomFilter.hash($0) }
  }

  @Test(arguments: [1, 7, 51, 1000, 50_000], [1, 4, 10, 30])
  func neverMissesAKey(count: Int, bitsPerKey: Int) throws {
    let hashes = (0..<UInt64(count)).map(Self.hash)
    let bytes = BloomFilter.build(hashes, bitsPerKey: bitsPerKey)
    try bytes.withUnsafeBytes {
      let filter = try BloomFilter(validating: $0)
      #expect(hashes.allSatisfy(filter.mayContain))
    }
  }

  @Test func letsAboutOneInAHundredThroughByMistake() throws {
    let bytes = BloomFilter.build((0..<100_000).map(Self.hash), bitsPerKey: 10)
    #expect(bytes.count < 100_000 * 10 / 8 + 80)
    try bytes.withUnsafeBytes {
      let filter = try BloomFilter(validating: $0)
      let mistakes = (1_000_000..<1_100_000 as Range<UInt64>).count {
        filter.mayContain(Self.hash($0))
      }
      #expect(mistakes < 1300)
      #expect(mistakes > 500)
    }
  }

  @Test func hasTheDocumentedBytes() {
    let bytes = BloomFilter.build([0x0000_0000_0000_0001], bitsPerKey: 10)
    #expect(bytes.count == 64 + 8)
    #expect(Array(bytes[64...]) == [6, 0, 0, 0, 1, 0, 0, 0])
    var expected = [UInt8](repeating: 0, count: 64)
    var bits: UInt32 = 1
    for _ in 0..<6 {
      bits = bits &* 0x9E37_79B9
      expected[Int(bits >> 23) / 8] |= 1 << UInt8((bits >> 23) % 8)
    }
    #expect(Array(bytes[..<64]) == expected)
  }

  @Test func refusesCutsAndWrongCounts() {
    let bytes = BloomFilter.build((0..<100).map(Self.hash), bitsPerKey: 10)
    for length in bytes.indices {
      #expect(throws: DamageInBlock.self) {
        try Array(bytes[..<length]).withUnsafeBytes { try BloomFilter(validating: $0) }
      }
    }
    for place in (bytes.count - 8)..<bytes.count {
      for byte: UInt8 in [0, 17, 0xFF] where byte != bytes[place] {
        var damaged = bytes
        damaged[place] = byte
        #expect(throws: DamageInBlock.self) {
          try damaged.withUnsafeBytes { try BloomFilter(validating: $0) }
        }
      }
    }
  }
}
