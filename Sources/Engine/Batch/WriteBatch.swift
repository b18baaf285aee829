import Bytes

/// Writes that take effect together, in their order; the last one on a key wins.
///
/// Kept as the image that LevelDB and RocksDB write to their logs, so that RocksDB takes it with one copy
/// (leveldb:db/write_batch.cc, rocksdb:db/write_batch.cc):
///
///     sequence  u64 little-endian, 0
///     count     u32 little-endian
///     records   0F  length, lower, length, upper     range delete
///               01  length, key, length, value       put
///               00  length, key                      delete
///
/// Lengths are varints of at most 5 bytes. Our own tree logs the same without the sequence number.
///
/// Thread-safety: none. One owner at a time; it may move between threads.
// SAFETY: Bytes that are lent are copied before the call returns. The image is the writer's own memory, which nothing
// changes while the entries are visited: that is what "until the next mutation" asks of callers.
package final class WriteBatch {
  static let headerByteCount = 12
  /// Where the count stands in ``image``; the records follow it.
  package static let countOffset = 8

  enum Tag {
    static let delete: UInt8 = 0x00
    static let put: UInt8 = 0x01
    static let deleteRange: UInt8 = 0x0f
  }

  /// - Invariant: begins with the header, whose sequence is 0; its count is brought up to date by
  ///   ``image`` alone.
  private var writer: ByteWriter
  /// Number of records.
  package private(set) var count = 0
  /// Number of range deletes among them.
  package private(set) var rangeDeleteCount = 0

  package init() {
    writer = ByteWriter(capacity: 256)
    appendHeader()
  }

  private init(writer: consuming ByteWriter, count: Int, rangeDeleteCount: Int) {
    self.writer = writer
    self.count = count
    self.rangeDeleteCount = rangeDeleteCount
  }

  /// Reads an image written by another batch.
  /// - Throws: ``EngineError/malformedBatch(offset:)``; every byte is checked.
  @safe
  package convenience init(image: UnsafeRawBufferPointer) throws(EngineError) {
    let summary = try unsafe WriteBatchImage(image).visitEntries { _ in }
    var writer = ByteWriter(capacity: image.count)
    writer.append(image)
    self.init(
      writer: writer, count: summary.count, rangeDeleteCount: summary.rangeDeleteCount)
  }

  /// Whether it changes nothing.
  package var isEmpty: Bool { count == 0 }

  /// Bytes of the image, the header among them.
  package var byteCount: Int { writer.count }

  /// Forgets the records and keeps the memory.
  package func clear() {
    writer.removeAll()
    resetCounts()
  }

  /// Forgets the records; gives memory back when more than `keepingAtMost` bytes are held.
  package func clear(keepingAtMost limit: Int) {
    writer.removeAll(keepingAtMost: limit)
    resetCounts()
  }

  /// Appends the records of another batch. O(bytes).
  package func append(_ other: WriteBatch) {
    precondition(count + other.count < Int(UInt32.max), "a batch holds less than 2^32 records")
    let records = unsafe UnsafeRawBufferPointer(rebasing: other.image[Self.headerByteCount...])
    writer.append(records)
    count += other.count
    rangeDeleteCount += other.rangeDeleteCount
  }

  // MARK: - Taking back

  /// A place in a batch, to which it can be taken back.
  package struct Mark: Sendable {
    fileprivate let byteCount: Int
    fileprivate let count: Int
    fileprivate let rangeDeleteCount: Int
  }

  /// The end of what is in it now.
  package func mark() -> Mark {
    Mark(byteCount: writer.count, count: count, rangeDeleteCount: rangeDeleteCount)
  }

  /// Forgets what was appended after `mark`.
  /// - Precondition: the mark is of this batch, and nothing before it was forgotten.
  package func rollback(to mark: Mark) {
    precondition(mark.byteCount <= writer.count && mark.count <= count)
    writer.truncate(to: mark.byteCount)
    count = mark.count
    rangeDeleteCount = mark.rangeDeleteCount
  }

  private func resetCounts() {
    count = 0
    rangeDeleteCount = 0
    appendHeader()
  }

  private func appendHeader() {
    writer.appendLittleEndian(UInt64(0))
    writer.appendLittleEndian(UInt32(0))
  }

  /// The image; valid until the next mutation.
  package var image: UnsafeRawBufferPointer {
    unsafe withUnsafeBytes(of: UInt32(count).littleEndian) {
      writer.overwrite(at: Self.countOffset, with: $0)
    }
    return unsafe writer.bytes
  }

  /// Visits the records in their order. The bytes are borrowed until `visit` returns.
  package func visitEntries(_ visit: (Entry) -> Void) throws(EngineError) {
    try unsafe WriteBatchImage(image).visitEntries(visit)
  }

  /// One record of a batch; its bytes are borrowed.
  @safe
  package enum Entry {
    case put(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)
    case delete(key: UnsafeRawBufferPointer)
    case deleteRange(lower: UnsafeRawBufferPointer, upper: UnsafeRawBufferPointer)
  }
}

