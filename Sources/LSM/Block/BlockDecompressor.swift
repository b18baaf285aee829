import Bytes
import CLZ4
import CZstd
import Glibc

/// Decompresses blocks, those of zstd with one context a thread.
///
/// Unsafe island. Invariant: memory that is given to a codec is as large as it is told.
@safe
package enum BlockDecompressor {
  /// Writes `payload`, decompressed, into fresh `malloc`ed memory that the caller frees.
  ///
  /// Never allocates more than the size the payload states, which is checked first: against
  /// ``Compression/maximumBlockBytes``, and against zstd's own header or what LZ4 can make of so many bytes.
  ///
  /// - Precondition: `compression` is not `none`.
  @safe
  package static func decompress(
    _ payload: UnsafeRawBufferPointer, _ compression: Compression
  ) throws(DamageInBlock) -> UnsafeMutableRawBufferPointer {
    let header = compression.headerBytes
    guard payload.count > header else {
      throw DamageInBlock(
        .truncated(
          field: "compressed block", needed: UInt64(header + 1), available: UInt64(payload.count)))
    }
    let size = unsafe Int(UInt32(littleEndian: payload.loadUnaligned(as: UInt32.self)))
    guard size > 0, size <= Compression.maximumBlockBytes else {
      throw DamageInBlock(
        .length(
          field: "size of the block", value: UInt64(size),
          limit: UInt64(Compression.maximumBlockBytes)))
    }
    let compressed = unsafe UnsafeRawBufferPointer(rebasing: payload[header...])
    switch compression {
    case .none: preconditionFailure("the block is not compressed")
    case .zstd: return try unsafe decompressZstd(compressed, size)
    case .lz4:
      let length = unsafe UInt32(
        littleEndian: payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
      guard Int(length) == compressed.count else {
        throw DamageInBlock(
          .value(
            field: "bytes of the LZ4 block", expected: UInt64(compressed.count),
            actual: UInt64(length)))
      }
      return try unsafe decompressLZ4(compressed, size)
    }
  }

  /// The size before compression that a payload of a codec states, unchecked; 0 when there is no room for one.
  @safe
  static func statedBytes(_ payload: UnsafeRawBufferPointer) -> UInt64 {
    // SAFETY: four bytes are there.
    payload.count < 4
      ? 0 : unsafe UInt64(UInt32(littleEndian: payload.loadUnaligned(as: UInt32.self)))
  }

  private static func decompressZstd(
    _ frame: UnsafeRawBufferPointer, _ size: Int
  ) throws(DamageInBlock) -> UnsafeMutableRawBufferPointer {
    let stated = unsafe ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
    guard stated == UInt64(size) else {
      throw DamageInBlock(
        .value(field: "size in the zstd frame", expected: UInt64(size), actual: stated))
    }
    let memory = unsafe allocate(size)
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

  /// - Precondition: `size` is at most ``Compression/maximumBlockBytes``.
  private static func decompressLZ4(
    _ block: UnsafeRawBufferPointer, _ size: Int
  ) throws(DamageInBlock) -> UnsafeMutableRawBufferPointer {
    // A byte of a length stands for 255 bytes, and nothing stands for more.
    guard size / 255 <= block.count, block.count <= Compression.maximumBlockBytes else {
      throw DamageInBlock(
        .length(
          field: "size of the block", value: UInt64(size), limit: UInt64(block.count) * 255))
    }
    let memory = unsafe allocate(size)
    // SAFETY: LZ4 writes at most `size` bytes and reads at most the block's.
    let written = unsafe LZ4_decompress_safe(
      block.bindMemory(to: CChar.self).baseAddress, memory.assumingMemoryBound(to: CChar.self),
      Int32(block.count), Int32(size))
    guard Int(written) == size else {
      unsafe free(memory)
      throw DamageInBlock(
        .value(
          field: "LZ4 block", expected: UInt64(size), actual: UInt64(bitPattern: Int64(written))))
    }
    return unsafe UnsafeMutableRawBufferPointer(start: memory, count: size)
  }

  private static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
    guard let memory = unsafe malloc(size) else {
      fatalError("out of memory: \(size) bytes of a block")
    }
    return unsafe memory
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
