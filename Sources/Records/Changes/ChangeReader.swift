package import Bytes
package import Engine
import Schema

// SAFETY: requests are lent until the return. The engine lends keys and values to a visit until that returns; what is
// kept of them is copied.

/// One reader of the changes of a model: what it wants, and how far it is.
///
/// Thread-safety: a value; one thread uses it at a time.
package struct ChangeReader: Sendable {
  /// Bytes of a message, or one change when that is larger.
  package static let messageBytes = 256 << 10
  /// Changes that nobody asked for are stepped over until they have so many bytes.
  private static let skippedBytes = 4 << 20

  /// How a read ended.
  package enum Outcome: Sendable, Equatable {
    /// A message is in the answer; `hasMore` when others are ready.
    case message(hasMore: Bool)
    /// There was nothing to tell.
    case caughtUp
    /// Changes after its revision are not kept any more; they are after this one.
    case compacted(oldest: UInt64)
  }

  /// The records that there are, before the changes.
  private struct Initial: Sendable {
    let snapshot: any EngineSnapshot
    let revision: UInt64
    /// Those that were not read yet.
    var left: RecordSource
  }

  private enum Field {
    static let revision = 1
    static let changes = 2
    static let more = 3
    static let initialDone = 4
    static let kind = 1
    static let key = 2
    static let record = 3
    static let old = 4
  }

  private let store: ModelStore
  private let log: ChangeLog
  private let filter: RecordSource?
  private let hasOld: Bool
  /// Of this process.
  private let firstRevision: UInt64
  /// All changes up to it were read.
  package private(set) var revision: UInt64
  /// So many of the next revision were read as well.
  private var number: UInt32 = 0
  private var initial: Initial?
  /// Whether all records come first, and their moment is still to be taken.
  package private(set) var needsMoment: Bool

  init(
    _ request: WatchRequest, _ store: ModelStore, _ log: ChangeLog, at revision: UInt64,
    first: UInt64
  ) {
    firstRevision = first
    self.store = store
    self.log = log
    filter = request.filter
    hasOld = request.hasOld
    self.revision = revision
    needsMoment = request.start == .initial
  }

  /// Lets its moment go. It reads nothing more.
  package mutating func end() {
    initial = nil
    needsMoment = false
  }

  /// Whether it holds a moment of the store, which keeps what is overwritten.
  package var holdsMoment: Bool { initial != nil }

  /// Whether others may read the same.
  package var isShared: Bool { filter == nil && initial == nil && !needsMoment }

  /// Whether two read the same from here on.
  package func readsLike(_ other: ChangeReader) -> Bool {
    store === other.store && revision == other.revision && number == other.number
      && hasOld == other.hasOld && isShared && other.isShared
  }

  /// Takes the moment whose records come first.
  package mutating func begin(_ snapshot: any EngineSnapshot, at revision: UInt64) {
    initial = Initial(
      snapshot: snapshot, revision: revision, left: filter ?? .range(store.prefix.all))
    needsMoment = false
  }

  /// Appends the first message of a call: where it begins.
  package func appendStart(to response: inout ByteWriter) {
    if !needsMoment { Self.appendRevision(revision, to: &response) }
  }

  /// Appends a message without changes that says how far the reader is.
  package func appendProgress(to response: inout ByteWriter) {
    Self.appendRevision(revision, to: &response)
  }

  private static func appendRevision(_ revision: UInt64, to response: inout ByteWriter) {
    if revision != 0 { response.appendField(Field.revision, varint: revision) }
  }

  // MARK: - Reading

  /// Appends the next message. Blocks on disk I/O.
  ///
  /// - Parameters:
  ///   - newest: all changes up to this revision are stored.
  ///   - messageBytes: of the answer, unless one change is larger.
  ///   - response: empty.
  package mutating func read(
    through newest: UInt64, messageBytes: Int = ChangeReader.messageBytes,
    into response: inout ByteWriter
  ) throws(EngineError) -> Outcome {
    if initial != nil { return try readRecords(messageBytes, into: &response) }
    let oldest = log.oldest
    guard revision >= oldest else { return .compacted(oldest: oldest) }
    guard revision < newest else { return .caughtUp }
    if revision + 1 >= firstRevision, number == 0, log.hasNothing(after: revision) {
      revision = newest
      return .caughtUp
    }
    var visit = Visit(reader: self, messageBytes: messageBytes)
    let lower = ChangeRecord.key(log.prefix, revision + 1, number)
    _ = try store.engine.scan(
      KeyRange(lower: lower, upper: ChangeRecord.bound(log.prefix, newest + 1)),
      direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in visit.take(key, value, &response) }
    if visit.isDamaged { throw damaged }
    // What was read may have been on its way out.
    let now = log.oldest
    guard revision >= now else {
      response.removeAll()
      return .compacted(oldest: now)
    }
    guard let next = visit.next else {
      (revision, number) = (newest, 0)
      guard !response.isEmpty else { return .caughtUp }
      Self.appendRevision(revision, to: &response)
      return .message(hasMore: false)
    }
    (revision, number) = (next.revision - 1, next.number)
    Self.appendRevision(revision, to: &response)
    if number > 0 { response.appendField(Field.more, varint: 1) }
    return .message(hasMore: true)
  }

  private var damaged: EngineError {
    .corruption(
      EngineError.Failure(
        operation: .scan, directory: "the changes of \(store.model.fullName)",
        detail: "a change cannot be read"))
  }

  /// One run over the log.
  private struct Visit {
    let reader: ChangeReader
    /// The first change that was not taken.
    var next: (revision: UInt64, number: UInt32)?
    var isDamaged = false
    private var skipped = 0

    private let messageBytes: Int

    init(reader: ChangeReader, messageBytes: Int) {
      self.reader = reader
      self.messageBytes = messageBytes
    }

    @safe
    mutating func take(
      _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ response: inout ByteWriter
    ) -> ScanStep {
      guard let revision = ChangeRecord.revision(ofKey: key), let change = ChangeRecord(value)
      else {
        isDamaged = true
        return .stop
      }
      let bits = unsafe key.loadUnaligned(fromByteOffset: key.count - 4, as: UInt32.self)
      let place = (revision: revision, number: UInt32(bigEndian: bits))
      if let filter = reader.filter, !filter.contains(reader.store.prefix.key(change.key)) {
        skipped += value.count
        guard skipped <= ChangeReader.skippedBytes else {
          next = place
          return .stop
        }
        return .next
      }
      let bytes = value.count
      guard response.isEmpty || response.count + bytes <= messageBytes else {
        next = place
        return .stop
      }
      guard
        reader.append(
          change.kind, change.key, record: change.record, old: reader.hasOld ? change.old : nil,
          to: &response)
      else {
        isDamaged = true
        return .stop
      }
      return .next
    }
  }

  /// Appends a `Change`.
  ///
  /// - Returns: false when the key is none of the model.
  @safe
  private func append(
    _ kind: ChangeKind, _ key: UnsafeRawBufferPointer, record: UnsafeRawBufferPointer,
    old: UnsafeRawBufferPointer?, to response: inout ByteWriter
  ) -> Bool {
    var change = ByteWriter(capacity: 64 + record.count)
    if kind != .put { change.appendField(Field.kind, varint: UInt64(kind.rawValue)) }
    var message = ByteWriter(capacity: 64)
    if let plan = store.keyPlan {
      guard unsafe plan.appendMessage(ofKey: key, to: &message) else { return false }
    } else {
      message.appendField(1, key)
    }
    unsafe change.appendField(Field.key, message.bytes)
    if kind == .put, store.model.watch?.isKeysOnly == false {
      change.appendField(Field.record, record)
    }
    if let old = unsafe old { change.appendField(Field.old, old) }
    unsafe response.appendField(Field.changes, change.bytes)
    return true
  }

  // MARK: - The records before

  private mutating func readRecords(
    _ messageBytes: Int, into response: inout ByteWriter
  ) throws(EngineError) -> Outcome {
    guard var initial else { return .caughtUp }
    var records = Records(reader: self, messageBytes: messageBytes)
    reading: while !records.isStopped {
      switch initial.left {
      case .range(let range):
        try read(range, initial.snapshot, &records, &response)
        if !records.isStopped { break reading }
      case .ranges(let ranges):
        guard let range = ranges.first else { break reading }
        try read(range, initial.snapshot, &records, &response)
        if !records.isStopped { initial.left = .ranges(ranges.dropFirst()) }
      case .keys(let keys):
        try read(keys, initial.snapshot, &records, &response)
        if !records.isStopped { break reading }
      }
    }
    let (isDamaged, isFull) = (records.isDamaged, records.isStopped)
    if isFull, !records.lastKey.isEmpty {
      initial.left.skip(to: records.lastKey, isDescending: false)
    }
    if isDamaged { throw damaged }
    if isFull {
      self.initial = initial
      return .message(hasMore: true)
    }
    revision = initial.revision
    self.initial = nil
    Self.appendRevision(revision, to: &response)
    response.appendField(Field.initialDone, varint: 1)
    return .message(hasMore: true)
  }

  private func read(
    _ range: KeyRange, _ snapshot: any EngineSnapshot, _ records: inout Records,
    _ response: inout ByteWriter
  ) throws(EngineError) {
    guard !range.isEmpty else { return }
    _ = try store.engine.scan(
      range, direction: .ascending, limit: .max, snapshot: snapshot, tier: .any
    ) { key, record in records.take(key, record, &response) }
  }

  private func read(
    _ keys: StoredKeys, _ snapshot: any EngineSnapshot, _ records: inout Records,
    _ response: inout ByteWriter
  ) throws(EngineError) {
    var result = Result<Void, EngineError>.success(())
    keys.withKeys(first: keys.count, fromEnd: false) { keys in
      do throws(EngineError) {
        _ = try store.engine.get(keys, snapshot: snapshot, tier: .any) { index, record in
          guard let record = unsafe record else { return .next }
          return unsafe records.take(keys[index], record, &response)
        }
      } catch {
        result = .failure(error)
      }
    }
    try result.get()
  }

  /// The records of one message.
  private struct Records {
    let reader: ChangeReader
    let messageBytes: Int
    /// Before the end of what is left.
    var isStopped = false
    var isDamaged = false
    /// The stored key of the last one that needs no second look; empty before.
    var lastKey: [UInt8] = []
    private var skipped = 0

    init(reader: ChangeReader, messageBytes: Int) {
      self.reader = reader
      self.messageBytes = messageBytes
    }

    @safe
    mutating func take(
      _ key: UnsafeRawBufferPointer, _ record: UnsafeRawBufferPointer, _ response: inout ByteWriter
    ) -> ScanStep {
      if reader.store.expiry?.hasPassed(record) == true {
        skipped += record.count
        isStopped = skipped > ChangeReader.skippedBytes
      } else {
        guard response.isEmpty || response.count + record.count <= messageBytes else {
          isStopped = true
          return .stop
        }
        let name = unsafe UnsafeRawBufferPointer(rebasing: key[KeyPrefix.byteCount...])
        isDamaged = !reader.append(.put, name, record: record, old: nil, to: &response)
        if isDamaged { isStopped = true }
      }
      lastKey = unsafe Array(key)
      return isStopped ? .stop : .next
    }
  }
}
