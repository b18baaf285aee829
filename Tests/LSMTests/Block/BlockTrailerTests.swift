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

  private static let codecs: [Compression] = [.zstd, .lz4]

  private static func compress(_ block: [UInt8], _ codec: Compression) -> (Compression, [UInt8]) {
    var compressor = BlockCompressor()
    var output = ByteWriter()
    let compression = block.withUnsafeBytes { compressor.compress($0, with: codec, into: &output) }
    return (compression, output.array())
  }

  private static func decompress(_ payload: [UInt8], _ codec: Compression) throws -> [UInt8] {
    try payload.withUnsafeBytes {
      let block = try BlockDecompressor.decompress($0, codec)
      defer { block.deallocate() }
      return Array(block)
    }
  }

  @Test(arguments: codecs)
  func compressesWhatGetsSmaller(codec: Compression) throws {
    let block = (0..<8192).map { UInt8(truncatingIfNeeded: $0 / 100) }
    let (compression, payload) = Self.compress(block, codec)
    #expect(compression == codec)
    #expect(payload.count < 1000)
    #expect(Array(payload[..<4]) == [0x00, 0x20, 0, 0])
    #expect(try Self.decompress(payload, codec) == block)
  }

  @Test(arguments: codecs)
  func keepsWhatDoesNotGetSmaller(codec: Compression) {
    var random = SeededGenerator(seed: 5)
    let block = random.bytes(4000)
    #expect(Self.compress(block, codec) == (.none, block))
    #expect(Self.compress([], codec) == (.none, []))
  }

  /// The format: both sizes, then a literal run as LZ4's specification of blocks has it.
  @Test func readsTheBytesOfAnLZ4Block() throws {
    let literals: [UInt8] = [1, 2, 3, 4, 5]
    let payload: [UInt8] = [5, 0, 0, 0, 6, 0, 0, 0, 0x50] + literals
    #expect(try Self.decompress(payload, .lz4) == literals)
    let tooMuch: [UInt8] = [0, 0, 0, 0x40] + payload[4...]
    #expect(throws: DamageInBlock.self) { try Self.decompress(tooMuch, .lz4) }
  }

  @Test(arguments: codecs)
  func refusesDamagedCompressedBlocks(codec: Compression) {
    let block = (0..<2000).map { UInt8(truncatingIfNeeded: $0 / 10) }
    let (_, payload) = Self.compress(block, codec)
    for length in payload.indices {
      #expect(throws: DamageInBlock.self) { try Self.decompress(Array(payload[..<length]), codec) }
    }
    // The stated sizes must be the codec's own; one is what memory is taken for.
    let header = codec == .zstd ? 4 : 8
    for place in 0..<header {
      for byte: UInt8 in [0x00, 0x01, 0x7F, 0xFF] where byte != payload[place] {
        var damaged = payload
        damaged[place] = byte
        #expect(throws: DamageInBlock.self) { try Self.decompress(damaged, codec) }
      }
    }
    for place in header..<payload.count {
      var damaged = payload
      damaged[place] ^= 0x10
      // Without the trailer's checksum a flip may decode to other bytes, but never to another size.
      if let bytes = try? Self.decompress(damaged, codec) { #expect(bytes.count == block.count) }
    }
  }
}
