import Bytes
import Wire

/// A compressed message, and bytes to be compressed: no step holds more than the limit or leaves a message where it
/// was, and what is compressed comes back.
enum GzipTarget: FuzzTarget {
  static let name = "gzip"
  static let maximumBytes = 4096

  private static let limit = 100_000

  static func seeds() throws -> [[UInt8]] {
    let text = (0..<3000).map { UInt8(ascii: "a") + UInt8($0 / 7 % 23) }
    return [[UInt8](repeating: 0, count: 1 << 20), text].map { bytes in
      var output = ByteWriter()
      let isSmaller = bytes.withUnsafeBytes { GzipDeflater(level: 6).deflate($0, into: &output) }
      require(isSmaller, "text becomes smaller")
      return output.array()
    }
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    let inflater = GzipInflater()
    _ = inflate(inflater, bytes)
    var compressed = ByteWriter()
    guard GzipDeflater(level: 1).deflate(bytes, into: &compressed) else { return }
    require(compressed.count < bytes.count, "a compressed message is smaller")
    let step = inflate(inflater, compressed.bytes)
    require(step == .whole, "what was compressed is whole")
    require(inflater.inflated.elementsEqual(bytes), "what was compressed comes back")
  }

  private static func inflate(
    _ inflater: GzipInflater, _ message: UnsafeRawBufferPointer
  ) -> GzipInflater.Step {
    inflater.begin()
    // A step takes or makes a byte at least, or ends the message.
    for _ in 0...(message.count + limit) {
      let step = inflater.step(message, limit: limit)
      require(inflater.heldBytes <= limit, "no more is held than the limit")
      if step != .more { return step }
    }
    require(false, "every step gets on")
    return .malformed
  }
}
