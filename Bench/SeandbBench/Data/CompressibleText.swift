/// Text that compresses to about half, as that of RocksDB's db_bench: pieces of 100 bytes, each 50 random printable
/// characters twice.
enum CompressibleText {
  private static let pieceByteCount = 100

  /// `count` bytes of it; the same for the same seed and stream.
  static func bytes(_ count: Int, seed: UInt64, stream: UInt64) -> [UInt8] {
    var random = SplitMix64(seed: seed, stream: stream)
    var text: [UInt8] = []
    text.reserveCapacity(count)
    for index in 0..<count {
      let isRepeated = index % pieceByteCount >= pieceByteCount / 2
      text.append(
        isRepeated
          ? text[index - pieceByteCount / 2]
          : UInt8(truncatingIfNeeded: 32 + random.next(below: 95)))
    }
    return text
  }
}
