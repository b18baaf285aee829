// SAFETY: the array owns the bytes and is borrowed until `body` returns, so they neither move nor change before.
// Keeping them for longer takes an `unsafe` where it is done.
extension [UInt8] {
  /// Lends the bytes to `body`, until that returns.
  @safe
  @inline(__always)
  func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe span.bytes.withUnsafeBytes(body)
  }
}
