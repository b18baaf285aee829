/// The newest changes, in memory, until a flush writes them to a table.
///
/// Entries are kept in a ``SkipList``, range tombstones apart from them. Nothing is ever removed: a
/// newer entry of a key is kept beside the older ones, which snapshots may still read.
///
/// Thread-safety: one thread at a time inserts; reads are for any thread and take no lock. A reader
/// sees everything up to the sequence number that the writer published (release) before it looked
/// (acquire); it must not ask for a later one.
// SAFETY: All bytes that it hands out are in the arena, which lives as long as the memtable and never changes
// what was written.
package final class Memtable: Sendable {
  /// Values and tombstones of single keys.
  package let entries: SkipList
  private let arena: Arena
  private let tombstones = MemtableTombstones()

  /// The largest capacity: links in the arena are 32-bit offsets.
  package static let maximumCapacityBytes = Int(UInt32.max)

  /// - Parameter capacityBytes: address space to reserve. Only what is used of it costs memory, so be
  ///   generous; a batch larger than the usual capacity needs a memtable of its own size.
  /// - Precondition: room for the list's head, and no more than ``maximumCapacityBytes``.
  package init(capacityBytes: Int) {
    arena = Arena(capacity: capacityBytes)
    entries = SkipList(arena: arena)
  }

  /// Bytes used of the capacity: keys, values and what the lists add.
  package var usedBytes: Int { arena.usedBytes }

  /// Whether it has neither entries nor range tombstones.
  package var isEmpty: Bool { entries.count == 0 && tombstones.count == 0 }

  /// Whether a batch fits for certain.
  /// - Parameters:
  ///   - recordCount: its puts, deletes and range deletes.
  ///   - bytes: all their keys and values.
  package func hasRoom(recordCount: Int, bytes: Int) -> Bool {
    let (overhead, overflow) = recordCount.multipliedReportingOverflow(
      by: SkipList.maximumOverheadBytes)
    let (total, overflow2) = overhead.addingReportingOverflow(bytes)
    return !overflow && !overflow2 && arena.hasRoom(total)
  }

  // MARK: - Writing

  /// Inserts a value or a tombstone; the bytes are copied.
  ///
  /// - Precondition: ``hasRoom(recordCount:bytes:)``; no entry of the key has this sequence number.
  @safe
  package func insert(
    _ userKey: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, sequence: SequenceNumber,
    kind: EntryKind
  ) {
    precondition(kind != .rangeTombstone, "range tombstones are kept apart")
    unsafe entries.insert(
      InternalKey(userKey: userKey, sequence: sequence, kind: kind), value: value)
  }

  /// The same, with others: see ``SkipList/insert(_:value:with:)``.
  ///
  /// The bytes of key and value stay as they are until then.
  @inline(__always)
  @safe
  package func insert(
    _ userKey: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, sequence: SequenceNumber,
    kind: EntryKind, with group: inout SkipList.Group
  ) {
    unsafe entries.insert(
      InternalKey(userKey: userKey, sequence: sequence, kind: kind), value: value, with: &group)
  }

  /// Deletes the keys from `lower` up to `upper` (exclusive) that are older than `sequence`.
  ///
  /// - Precondition: ``hasRoom(recordCount:bytes:)``.
  @safe
  package func deleteRange(
    lower: UnsafeRawBufferPointer, upper: UnsafeRawBufferPointer, sequence: SequenceNumber
  ) {
    add([copy(lower: lower, upper: upper, sequence: sequence)])
  }

  /// A range tombstone whose bytes live as long as the memtable, to be handed to ``add(_:)``.
  ///
  /// - Precondition: ``hasRoom(recordCount:bytes:)``.
  @safe
  func copy(
    lower: UnsafeRawBufferPointer, upper: UnsafeRawBufferPointer, sequence: SequenceNumber
  ) -> RangeTombstone {
    unsafe RangeTombstone(lower: copy(lower), upper: copy(upper), sequence: sequence)
  }

  /// Adds range tombstones that are newer than all before; their bytes live in this memtable already.
  func add(_ new: [RangeTombstone]) { tombstones.add(new) }

  private func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    // SAFETY: the arena hands these bytes out once, and they live as long as the memtable.
    let target = unsafe UnsafeMutableRawBufferPointer(
      start: arena.base + arena.allocate(bytes.count), count: bytes.count)
    unsafe target.copyMemory(from: bytes)
    return UnsafeRawBufferPointer(target)
  }

  // MARK: - Reading

  /// What a memtable or table knows of a key.
  @safe
  package enum Lookup {
    /// Its newest value, borrowed: valid as long as the memtable.
    case value(UnsafeRawBufferPointer, SequenceNumber)
    /// It is deleted, by a tombstone or a range tombstone of this sequence number.
    case deleted(SequenceNumber)
    /// Nothing: older data decide.
    case absent
  }

  /// The newest state of a key at a sequence number. No lock, no allocation.
  ///
  /// - Parameter hash: of the user key, as ``BloomFilter/hash(_:)`` gives it.
  /// - Complexity: O(1); O(log n) when the key has a newer entry.
  @safe
  package func get(
    _ userKey: UnsafeRawBufferPointer, hash: UInt64, at sequence: SequenceNumber
  ) -> Lookup {
    get(userKey, place: entries.newest(userKey, hash: hash, at: sequence), at: sequence)
  }

  /// The same of a key that ``SkipList/places(of:at:)`` has found the place of.
  @inline(__always)
  @safe
  package func get(
    _ userKey: UnsafeRawBufferPointer, place: UInt32, at sequence: SequenceNumber
  ) -> Lookup {
    let covering = tombstones.newestCovering(userKey, at: sequence)
    guard let entry = unsafe entries.entry(at: place) else {
      return covering.map { .deleted($0) } ?? .absent
    }
    if let covering, unsafe covering > entry.key.sequence { return .deleted(covering) }
    guard unsafe entry.key.kind == .value else { return unsafe .deleted(entry.key.sequence) }
    return unsafe .value(entry.value, entry.key.sequence)
  }

  /// Range tombstones, the empty ones left out.
  package var rangeTombstoneCount: Int { tombstones.count }

  /// The range tombstones as of now, as indexes; valid as long as the memtable.
  var rangeTombstoneIndexes: [RangeTombstoneIndex] { tombstones.indexes }
}