// MARK: - Records

// Lengths over 4 GiB have no place in the image. Messages are bounded far below; a caller that lets such
// a length through has a bug, hence the preconditions.
extension WriteBatch {
  /// Stores `value` under `key`.
  /// - Precondition: key and value are shorter than 4 GiB each, as in every call below.
  @safe
  package func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    appendTag(Tag.put)
    append(key)
    append(value)
  }

  /// Stores `value` under `prefix` and `key`, without allocating for the joined key.
  @safe
  package func put(
    _ key: UnsafeRawBufferPointer, prefix: FixedPrefix, value: UnsafeRawBufferPointer
  ) {
    appendTag(Tag.put)
    append(key, prefix: prefix)
    append(value)
  }

  /// As the one for borrowed bytes: for tests and rare writes.
  package func put(_ key: [UInt8], _ value: [UInt8]) {
    unsafe key.withUnsafeBytes { key in unsafe value.withUnsafeBytes { put(key, $0) } }
  }

  /// Deletes `key`, whether it is there or not.
  @safe
  package func delete(_ key: UnsafeRawBufferPointer) {
    appendTag(Tag.delete)
    append(key)
  }

  /// Deletes `prefix` and `key`, without allocating for the joined key.
  @safe
  package func delete(_ key: UnsafeRawBufferPointer, prefix: FixedPrefix) {
    appendTag(Tag.delete)
    append(key, prefix: prefix)
  }

  /// As the one for borrowed bytes.
  package func delete(_ key: [UInt8]) { unsafe key.withUnsafeBytes { delete($0) } }

  /// Deletes every key from `lower` on, up to but without `upper`, without reading them.
  ///
  /// An empty range adds no record. There is no open end: use that of the keys' prefix.
  @safe
  package func deleteRange(_ lower: UnsafeRawBufferPointer, _ upper: UnsafeRawBufferPointer) {
    // RocksDB refuses a range whose end lies before its start, but only after it has logged the batch.
    guard unsafe lower.lexicographicallyPrecedes(upper) else { return }
    appendTag(Tag.deleteRange)
    append(lower)
    append(upper)
    rangeDeleteCount += 1
  }

  /// As the one for borrowed bytes.
  package func deleteRange(_ lower: [UInt8], _ upper: [UInt8]) {
    unsafe lower.withUnsafeBytes { lower in unsafe upper.withUnsafeBytes { deleteRange(lower, $0) }
    }
  }

  /// Deletes every key of `range`.
  /// - Precondition: `range` has an end.
  package func deleteRange(_ range: KeyRange) {
    guard let upper = range.upper else { preconditionFailure("a range delete needs an end") }
    deleteRange(range.lower, upper)
  }

  private func appendTag(_ tag: UInt8) {
    precondition(count < Int(UInt32.max), "a batch holds less than 2^32 records")
    count &+= 1
    writer.append(tag)
  }

  @safe
  private func append(_ bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count <= Int(UInt32.max), "keys and values are shorter than 4 GiB")
    writer.appendVarint(UInt64(bytes.count))
    writer.append(bytes)
  }

  @safe
  private func append(_ key: UnsafeRawBufferPointer, prefix: FixedPrefix) {
    let length = key.count + FixedPrefix.byteCount
    precondition(length <= Int(UInt32.max), "keys and values are shorter than 4 GiB")
    writer.appendVarint(UInt64(length))
    prefix.append(to: &writer)
    writer.append(key)
  }
}

// SAFETY: it owns its bytes alone and shares nothing. The type is used by one owner at a time (see
// "Thread-safety"), which hands it over through a queue that orders the accesses.
extension WriteBatch: @unchecked Sendable {}
