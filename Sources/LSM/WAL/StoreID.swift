/// What tells one store's files from every other store's: 128 random bits, drawn when it is created.
// SAFETY: A tuple of three u64 has no padding, so all its bytes are initialised.
package struct StoreID: Hashable, Sendable {
  /// Bytes 0 to 7 on disk, little-endian.
  package let low: UInt64
  /// Bytes 8 to 15 on disk, little-endian.
  package let high: UInt64

  package init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }

  /// A new one from the system's random source.
  package static func random() -> StoreID {
    StoreID(low: .random(in: .min ... .max), high: .random(in: .min ... .max))
  }

  /// The hash of this id and a file's number: the context that checksums of the file are mixed with.
  package func context(of file: FileNumber) -> UInt64 {
    let words = (low.littleEndian, high.littleEndian, file.rawValue.littleEndian)
    return unsafe withUnsafeBytes(of: words) { XXH64.hash($0) }
  }
}
