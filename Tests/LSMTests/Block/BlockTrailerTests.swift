import Bytes
import LSM
import TestSupport
import Testing

@Suite("Block trailer and compression") struct BlockTrailerTests {
  private static func sealed(_ payload: [UInt8], _ identity: UInt64, _ offset: UInt64) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(payload)
    BlockTrailer.seal(&writer, .none, identity: identity, offset: offset)
    return writer.array()
  }

  private static func opens(_ bytes: [UInt8], _ identity: UInt64, _ offset: UInt64) -> Bool {
    bytes.withUnsafeBytes {
      (try? BlockTrailer.open($0, identity: identity, offset: offset)) != nil
    }
  }

  @Test func opensWhatItSealed() throws {
    let bytes = Self.sealed([1, 2, 3], 42, 4096)
    #expect(bytes.count == 3 + BlockTrailer.byteCount)
    try bytes.withUnsafeBytes {
      let (payload, compression) = try BlockTrailer.open($0, identity: 42, offset: 4096)
      #expect(Array(payload) == [1, 2, 3])
      #expect(compression == .none)
    }
  }

  @Test func refusesEveryFlippedBitAndCut() {
    let bytes = Self.sealed([1, 2, 3], 42, 4096)
    for place in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[place] ^= 1 << UInt8(bit)
        #expect(!Self.opens(damaged, 42, 4096))
      }
      #expect(!Self.opens(Array(bytes[..<place]), 42, 4096))
    }
  }

  @Test func refusesABlockOfAnotherPlaceOrTable() {
    let bytes = Self.sealed([1, 2, 3], 42, 4096)
    #expect(!Self.opens(bytes, 42, 8192))
    #expect(!Self.opens(bytes, 43, 4096))
  }

  private static func compress(_ block: [UInt8]) -> (Compression, [UInt8]) {
    var compressor = BlockCompressor()
    var output = ByteWriter()
    let compression = block.withUnsafeBytes { compressor.compress($0, with: .zstd, into: &output) }
    return (compression, output.array())
  }

  private static func decompress(_ payload: [UInt8]) throws -> [UInt8] {
    try payload.withUnsafeBytes {
      let block = try BlockDecompressor.decompressZstd($0)
      defer { block.deallocate() }
      return Array(block)
    }
  }

  @Test func compressesWhatGetsSmaller() throws {
    let block = (0..<8192).map { UInt8(truncatingIfNeeded: $0 / 100) }
    let (compression, payload) = Self.compress(block)
    #expect(compression == .zstd)
    #expect(payload.count < 1000)
    #expect(Array(payload[..<4]) == [0x00, 0x20, 0, 0])
    #expect(try Self.decompress(payload) == block)
  }

  @Test func keepsWhatDoesNotGetSmaller() {
    var random = SeededGenerator(seed: 5)
    let block = random.bytes(4000)
    #expect(Self.compress(block) == (.none, block))
    #expect(Self.compress([]) == (.none, []))
  }

  @Test func refusesDamagedCompressedBlocks() {
    let block = (0..<2000).map { UInt8(truncatingIfNeeded: $0 / 10) }
    let (_, payload) = Self.compress(block)
    for length in payload.indices {
      #expect(throws: DamageInBlock.self) { try Self.decompress(Array(payload[..<length])) }
    }
    // The stated size must be the frame's own; it is what memory is taken for.
    for place in 0..<4 {
      for byte: UInt8 in [0x00, 0x01, 0x7F, 0xFF] where byte != payload[place] {
        var damaged = payload
        damaged[place] = byte
        #expect(throws: DamageInBlock.self) { try Self.decompress(damaged) }
      }
    }
    for place in 4..<payload.count {
      var damaged = payload
      damaged[place] ^= 0x10
      // Without the trailer's checksum a flip may decode to other bytes, but never to another size.
      if let bytes = try? Self.decompress(damaged) { #expect(bytes.count == block.count) }
    }
  }
}
