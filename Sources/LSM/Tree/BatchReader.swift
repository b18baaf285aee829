/// Reads a batch: the changes that one record of the log holds.
///
/// The layout is drawn where it is written, at the engines' `WriteBatch`. A batch here is that image without its first
/// 8 bytes, the sequence number, which the log keeps elsewhere: it begins with the count. The n-th record has the
/// batch's first sequence number + n, so a later record of one key wins.
///
/// Thread-safety: a value. The bytes are borrowed.
// SAFETY: Whoever makes a reader keeps the batch, unchanged, for as long as it and its records are used. Each length
// is checked against the count.
@safe
package struct BatchReader {
  /// A change of a batch; its bytes are those of the batch.
  @safe
  package enum Record {
    case put(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
    case delete(key: UnsafeRawBufferPointer)
    case deleteRange(lower: UnsafeRawBufferPointer, upper: UnsafeRawBufferPointer)
  }

  /// As the writer's, whose module is not known here; a test compares them.
  private enum Tag {
    static let delete: UInt8 = 0x00
    static let put: UInt8 = 0x01
    static let deleteRange: UInt8 = 0x0f
  }

  /// Bytes before the first record.
  package static let headerBytes = 4

  /// Records of the batch.
  package let count: Int
  @safe private let bytes: UnsafeRawBufferPointer
  private var offset = Self.headerBytes

  /// - Throws: ``LSMError/malformedBatch(offset:)``.
  package init(_ bytes: UnsafeRawBufferPointer) throws(LSMError) {
    guard bytes.count >= Self.headerBytes else { throw .malformedBatch(offset: bytes.count) }
    self.bytes = unsafe bytes
    count = Int(bytes.littleEndian(UInt32.self, at: 0))
  }

  /// The next record; nil after the last one. Every byte is checked before it is used.
  @inline(__always)
  package mutating func next() throws(LSMError) -> Record? {
    guard offset < bytes.count else { return nil }
    let tag = bytes[offset]
    let begin = offset
    offset &+= 1
    switch tag {
    case Tag.put:
      let key = try unsafe slice()
      return unsafe .put(key: key, value: try slice())
    case Tag.delete:
      return unsafe .delete(key: try slice())
    case Tag.deleteRange:
      let lower = try unsafe slice()
      let upper = try unsafe slice()
      guard KeyOrder.compare(lower, upper) < 0 else { throw .malformedBatch(offset: begin) }
      return unsafe .deleteRange(lower: lower, upper: upper)
    default:
      throw .malformedBatch(offset: begin)
    }
  }

  @inline(__always)
  private mutating func slice() throws(LSMError) -> UnsafeRawBufferPointer {
    guard let number = unsafe InlineVarint.decode(bytes, &offset, end: bytes.count, maximumBytes: 5)
    else {
      throw .malformedBatch(offset: offset)
    }
    let length = Int(truncatingIfNeeded: number)
    guard length <= bytes.count &- offset else { throw .malformedBatch(offset: offset) }
    defer { offset &+= length }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset &+ length)])
  }

  /// What a batch needs, found by reading all of it.
  struct Summary {
    var count = 0
    var rangeDeleteCount = 0
    /// All keys and values.
    var bytes = 0
    var largestKeyBytes = 0
    var largestEntryBytes = 0
  }

  /// Checks a whole batch.
  @safe
  static func summary(of bytes: UnsafeRawBufferPointer) throws(LSMError) -> Summary {
    var reader = try unsafe BatchReader(bytes)
    var summary = Summary()
    while let record = try reader.next() {
      summary.count &+= 1
      let key: Int
      let entry: Int
      switch record {
      case .put(let recordKey, let value):
        key = recordKey.count
        entry = key &+ value.count
      case .delete(let recordKey):
        key = recordKey.count
        entry = key
      case .deleteRange(let lower, let upper):
        summary.rangeDeleteCount &+= 1
        key = max(lower.count, upper.count)
        entry = lower.count &+ upper.count
      }
      summary.bytes &+= entry
      summary.largestKeyBytes = max(summary.largestKeyBytes, key)
      summary.largestEntryBytes = max(summary.largestEntryBytes, entry)
    }
    guard summary.count == reader.count else { throw .malformedBatch(offset: 0) }
    return summary
  }
}

extension LogReader.Record {
  /// Checks that the record of a log is a batch whose sequence numbers come after `last`.
  ///
  /// - Parameter path: of the log.
  /// - Throws: ``LSMError/corruption(_:)``.
  func batchSummary(after last: UInt64, _ path: String) throws(LSMError) -> BatchReader.Summary {
    func damage(_ byte: Int) -> LSMError {
      .corruption(LSMError.Damage(path: path, offset: offset, .malformedBatch(byte: byte)))
    }
    do throws(LSMError) {
      let summary = try BatchReader.summary(of: bytes)
      guard summary.count > 0, sequence - last >= UInt64(summary.count),
        sequence <= SequenceNumber.maximum.rawValue
      else { throw damage(0) }
      return summary
    } catch .malformedBatch(let offset) {
      throw damage(offset)
    }
  }
}
