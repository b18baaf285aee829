package import Bytes
import CZlib
import Glibc

/// Compresses with gzip (RFC 1952), one message after the other with the memory of one context.
///
/// Thread-safety: none; one owner at a time.
///
/// Unsafe island. Invariants:
/// 1. `stream` is allocated and initialised by `init`, does not move, which zlib relies on, and is freed by `deinit`.
/// 2. zlib's pointers into input and output are set by each call, with the counts that they have, and are not used
///    after it.
@safe
package final class GzipDeflater {
  private let stream: UnsafeMutablePointer<z_stream>

  /// Memory that zlib uses unless it is told otherwise.
  private static let memoryLevel: Int32 = 8

  /// - Parameter level: zlib's, 1 (fast) to 9.
  package init(level: Int32) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let status = unsafe deflateInit2_(
      stream, level, Z_DEFLATED, MAX_WBITS + 16, Self.memoryLevel, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { fatalError("out of memory: a zlib context") }
  }

  deinit {
    unsafe deflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// Appends a message, compressed, if that has fewer bytes than the message; else nothing.
  ///
  /// - Precondition: the message has fewer than 4 GiB.
  /// - Returns: whether it was appended.
  @safe
  package func deflate(
    _ message: UnsafeRawBufferPointer, into output: inout ByteWriter
  ) -> Bool {
    guard message.count > 1 else { return false }
    let room = message.count - 1
    let count = output.appendUninitialized(room) { target in
      // SAFETY: invariants 1 and 2; zlib does not write through the pointer to its input, whatever its type says.
      unsafe deflateReset(stream)
      unsafe stream.pointee.next_in = UnsafeMutablePointer(
        mutating: message.baseAddress?.assumingMemoryBound(to: UInt8.self))
      unsafe stream.pointee.avail_in = UInt32(message.count)
      unsafe stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
      unsafe stream.pointee.avail_out = UInt32(room)
      let status = unsafe CZlib.deflate(stream, Z_FINISH)
      unsafe stream.pointee.next_in = nil
      unsafe stream.pointee.next_out = nil
      return unsafe status == Z_STREAM_END ? room - Int(stream.pointee.avail_out) : 0
    }
    return count > 0
  }
}
