package import Bytes

// SAFETY: a frame's length is read where its head is known to be, and the message is what follows it in the same bytes,
// which stay until the response changes.

/// A message as gRPC sends it: a byte for compression, its length in 4 bytes, big-endian, and the message
/// (gRPC over HTTP2, "Length-Prefixed-Message").
package enum GRPCFrame {
  package static let headByteCount = 5

  /// Replaces the content of `request` by the message that `body` appends, framed.
  @inline(__always)
  package static func write(_ request: inout ByteWriter, _ body: (inout ByteWriter) -> Void) {
    request.removeAll()
    request.append(0)
    request.appendBigEndian(UInt32(0))
    body(&request)
    let length = UInt32(truncatingIfNeeded: request.count - headByteCount).bigEndian
    unsafe withUnsafeBytes(of: length) { request.overwrite(at: 1, with: $0) }
  }

  /// The one uncompressed message of an answer; nil when it is something else.
  @inline(__always)
  package static func message(of response: borrowing ByteWriter) -> UnsafeRawBufferPointer? {
    var offset = 0
    let message = unsafe nextMessage(of: response, at: &offset)
    return unsafe offset == response.count ? message : nil
  }

  /// The uncompressed message at `offset`, which moves behind it; nil when there is something else.
  @inline(__always)
  package static func nextMessage(
    of response: borrowing ByteWriter, at offset: inout Int
  ) -> UnsafeRawBufferPointer? {
    let bytes = unsafe response.bytes
    let start = offset + headByteCount
    guard start <= bytes.count, unsafe bytes[offset] == 0 else { return nil }
    let length = unsafe Int(
      UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 1, as: UInt32.self)))
    guard length <= bytes.count - start else { return nil }
    offset = start + length
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
  }
}
