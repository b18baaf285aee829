import Bytes
import TestSupport
import Wire

/// Gzip for tests: whole, and wrong in many ways.
enum GzipMessages {
  /// Compressed if that is smaller, else stored.
  static func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var output = ByteWriter()
    let isSmaller = bytes.withUnsafeBytes {
      GzipDeflater(level: 6).deflate($0, into: &output)
    }
    return isSmaller ? output.array() : stored(bytes)
  }

  /// Made by hand, of blocks that are not compressed.
  static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var gzip: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
    var rest = bytes[...]
    repeat {
      let block = rest.prefix(65535)
      rest = rest.dropFirst(65535)
      let count = UInt16(block.count)
      gzip.append(rest.isEmpty ? 1 : 0)
      for number in [count, ~count] { gzip += [UInt8(number & 255), UInt8(number >> 8)] }
      gzip += block
    } while !rest.isEmpty
    for number in [checksum(bytes), UInt32(bytes.count)] {
      gzip += (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
    return gzip
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xedb8_8320 : 0) }
    }
  }

  /// As a message of gRPC.
  static func framed(_ bytes: [UInt8]) -> [UInt8] {
    HTTP2TestClient.framed(gzip(bytes), flag: 1)
  }

  /// Text that becomes much smaller.
  static func text(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(ascii: "a") + UInt8($0 / 7 % 23) ^ UInt8($0 % 3) }
  }

  /// Bytes that do not become smaller.
  static func noise(_ count: Int) -> [UInt8] {
    var generator = SeededGenerator(seed: 7)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  /// What an inflater makes of a message; nil when it needs more memory than its limit.
  static func inflate(
    _ inflater: GzipInflater, _ message: [UInt8], limit: Int
  ) -> (step: GzipInflater.Step, bytes: [UInt8], mostHeld: Int) {
    inflater.begin()
    defer { inflater.end() }
    var mostHeld = 0
    return message.withUnsafeBytes { message in
      while true {
        let step = inflater.step(message, limit: limit)
        mostHeld = max(mostHeld, inflater.heldBytes)
        if step != .more { return (step, Array(inflater.inflated), mostHeld) }
      }
    }
  }
}
