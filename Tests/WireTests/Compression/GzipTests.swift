import Bytes
import Testing
import Wire

@Suite("Gzip") struct GzipTests {
  private let inflater = GzipInflater()

  @Test(arguments: [0, 1, 100, 16 << 10, (16 << 10) + 1, 65535, 65536, 1_000_000])
  func inflatesWhatWasCompressedOrStored(_ count: Int) {
    for bytes in [GzipMessages.text(count), GzipMessages.noise(count)] {
      for message in [GzipMessages.gzip(bytes), GzipMessages.stored(bytes)] {
        let (step, inflated, _) = GzipMessages.inflate(inflater, message, limit: count)
        #expect(step == .whole)
        #expect(inflated == bytes)
      }
    }
  }

  @Test func refusesEveryTruncation() {
    for message in [GzipMessages.gzip(GzipMessages.text(300)), GzipMessages.stored([1, 2, 3])] {
      for count in 0..<message.count {
        let step = GzipMessages.inflate(inflater, Array(message.prefix(count)), limit: 1000).step
        #expect(step == .malformed, "\(count) bytes of \(message.count)")
      }
    }
  }

  /// What a changed bit leaves whole (a time, a system, what fills deflate's last byte) is not a part of the
  /// message.
  @Test func neverTakesOtherBytesForAChangedBit() {
    let bytes = GzipMessages.text(300)
    let message = GzipMessages.gzip(bytes)
    let deflateEnd = 8 * (message.count - 8)
    for bit in 0..<message.count * 8 {
      var changed = message
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      let (step, inflated, held) = GzipMessages.inflate(inflater, changed, limit: 4000)
      #expect(step != .whole || inflated == bytes, "bit \(bit)")
      let isSpare = bit == 24 || 32..<80 ~= bit || deflateEnd - 8..<deflateEnd ~= bit
      #expect(step != .whole || isSpare, "bit \(bit)")
      #expect(held <= 4000)
    }
    #expect(GzipMessages.inflate(inflater, message, limit: 4000).step == .whole)
  }

  @Test func refusesWhatFollowsTheMessage() {
    let message = GzipMessages.gzip([1, 2, 3])
    for rest in [[0], [0x1f], message, GzipMessages.stored([])] as [[UInt8]] {
      #expect(GzipMessages.inflate(inflater, message + rest, limit: 100).step == .malformed)
    }
  }

  @Test(arguments: ["zlib", "raw deflate", "text", "nothing"])
  func refusesOtherFormats(_ format: String) {
    let gzip = GzipMessages.gzip(GzipMessages.text(100))
    let raw = Array(gzip.dropFirst(10).dropLast(8))
    let message: [UInt8] =
      switch format {
      case "zlib": [0x78, 0x9c] + raw + [0, 0, 0, 0]
      case "raw deflate": raw
      case "text": GzipMessages.text(100)
      default: []
      }
    #expect(GzipMessages.inflate(inflater, message, limit: 1000).step == .malformed)
  }

  @Test(arguments: [0, 1, 1000, 20_000, 1 << 20])
  func holdsNoMoreThanTheLimit(_ limit: Int) {
    let bomb = GzipMessages.gzip([UInt8](repeating: 0, count: 16 << 20))
    #expect(bomb.count < 20_000)
    let (step, inflated, held) = GzipMessages.inflate(inflater, bomb, limit: limit)
    #expect(step == .tooLarge)
    #expect(inflated.count == limit)
    #expect(held <= limit)
  }

  @Test func tellsTheLimitToTheByte() {
    for count in [1, 5, 16 << 10, 100_000] {
      let message = GzipMessages.gzip(GzipMessages.text(count))
      #expect(GzipMessages.inflate(inflater, message, limit: count).step == .whole)
      #expect(GzipMessages.inflate(inflater, message, limit: count - 1).step == .tooLarge)
    }
  }

  @Test(arguments: [0, 1, 4 << 20, UInt32.max])
  func believesNoSize(_ stated: UInt32) {
    let message = GzipMessages.gzip(GzipMessages.text(50_000))
    let lie = (0..<4).map { UInt8(truncatingIfNeeded: stated >> (8 * $0)) }
    let (step, _, held) = GzipMessages.inflate(
      inflater, message.dropLast(4) + lie, limit: 100_000)
    #expect(step == .malformed)
    #expect(held <= 100_000)
  }

  @Test func leavesWhatDoesNotBecomeSmaller() {
    let deflater = GzipDeflater(level: 1)
    for bytes in [[], [1], GzipMessages.noise(5000)] as [[UInt8]] {
      var output = ByteWriter()
      output.append([9])
      #expect(!bytes.withUnsafeBytes { deflater.deflate($0, into: &output) })
      #expect(output.array() == [9])
    }
  }

  @Test func compressesEachMessageByItself() {
    let deflater = GzipDeflater(level: 1)
    for bytes in [GzipMessages.text(5000), GzipMessages.text(5000), GzipMessages.text(70_000)] {
      var output = ByteWriter()
      #expect(bytes.withUnsafeBytes { deflater.deflate($0, into: &output) })
      let (step, inflated, _) = GzipMessages.inflate(inflater, output.array(), limit: 100_000)
      #expect(step == .whole)
      #expect(inflated == bytes)
    }
  }
}
