import Bytes

/// A set of user keys that may say yes by mistake and never no: a blocked bloom filter (F. Putze,
/// P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007).
///
///     +--------------------------------------+------------------+-----------------+
///     | lines: 64 bytes each                 | probes a key u32 | lines u32       |
///     +--------------------------------------+------------------+-----------------+
///
/// All bits of a key lie in one line, which is one cache line: a lookup misses the cache once. Of
/// the key's XXH64 the high part names the line; the low 32 bits, multiplied by an odd number
/// before each probe, give a bit by their upper nine.
///
/// It does not own its bytes; they live as long as the table.
///
/// Thread-safety: immutable.
///
/// Unsafe island. Invariant: `lines` points to `lineCount * 64` bytes, `lineCount > 0`.
@safe
package struct BloomFilter: @unchecked Sendable {
  // SAFETY (Sendable): the bytes never change.
  private let lines: UnsafeRawPointer
  private let lineCount: UInt64
  private let probes: Int

  static let lineBytes = 64
  private static let footerBytes = 8
  private static let multiplier: UInt32 = 0x9E37_79B9
  private static let maximumProbes = 16

  /// What a lookup needs of a key: computed once, asked of every table.
  @inline(__always)
  @safe
  package static func hash(_ userKey: UnsafeRawBufferPointer) -> UInt64 { XXH64.hash(userKey) }

  /// Checks a filter's bytes and takes them.
  package init(validating bytes: UnsafeRawBufferPointer) throws(DamageInBlock) {
    let linesBytes = bytes.count - Self.footerBytes
    guard linesBytes >= 0, let base = bytes.baseAddress else {
      throw DamageInBlock(
        .truncated(
          field: "filter", needed: UInt64(Self.footerBytes), available: UInt64(bytes.count)))
    }
    let probes = unsafe UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: linesBytes, as: UInt32.self))
    let lineCount = unsafe UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: linesBytes + 4, as: UInt32.self))
    guard lineCount > 0, Int(lineCount) * Self.lineBytes == linesBytes else {
      throw DamageInBlock(
        .length(
          field: "filter lines", value: UInt64(lineCount),
          limit: UInt64(linesBytes / Self.lineBytes)))
    }
    guard probes > 0, probes <= UInt32(Self.maximumProbes) else {
      throw DamageInBlock(
        .length(field: "filter probes", value: UInt64(probes), limit: UInt64(Self.maximumProbes)))
    }
    unsafe lines = base
    self.lineCount = UInt64(lineCount)
    self.probes = Int(probes)
  }

  /// False only when the key was not added.
  @inline(__always)
  package func mayContain(_ hash: UInt64) -> Bool {
    let line =
      unsafe lines + Int(truncatingIfNeeded: Self.line(of: hash, lineCount)) &* Self.lineBytes
    var bits = UInt32(truncatingIfNeeded: hash)
    for _ in 0..<probes {
      bits = bits &* Self.multiplier
      let place = Int(bits >> 23)
      // SAFETY: `place < 512`, the bits of a line.
      let word = unsafe line.loadUnaligned(fromByteOffset: (place >> 6) &* 8, as: UInt64.self)
        .littleEndian
      if (word >> UInt64(place & 63)) & 1 == 0 { return false }
    }
    return true
  }

  @inline(__always)
  private static func line(of hash: UInt64, _ lineCount: UInt64) -> UInt64 {
    hash.multipliedFullWidth(by: lineCount).high
  }

  /// The bytes of a filter over `hashes`.
  ///
  /// - Parameter bitsPerKey: more than 0. The number of probes follows from it.
  package static func build(_ hashes: [UInt64], bitsPerKey: Int) -> [UInt8] {
    precondition(bitsPerKey > 0)
    let lineBits = lineBytes * 8
    let wanted = (hashes.count * bitsPerKey + lineBits - 1) / lineBits
    let lineCount = UInt64(min(max(wanted, 1), Int(UInt32.max)))
    // ln 2 of the bits a key is best without blocks; a little less is, with them.
    let probes = min(max(bitsPerKey * 6 / 10, 1), maximumProbes)
    var words = [UInt64](repeating: 0, count: Int(lineCount) * lineBytes / 8)
    unsafe words.withUnsafeMutableBufferPointer { words in
      for hash in hashes {
        let first = Int(line(of: hash, lineCount)) * lineBytes / 8
        var bits = UInt32(truncatingIfNeeded: hash)
        for _ in 0..<probes {
          bits = bits &* multiplier
          let place = Int(bits >> 23)
          unsafe words[first + (place >> 6)] |= 1 << UInt64(place & 63)
        }
      }
    }
    var writer = ByteWriter(capacity: words.count * 8 + footerBytes)
    for word in words { writer.appendLittleEndian(word) }
    writer.appendLittleEndian(UInt32(probes))
    writer.appendLittleEndian(UInt32(lineCount))
    return writer.array()
  }
}
