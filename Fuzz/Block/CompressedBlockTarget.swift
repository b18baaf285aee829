import Bytes
import CZstd
import Glibc
import LSM
import TestSupport

/// A compressed payload, a zstd frame or LZ4 block whose stated sizes are made right, and any block through the
/// compressor and back.
///
///     0   2 bits: payload, frame or block; 1 bit: zstd or LZ4
///     1   its bytes
enum CompressedBlockTarget: FuzzTarget {
  static let name = "compressed-block"
  static let maximumBytes = 4096
  /// A frame may state up to 1 GiB, and that much is then taken. Not here.
  static let maximumStatedBytes = 16 << 20

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard let control = bytes.first else { return }
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    let codec = control & 4 == 0 ? Compression.zstd : .lz4
    switch control & 3 {
    case 0: decompress(rest, codec)
    case 1, 2:
      var payload: [UInt8] = []
      if codec == .zstd {
        let size = ZSTD_getFrameContentSize(rest.baseAddress, rest.count)
        payload.append(littleEndian: UInt32(truncatingIfNeeded: size))
      } else {
        // The size before compression is the input's.
        payload += rest.prefix(4)
        payload.append(littleEndian: UInt32(max(rest.count - 4, 0)))
      }
      payload += rest.dropFirst(codec == .zstd ? 0 : 4)
      payload.withUnsafeBytes { decompress($0, codec) }
    default: checkRoundTrip(rest, codec)
    }
  }

  /// Whether a payload says that it becomes larger than inputs here may.
  static func statesTooMuch(_ payload: some Collection<UInt8>) -> Bool {
    let size = payload.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    return size > maximumStatedBytes && size <= Compression.maximumBlockBytes
  }

  private static func decompress(_ payload: UnsafeRawBufferPointer, _ codec: Compression) {
    guard !statesTooMuch(payload),
      let block = try? BlockDecompressor.decompress(payload, codec)
    else { return }
    defer { free(block.baseAddress) }
    let stated = payload.loadUnaligned(as: UInt32.self)
    require(block.count == UInt32(littleEndian: stated), "a block has the size it states")
    // Every byte is there.
    _ = XXH64.hash(UnsafeRawBufferPointer(block))
  }

  private static func checkRoundTrip(_ block: UnsafeRawBufferPointer, _ codec: Compression) {
    var compressor = BlockCompressor()
    var output = ByteWriter()
    let compression = compressor.compress(block, with: codec, into: &output)
    if compression == .none {
      require(output.array() == Array(block), "a raw block is the block")
    } else {
      let decompressed = try? BlockDecompressor.decompress(output.bytes, compression)
      defer { free(decompressed?.baseAddress) }
      require(decompressed.map { Array($0) } == Array(block), "compression loses nothing")
    }
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededGenerator(seed: 2)
    var blocks = BlockSeeds.all
    blocks.append((0..<3000).map { UInt8(truncatingIfNeeded: $0 / 100) })
    blocks.append((0..<2000).map { _ in [1, 2, 3, 4].randomElement(using: &random) ?? 0 })
    var seeds: [[UInt8]] = []
    var compressor = BlockCompressor()
    for (codec, bit) in [(Compression.zstd, UInt8(0)), (.lz4, 4)] {
      for block in blocks {
        var output = ByteWriter()
        let compression = block.withUnsafeBytes {
          compressor.compress($0, with: codec, into: &output)
        }
        seeds.append([3 | bit] + block)
        guard compression == codec else { continue }
        let payload = output.array()
        seeds.append([0 | bit] + payload)
        seeds.append(
          codec == .zstd ? [1] + payload.dropFirst(4) : [1 | bit] + payload[..<4] + payload[8...])
      }
    }
    return seeds
  }
}
