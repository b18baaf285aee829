import Bytes
import CZstd
import Glibc
import LSM
import TestSupport

/// A compressed payload, a zstd frame whose stated size is made right, and any block through the
/// compressor and back.
///
///     0   2 bits: payload, frame or block
///     1   its bytes
enum CompressedBlockTarget: FuzzTarget {
  static let name = "compressed-block"
  static let maximumBytes = 4096
  /// A frame may state up to 1 GiB, and that much is then taken. Not here.
  static let maximumStatedBytes = 16 << 20

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard let control = bytes.first else { return }
    let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    switch control & 3 {
    case 0: decompress(rest)
    case 1, 2:
      let size = ZSTD_getFrameContentSize(rest.baseAddress, rest.count)
      var payload: [UInt8] = []
      payload.append(littleEndian: UInt32(truncatingIfNeeded: size))
      payload += rest
      payload.withUnsafeBytes { decompress($0) }
    default: checkRoundTrip(rest)
    }
  }

  /// Whether a payload says that it becomes larger than inputs here may.
  static func statesTooMuch(_ payload: some Collection<UInt8>) -> Bool {
    let size = payload.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    return size > maximumStatedBytes && size <= Compression.maximumBlockBytes
  }

  private static func decompress(_ payload: UnsafeRawBufferPointer) {
    guard !statesTooMuch(payload),
      let block = try? BlockDecompressor.decompressZstd(payload)
    else { return }
    defer { free(block.baseAddress) }
    let stated = payload.loadUnaligned(as: UInt32.self)
    require(block.count == UInt32(littleEndian: stated), "a block has the size it states")
    // Every byte is there.
    _ = XXH64.hash(UnsafeRawBufferPointer(block))
  }

  private static func checkRoundTrip(_ block: UnsafeRawBufferPointer) {
    var compressor = BlockCompressor()
    var output = ByteWriter()
    switch compressor.compress(block, with: .zstd, into: &output) {
    case .none: require(output.array() == Array(block), "a raw block is the block")
    case .zstd:
      let decompressed = try? BlockDecompressor.decompressZstd(output.bytes)
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
    for block in blocks {
      var output = ByteWriter()
      let compression = block.withUnsafeBytes {
        compressor.compress($0, with: .zstd, into: &output)
      }
      seeds.append([3] + block)
      guard compression == .zstd else { continue }
      seeds.append([0] + output.array())
      seeds.append([1] + output.array().dropFirst(4))
    }
    return seeds
  }
}
