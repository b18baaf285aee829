import LSM
import TestSupport

/// The bytes of a filter, or hashes that a filter is built of.
///
///     0   a filter's bytes when 0, else bits a key, up to 40
///     1   the filter, or the hashes, 8 bytes each
enum BloomFilterTarget: FuzzTarget {
  static let name = "bloom-filter"
  static let maximumBytes = 1024
  private static let maximumBitsPerKey = 40

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard let control = bytes.first else { return }
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    var random = SeededGenerator(of: bytes)
    guard control > 0 else { return check(rest, holds: [], &random) }
    var input = FuzzInput(rest)
    var hashes: [UInt64] = []
    while !input.isEmpty { hashes.append(input.number()) }
    let built = BloomFilter.build(hashes, bitsPerKey: Int(control) % maximumBitsPerKey + 1)
    built.withUnsafeBytes { check($0, holds: hashes, &random) }
  }

  private static func check(
    _ bytes: UnsafeRawBufferPointer, holds hashes: [UInt64], _ random: inout SeededGenerator
  ) {
    guard let filter = try? BloomFilter(validating: bytes) else {
      return require(hashes.isEmpty, "what was built is taken")
    }
    for hash in hashes { require(filter.mayContain(hash), "a filter never forgets a key") }
    let copy = Array(bytes)
    for hash in [0, .max] + (0..<16).map({ _ in random.next() }) {
      require(
        filter.mayContain(hash) == mayContain(hash, copy), "a filter reads the bits as drawn")
    }
  }

  /// Bit by bit.
  private static func mayContain(_ hash: UInt64, _ bytes: [UInt8]) -> Bool {
    let lineCount = bytes.littleEndian(UInt32.self, at: bytes.count - 4)
    let probes = bytes.littleEndian(UInt32.self, at: bytes.count - 8)
    let line = Int(hash.multipliedFullWidth(by: UInt64(lineCount)).high)
    var bits = UInt32(truncatingIfNeeded: hash)
    for _ in 0..<probes {
      bits = bits &* 0x9E37_79B9
      let place = Int(bits >> 23)
      if bytes[line * 64 + place / 8] >> UInt8(place % 8) & 1 == 0 { return false }
    }
    return true
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededGenerator(seed: 3)
    var seeds: [[UInt8]] = []
    for count in [0, 1, 20, 100] {
      let hashes = (0..<count).map { _ in random.next() }
      seeds.append([0] + BloomFilter.build(hashes, bitsPerKey: 10))
      var seed: [UInt8] = [9]
      for hash in hashes { seed.append(littleEndian: hash) }
      seeds.append(seed)
    }
    return seeds
  }
}
