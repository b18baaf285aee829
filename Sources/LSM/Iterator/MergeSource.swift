/// One sorted run of entries that a ``MergingIterator`` merges: a memtable, a table of level 0, or a level.
///
/// Three concrete kinds behind one switch: the merge calls it for every entry, and must not pay for a
/// protocol there.
///
/// Thread-safety: none; one owner at a time. What it iterates over must outlive it.
// SAFETY: `kind` says which of the three is there; it is set once, by the init that sets that one.
package final class MergeSource {
  private enum Kind {
    case memtable
    case table
    case level
  }

  private let kind: Kind
  private var cursor: SkipList.Cursor?
  private let table: TableIterator?
  private let level: LevelIterator?
  private let file: TableFile?

  /// The entries of a memtable, which must outlive it.
  package init(_ memtable: Memtable) {
    kind = .memtable
    cursor = memtable.entries.makeCursor()
    table = nil
    level = nil
    file = nil
  }

  init(_ file: TableFile, _ tier: Table.ReadTier) {
    kind = .table
    cursor = nil
    table = file.table.makeIterator(tier: tier)
    level = nil
    self.file = file
  }

  init(_ files: [TableFile], _ tier: Table.ReadTier) {
    kind = .level
    cursor = nil
    table = nil
    level = LevelIterator(files, tier)
    file = nil
  }

  @inline(__always)
  var isValid: Bool {
    switch kind {
    case .memtable: unsafe cursor.unsafelyUnwrapped.isValid
    case .table: unsafe table.unsafelyUnwrapped.isValid
    case .level: unsafe level.unsafelyUnwrapped.isValid
    }
  }

  /// The key of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  @inline(__always)
  var key: InternalKey {
    switch kind {
    case .memtable: unsafe cursor.unsafelyUnwrapped.key
    case .table: unsafe table.unsafelyUnwrapped.key
    case .level: unsafe level.unsafelyUnwrapped.current.key
    }
  }

  /// The value of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  @inline(__always)
  @safe var value: UnsafeRawBufferPointer {
    switch kind {
    case .memtable: unsafe cursor.unsafelyUnwrapped.value
    case .table: unsafe table.unsafelyUnwrapped.value
    case .level: unsafe level.unsafelyUnwrapped.current.value
    }
  }

  /// The newest change in the table that it is in; nil in a memtable.
  /// - Precondition: ``isValid``.
  var largestSequence: SequenceNumber? {
    switch kind {
    case .memtable: nil
    case .table: file?.metadata.largestSequence
    case .level: level?.file.metadata.largestSequence
    }
  }

  @inline(__always)
  func next() throws(LSMError) {
    switch kind {
    case .memtable: cursor?.next()
    case .table: try unsafe table.unsafelyUnwrapped.next()
    case .level: try unsafe level.unsafelyUnwrapped.next()
    }
  }

  @inline(__always)
  func previous() throws(LSMError) {
    switch kind {
    case .memtable: cursor?.previous()
    case .table: try unsafe table.unsafelyUnwrapped.previous()
    case .level: try unsafe level.unsafelyUnwrapped.previous()
    }
  }

  func seekToFirst() throws(LSMError) {
    switch kind {
    case .memtable: cursor?.seekToFirst()
    case .table: try table?.seekToFirst()
    case .level: try level?.seekToFirst()
    }
  }

  func seekToLast() throws(LSMError) {
    switch kind {
    case .memtable: cursor?.seekToLast()
    case .table: try table?.seekToLast()
    case .level: try level?.seekToLast()
    }
  }

  func seek(_ target: InternalKey) throws(LSMError) {
    switch kind {
    case .memtable: cursor?.seek(target)
    case .table: try table?.seek(target)
    case .level: try level?.seek(target)
    }
  }

  func seekBefore(_ target: InternalKey) throws(LSMError) {
    switch kind {
    case .memtable: cursor?.seekBefore(target)
    case .table: try table?.seekBefore(target)
    case .level: try level?.seekBefore(target)
    }
  }
}
