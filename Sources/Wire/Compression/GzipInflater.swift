import Bytes
import CZlib
import Glibc

/// Decompresses gzip (RFC 1952) in steps, one message after the other with the memory of one context.
///
/// A message is one member, with nothing after it: as gRPC's own servers in C have it. Its checksum and size are
/// checked. Never more than the limit of bytes is held, however much a message would become.
///
/// Thread-safety: none; one owner at a time.
///
/// Unsafe island. Invariants:
/// 1. `stream` is allocated and initialised by `init`, does not move, which zlib relies on, and is freed by `deinit`.
/// 2. zlib's pointers into input and output are set anew by each step, with the counts that they have, and are not used
///    after it.
@safe
package final class GzipInflater {
  /// What came of a step.
  package enum Step: Equatable, Sendable {
    /// Go on.
    case more
    /// The message is whole: ``inflated``.
    case whole
    /// It has more bytes than the limit.
    case tooLarge
    /// It is no gzip, damaged, cut, or has something after it.
    case malformed
  }

  private let stream: UnsafeMutablePointer<z_stream>
  private var output = ByteWriter()
  private var consumed = 0

  /// What a step reads and writes at most: some milliseconds' work, however the bytes were made.
  private static let inputStepBytes = 8 << 10
  private static let outputStepBytes = 256 << 10
  /// Memory for output that stays from one message to the next.
  private static let retainedBytes = 16 << 10
  /// No byte of deflate becomes more.
  private static let largestRatio = 1032
  /// A header of 10 bytes and a trailer of 8.
  private static let frameBytes = 18

  package init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    let status = unsafe inflateInit2_(
      stream, MAX_WBITS + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { fatalError("out of memory: a zlib context") }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// The bytes so far; valid until the next step or end.
  package var inflated: UnsafeRawBufferPointer { unsafe output.bytes }

  /// Memory for the bytes so far.
  package var heldBytes: Int {
    output.capacity > Self.retainedBytes ? output.capacity : output.count
  }

  /// Makes it ready for a message.
  package func begin() {
    // SAFETY: invariant 1.
    unsafe inflateReset(stream)
    output.removeAll(keepingAtMost: Self.retainedBytes)
    consumed = 0
  }

  /// Gives back the memory of the message.
  package func end() { output.removeAll(keepingAtMost: Self.retainedBytes) }

  /// Does the next piece of a message.
  ///
  /// - Parameters:
  ///   - message: the whole of it, the same bytes at each step.
  ///   - limit: of ``inflated``.
  @safe
  package func step(_ message: UnsafeRawBufferPointer, limit: Int) -> Step {
    guard consumed <= message.count else { return .malformed }
    if output.capacity == output.count { grow(message, limit) }
    let given = min(message.count - consumed, Self.inputStepBytes)
    let room = max(0, min(output.capacity, limit) - output.count)
    // SAFETY: invariant 2; zlib does not write through the pointer to its input, whatever its type says.
    let input = unsafe message.baseAddress.map {
      unsafe UnsafeMutablePointer(mutating: ($0 + consumed).assumingMemoryBound(to: UInt8.self))
    }
    unsafe stream.pointee.next_in = input
    unsafe stream.pointee.avail_in = UInt32(given)
    let status: Int32
    let isFull: Bool
    if room > 0 {
      let piece = min(room, Self.outputStepBytes)
      var result = Z_OK
      let written = output.appendUninitialized(piece) { target in
        unsafe stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        unsafe stream.pointee.avail_out = UInt32(piece)
        result = unsafe inflate(stream, Z_NO_FLUSH)
        return unsafe piece - Int(stream.pointee.avail_out)
      }
      (status, isFull) = (result, written == piece)
    } else {
      // One byte more than is taken tells a message that ends at the limit from one that does not.
      var excess: UInt8 = 0
      (status, isFull) = unsafe withUnsafeMutablePointer(to: &excess) { target in
        unsafe stream.pointee.next_out = target
        unsafe stream.pointee.avail_out = 1
        return unsafe (inflate(stream, Z_NO_FLUSH), stream.pointee.avail_out == 0)
      }
      if isFull { return .tooLarge }
    }
    consumed += unsafe given - Int(stream.pointee.avail_in)
    unsafe stream.pointee.next_in = nil
    unsafe stream.pointee.next_out = nil
    switch status {
    case Z_STREAM_END: return consumed == message.count ? .whole : .malformed
    case Z_OK: return consumed == message.count && !isFull ? .malformed : .more
    default: return .malformed
    }
  }

  /// Makes room: at first for what the message says it becomes, which may be a lie.
  @safe
  private func grow(_ message: UnsafeRawBufferPointer, _ limit: Int) {
    var wanted = max(output.capacity * 2, Self.retainedBytes)
    if message.count >= Self.frameBytes {
      // SAFETY: the message has four bytes and more.
      let stated = unsafe UInt32(
        littleEndian: message.loadUnaligned(
          fromByteOffset: message.count - 4, as: UInt32.self))
      wanted = max(wanted, min(Int(stated), message.count * Self.largestRatio))
    }
    output.reserveExactly(max(0, min(wanted, limit) - output.count))
  }
}
