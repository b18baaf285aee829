import Bytes

/// A place in a block that moves in both directions.
///
/// Thread-safety: none; one owner at a time. The block's memory must outlive it.
///
/// Unsafe island. Invariants:
/// 1. While `isValid`, `entry` is the entry at `offset` of the validated block, and `restart` the
///    last
///    restart point at or before it.
/// 2. While `isValid`, the key is `keyBytes` bytes at `keyInBlock`, or in `buffer` when that is
///    nil.
package struct BlockIterator: ~Copyable {
  private var block: Block
  private var offset: Int
  private var entry: BlockEntry
  private var restart = 0
  private var buffer = ByteWriter()
  private var keyInBlock: UnsafeRawPointer?

  /// An iterator that stands nowhere yet.
  package init(_ block: Block) {
    self.block = block
    offset = block.entriesEnd
    entry = BlockEntry(nothingAt: block.entriesEnd)
  }

  /// Goes over to another block and stands nowhere in it; keeps the memory for keys.
  package mutating func reset(_ block: Block) {
    self.block = block
    invalidate()
  }

  /// Whether it stands on an entry.
  package var isValid: Bool { offset < block.entriesEnd }

  /// The key of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  package var key: InternalKey {
    precondition(isValid)
    let userKey =
      keyInBlock.map { UnsafeRawBufferPointer(start: $0, count: entry.unshared) } ?? buffer.bytes
    return InternalKey(userKey: userKey, trailer: block.trailer(entry))
  }

  /// The value of the entry, valid as long as the block.
  /// - Precondition: ``isValid``.
  package var value: UnsafeRawBufferPointer {
    precondition(isValid)
    return block.value(entry)
  }

  private mutating func invalidate() {
    offset = block.entriesEnd
  }

  // MARK: - Moving

  package mutating func seekToFirst() {
    guard block.entryCount > 0 else { return invalidate() }
    enter(restart: 0)
  }

  package mutating func seekToLast() {
    guard block.entryCount > 0 else { return invalidate() }
    enter(restart: block.restartCount - 1)
    while entry.end < block.entriesEnd { advance() }
  }

  /// Goes to the first entry at or behind `target`; stands nowhere when there is none.
  package mutating func seek(_ target: InternalKey) {
    guard block.entryCount > 0 else { return invalidate() }
    enter(restart: block.restart(before: target))
    while isValid, InternalKey.compare(key, target) < 0 { advance() }
  }

  /// Goes to the last entry before `target`; stands nowhere when there is none.
  package mutating func seekBefore(_ target: InternalKey) {
    seek(target)
    if isValid { previous() } else { seekToLast() }
  }

  /// - Precondition: ``isValid``.
  package mutating func next() {
    precondition(isValid)
    advance()
  }

  /// Goes one entry back. O(restart interval): entries can only be decoded forwards.
  /// - Precondition: ``isValid``.
  package mutating func previous() {
    precondition(isValid)
    let end = offset
    if end == 0 { return invalidate() }
    enter(restart: block.restartOffset(restart) < end ? restart : restart - 1)
    while entry.end < end { advance() }
  }

  private mutating func enter(restart: Int) {
    self.restart = restart
    offset = block.restartOffset(restart)
    entry = BlockEntry(validated: block.base, at: offset)
    keyInBlock = block.base + entry.restOffset
  }

  /// Moves on by one entry, or off the end.
  @inline(__always)
  private mutating func advance() {
    let next = entry.end
    guard next < block.entriesEnd else { return invalidate() }
    let keyBytes = entry.unshared
    offset = next
    entry = BlockEntry(validated: block.base, at: next)
    if restart + 1 < block.restartCount, block.restartOffset(restart + 1) == next { restart += 1 }
    let rest = block.base + entry.restOffset
    if entry.shared == 0 {
      keyInBlock = rest
      return
    }
    // SAFETY: the block's invariant 3: `shared` is at most the length of the key at hand.
    if let whole = keyInBlock {
      buffer.removeAll()
      buffer.append(UnsafeRawBufferPointer(start: whole, count: min(entry.shared, keyBytes)))
      keyInBlock = nil
    } else {
      buffer.truncate(to: entry.shared)
    }
    buffer.append(UnsafeRawBufferPointer(start: rest, count: entry.unshared))
  }
}
