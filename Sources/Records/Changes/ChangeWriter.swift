import Bytes
import Engine
import Schema

// SAFETY: keys and records are lent until the return, and copied.

/// Writes changes into the batches of what makes them, and gives out their revisions.
///
/// Thread-safety: none; the commit thread's.
struct ChangeWriter: ~Copyable {
  /// What a batch has of one log.
  private struct Note {
    let log: ChangeLog
    let revision: UInt64
    let bytes: Int
  }

  let feed: ChangeFeed
  private let clock: DatabaseClock
  private var next: UInt64
  /// Numbers below it are reserved in the store.
  private var ceiling: UInt64
  /// The same once the batch is stored.
  private var reserved: UInt64 = 0
  /// Of the call; 0 before its first change.
  private var revision: UInt64 = 0
  private var number: UInt32 = 0
  private var notes: [Note] = []
  private var value = ByteWriter()

  init(_ feed: ChangeFeed, clock: DatabaseClock) {
    self.feed = feed
    self.clock = clock
    next = feed.firstRevision
    ceiling = feed.reservedRevision
  }

  /// The changes of another call follow.
  ///
  /// - Returns: for ``rollback(to:)``.
  mutating func beginCall() -> Mark {
    (revision, number) = (0, 0)
    return Mark(notes: notes.count, reserved: reserved)
  }

  /// A place to which it can be taken back.
  struct Mark {
    fileprivate let notes: Int
    fileprivate let reserved: UInt64
  }

  /// The call is not made. Its revision is not used again.
  mutating func rollback(to mark: Mark) {
    notes.removeLast(notes.count - mark.notes)
    reserved = mark.reserved
  }

  /// Appends a change of a record, when its model is watched.
  ///
  /// - Parameters:
  ///   - key: without its prefix.
  ///   - old: as it was before; nil when that is not known, or there was none.
  ///   - record: as it is after a put.
  @safe
  mutating func append(
    _ kind: ChangeKind, _ key: UnsafeRawBufferPointer, old: UnsafeRawBufferPointer?,
    record: UnsafeRawBufferPointer, of store: ModelStore, to batch: WriteBatch
  ) {
    guard let watch = store.model.watch, let log = feed.log(ofModel: store.prefix.model) else {
      return
    }
    if revision == 0 { takeRevision(batch) }
    value.removeAll(keepingAtMost: 1 << 20)
    let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    unsafe ChangeRecord.append(
      kind, time: clock.date() / 1_000_000, key: key, old: watch.hasOld ? old : nil,
      record: watch.isKeysOnly ? none : record, to: &value)
    let stored = ChangeRecord.key(log.prefix, revision, number)
    unsafe stored.withUnsafeBytes { unsafe batch.put($0, value.bytes) }
    number += 1
    notes.append(Note(log: log, revision: revision, bytes: stored.count + value.count))
  }

  private mutating func takeRevision(_ batch: WriteBatch) {
    revision = next
    next += 1
    // Again with each call until it is stored: the batch of this one may fail.
    if revision + ChangeFeed.reservedRevisions / 2 >= ceiling {
      reserved = revision + ChangeFeed.reservedRevisions
      ChangeFeed.putCeiling(reserved, in: batch)
    }
  }

  /// The engine has taken the batch, or has not.
  mutating func didApply(_ isStored: Bool) {
    defer { reserved = 0 }
    guard let last = notes.last else { return }
    if isStored {
      ceiling = max(ceiling, reserved)
      let now = clock.date()
      for note in notes { note.log.note(note.revision, bytes: note.bytes, now) }
      feed.didCommit(last.revision)
    }
    notes.removeAll(keepingCapacity: true)
  }
}
