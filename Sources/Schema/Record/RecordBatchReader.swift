/// Walks the records of a list message (`Dogs`), the request of a BatchPut.
///
/// Thread-safety: a value; the bytes must outlive it and the records it returns.
///
/// Unsafe island: see ``WireScan``.
@safe
package struct RecordBatchReader {
  private let bytes: UnsafeRawBufferPointer
  private let messageIndex: Int
  private var offset = 0
  /// A bit for each field number below 64 that was stepped over.
  private var skippedNumbers: UInt64 = 0

  /// Reads `bytes`, which must outlive the reader and its records.
  ///
  /// - Parameter messageIndex: the list message (``Model/listMessageIndex``), which errors name.
  package init(_ bytes: UnsafeRawBufferPointer, messageIndex: Int = -1) {
    unsafe self.bytes = bytes
    self.messageIndex = messageIndex
  }

  /// Whether a field of this number was stepped over.
  /// - Precondition: below 64.
  package func hasSkipped(_ number: Int) -> Bool { skippedNumbers >> UInt64(number) & 1 == 1 }

  /// The next record as it is in the request, unchecked (``RecordPlan/checkRecord(_:model:)``);
  /// nil at the end. Other fields than the list are stepped over.
  ///
  /// - Throws: when the request is malformed, or field 1 is no message. Offsets in the error count
  ///   from the request's start.
  package mutating func next() throws(RecordError) -> UnsafeRawBufferPointer? {
    guard let start = unsafe bytes.baseAddress else { return nil }
    // SAFETY: raw bytes may be read as UInt8; the owner of the bytes keeps them for our lifetime.
    let base = unsafe start.assumingMemoryBound(to: UInt8.self)
    while unsafe offset < bytes.count {
      let fieldStart = offset
      let (number, wireType) = try unsafe WireScan.tag(base, &offset, bytes.count)
      if number == 1 {
        guard wireType == 2 else {
          throw RecordError(
            .wrongWireType, offset: fieldStart, messageIndex: messageIndex, fieldNumber: number,
            wireType: wireType)
        }
        let length = try unsafe WireScan.length(base, &offset, bytes.count)
        defer { offset &+= length }
        return unsafe UnsafeRawBufferPointer(start: start + offset, count: length)
      }
      if number < 64 { skippedNumbers |= 1 << UInt64(number) }
      try unsafe WireScan.skip(
        base, &offset, bytes.count, number: number, wireType: wireType, start: fieldStart, depth: 1)
    }
    return nil
  }
}
