package import Bytes
import CZstd
import Glibc

/// How a block's payload is stored. The raw values are on disk.
package enum Compression: UInt8, Sendable, CaseIterable {
  /// As it is.
  case none = 0
  /// `[u32 little-endian: size before compression] [zstd frame]`.
  case zstd = 1

  /// Bytes before the zstd frame.
  static let sizeBytes = 4
  /// The largest block that is compressed, and the largest data block; one huge entry may come near to it.
  package static let maximumBlockBytes = 1 << 30
}

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

  /// Replaces `output` with the payload to store and tells its form. A block that zstd makes less
  /// than an eighth smaller stays raw: reading it is not worth the decoding.
  @safe
  package mutating func compress(
    _ block: UnsafeRawBufferPointer, with wanted: Compression, into output: inout ByteWriter
  ) -> Compression {
    output.removeAll()
    if wanted == .zstd, block.count >= 64, block.count <= Compression.maximumBlockBytes {
      let limit = block.count - block.count / 8
      output.appendLittleEndian(UInt32(block.count))
      let written = output.appendUninitialized(limit - Compression.sizeBytes) { target in
        // SAFETY: both buffers are as long as said. A frame that does not fit is reported as an
        // error.
        let size = unsafe ZSTD_compressCCtx(
          context, target.baseAddress, target.count, block.baseAddress, block.count, Self.level)
        return ZSTD_isError(size) == 0 ? size : 0
      }
      if written > 0 { return .zstd }
      output.removeAll()
    }
    output.append(block)
    return .none
  }
}

/// Decompresses blocks with one zstd context a thread.
package enum BlockDecompressor {
  /// Writes `payload`, decompressed, into fresh `malloc`ed memory that the caller frees.
  ///
  /// Never allocates more than the size the payload states, which is checked against
  /// ``Compression/maximumBlockBytes`` and zstd's own header first.
  package static func decompressZstd(
    _ payload: UnsafeRawBufferPointer
  ) throws(DamageInBlock) -> UnsafeMutableRawBufferPointer {
    guard payload.count > Compression.sizeBytes else {
      throw DamageInBlock(
        .truncated(
          field: "compressed block", needed: UInt64(Compression.sizeBytes + 1),
          available: UInt64(payload.count)))
    }
    let size = unsafe Int(UInt32(littleEndian: payload.loadUnaligned(as: UInt32.self)))
    let frame = unsafe UnsafeRawBufferPointer(rebasing: payload[Compression.sizeBytes...])
    guard size > 0, size <= Compression.maximumBlockBytes else {
      throw DamageInBlock(
        .length(
          field: "size of the block", value: UInt64(size),
          limit: UInt64(Compression.maximumBlockBytes)))
    }
    let stated = unsafe ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
    guard stated == UInt64(size) else {
      throw DamageInBlock(
        .value(field: "size in the zstd frame", expected: UInt64(size), actual: stated))
    }
    guard let memory = unsafe malloc(size) else {
      fatalError("out of memory: \(size) bytes of a block")
    }
    // SAFETY: the context is this thread's own; `memory` has `size` bytes.
    let written = unsafe ZSTD_decompressDCtx(
      threadContext(), memory, size, frame.baseAddress, frame.count)
    guard ZSTD_isError(written) == 0, written == size else {
      unsafe free(memory)
      // An error code is a small negative number as zstd counts.
      throw DamageInBlock(
        .value(
          field: "zstd frame", expected: UInt64(size), actual: UInt64(bitPattern: Int64(written))))
    }
    return unsafe UnsafeMutableRawBufferPointer(start: memory, count: size)
  }

  private static let contextKey: pthread_key_t = {
    var key = pthread_key_t()
    // Wraps ZSTD_freeDCtx, which returns a code that a destructor cannot.
    let status = unsafe pthread_key_create(&key) { context in
      unsafe ZSTD_freeDCtx(context.map { OpaquePointer($0) })
    }
    guard status == 0 else { fatalError("no thread-specific storage left: \(status)") }
    return key
  }()

  private static func threadContext() -> OpaquePointer {
    if let context = unsafe pthread_getspecific(contextKey) { return OpaquePointer(context) }
    guard let context = unsafe ZSTD_createDCtx() else {
      fatalError("out of memory: a zstd context")
    }
    unsafe pthread_setspecific(contextKey, UnsafeRawPointer(context))
    return unsafe context
  }
}
