package import Bytes
import CLZ4
import CZstd

/// Compresses blocks with one reused zstd context.
///
/// Thread-safety: none; one owner at a time.
///
/// Unsafe island. Invariant: `context` is a live context, used by one call at a time (exclusive
/// access).
@safe
package struct BlockCompressor: ~Copyable {
  private let context: OpaquePointer
  /// zstd's fastest ordinary level: blocks are rewritten by every compaction.
  private static let level: Int32 = 1

  package init() {
    guard let context = unsafe ZSTD_createCCtx() else {
      fatalError("out of memory: a zstd context")
    }
    unsafe self.context = context
  }

  deinit { unsafe ZSTD_freeCCtx(context) }

  /// Replaces `output` with the payload to store and tells its form. A block that gets less than an eighth smaller
  /// stays raw: reading it is not worth the decoding.
  @safe
  package mutating func compress(
    _ block: UnsafeRawBufferPointer, with wanted: Compression, into output: inout ByteWriter
  ) -> Compression {
    output.removeAll()
    if wanted != .none, block.count >= 64, block.count <= Compression.maximumBlockBytes {
      let limit = block.count - block.count / 8
      output.appendLittleEndian(UInt32(block.count))
      if wanted == .lz4 { output.appendLittleEndian(UInt32(0)) }
      let written = output.appendUninitialized(limit - wanted.headerBytes) { target in
        unsafe wanted == .lz4 ? Self.lz4(block, target) : zstd(block, target)
      }
      if wanted == .lz4 {
        unsafe withUnsafeBytes(of: UInt32(written).littleEndian) {
          output.overwrite(at: 4, with: $0)
        }
      }
      if written > 0 { return wanted }
      output.removeAll()
    }
    output.append(block)
    return .none
  }

  // SAFETY (both): the buffers are as long as said, at most ``Compression/maximumBlockBytes``. What does not fit is
  // reported as an error, or as 0.

  private func zstd(
    _ block: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer
  ) -> Int {
    let size = unsafe ZSTD_compressCCtx(
      context, target.baseAddress, target.count, block.baseAddress, block.count, Self.level)
    return ZSTD_isError(size) == 0 ? size : 0
  }

  private static func lz4(
    _ block: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer
  ) -> Int {
    let size = unsafe LZ4_compress_default(
      block.bindMemory(to: CChar.self).baseAddress, target.bindMemory(to: CChar.self).baseAddress,
      Int32(block.count), Int32(target.count))
    return max(Int(size), 0)
  }
}
