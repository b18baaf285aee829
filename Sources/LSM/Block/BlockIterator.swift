import Bytes

/// A place in a block that moves in both directions.
///
/// Thread-safety: none; one owner at a time. The block's memory must outlive it.
///
/// Unsafe island. Invariants:
/// 1. While `isValid`, `entry` is the entry at `offset` of the validated block, and `restart` the
///    last restart point at or before it.
/// 2. While `isValid`, the key is `keyBytes` bytes at `keyInBlock`, or in `buffer` when that is
///    nil.
/// 3. `steps` holds, 8 bytes each, entries that follow each other between `restart` and `offset`, the last
///    one right before `offset`: the entry's offset, and where its key is in `stepKeys` unless it shares
///    nothing with the one before it.
@safe
package struct BlockIterator: ~Copyable {
  private var block: Block
  private var offset: Int
  private var entry: BlockEntry
  private var restart = 0
  private var buffer = ByteWriter()
  private var keyInBlock: UnsafeRawPointer?
  private var steps = ByteWriter()
  private var stepKeys = ByteWriter()
  private static let stepBytes = 8
  /// The most bytes of keys that are kept for steps back; beyond it, those further back are forgotten.
  private static let maximumStepKeyBytes = 64 << 10

  /// An iterator that is on no entry yet.
  package init(_ block: Block) {
    self.block = block
    offset = block.entriesEnd
    entry = BlockEntry(nothingAt: block.entriesEnd)
  }

  /// Goes over to another block and is on no entry of it; keeps the memory for keys.
  package mutating func reset(_ block: Block) {
    self.block = block
    invalidate()
  }

  /// Whether it is on an entry.
  package var isValid: Bool { offset < block.entriesEnd }

  /// The key of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  package var key: InternalKey {
    precondition(isValid)
    let userKey =
      unsafe keyInBlock.map { unsafe UnsafeRawBufferPointer(start: $0, count: entry.unshared) }
      ?? buffer.bytes
    return unsafe InternalKey(userKey: userKey, trailer: block.trailer(entry))
  }

  /// The value of the entry, valid as long as the block.
  /// - Precondition: ``isValid``.
  @safe package var value: UnsafeRawBufferPointer {
    precondition(isValid)
    return unsafe block.value(entry)
  }

  private mutating func invalidate() {
    offset = block.entriesEnd
    steps.removeAll()
  }

  // MARK: - Moving

  /// Goes to the first entry; is on no entry when the block has none.
  package mutating func seekToFirst() {
    guard block.entryCount > 0 else { return invalidate() }
    enter(restart: 0)
  }

  /// Goes to the last entry. O(entries of one restart interval).
  package mutating func seekToLast() {
    guard block.entryCount > 0 else { return invalidate() }
    enter(restart: block.restartCount - 1)
    while entry.end < block.entriesEnd { advance() }
  }

  /// Goes to the first entry at or after `target`; is on no entry when there is none.
  package mutating func seek(_ target: InternalKey) {
    guard block.entryCount > 0 else { return invalidate() }
    enter(restart: block.restart(before: target))
    while isValid, InternalKey.compare(key, target) < 0 { advance() }
  }

  /// Goes to the last entry before `target`; is on no entry when there is none.
  package mutating func seekBefore(_ target: InternalKey) {
    seek(target)
    if isValid { previous() } else { seekToLast() }
  }

  /// - Precondition: ``isValid``.
  package mutating func next() {
    precondition(isValid)
    steps.removeAll()
    advance()
  }

  /// Goes one entry back.
  ///
  /// Entries can only be decoded forwards, from a restart point on; so the first step back from a place costs O(restart
  /// interval), and those after it in the same interval O(1) each.
  /// - Precondition: ``isValid``.
  package mutating func previous() {
    precondition(isValid)
    if !steps.isEmpty { return takeStep() }
    let end = offset
    if end == 0 { return invalidate() }
    enter(restart: block.restartOffset(restart) < end ? restart : restart - 1)
    while entry.end < end {
      noteStep()
      advance()
    }
  }

  /// Keeps where it is for a step back from the next entry.
  @inline(__always)
  private mutating func noteStep() {
    if entry.shared != 0 {
      // Entries with long keys that share most of them may be many times the block.
      if stepKeys.count + entry.keyBytes > Self.maximumStepKeyBytes { forgetSteps() }
      if entry.keyBytes > Self.maximumStepKeyBytes { return }
    }
    // A block has less than 2^32 bytes.
    steps.appendLittleEndian(UInt64(offset) << 32 | UInt64(stepKeys.count))
    if entry.shared != 0 { unsafe stepKeys.append(buffer.bytes) }
  }

  private mutating func forgetSteps() {
    steps.removeAll()
    stepKeys.removeAll()
  }

  /// Goes to the last of `steps`.
  private mutating func takeStep() {
    let rest = steps.count - Self.stepBytes
    // SAFETY: `steps` holds whole steps, and at least one.
    let step = unsafe UInt64(
      littleEndian: steps.bytes.loadUnaligned(fromByteOffset: rest, as: UInt64.self))
    steps.truncate(to: rest)
    offset = Int(step >> 32)
    entry = unsafe BlockEntry(validated: block.base, at: offset)
    if entry.shared == 0 {
      unsafe keyInBlock = block.base + entry.restOffset
      return
    }
    let start = Int(step & 0xFFFF_FFFF)
    unsafe keyInBlock = nil
    buffer.removeAll()
    unsafe buffer.append(
      UnsafeRawBufferPointer(rebasing: stepKeys.bytes[start..<start + entry.keyBytes]))
  }

  private mutating func enter(restart: Int) {
    forgetSteps()
    self.restart = restart
    offset = block.restartOffset(restart)
    entry = unsafe BlockEntry(validated: block.base, at: offset)
    unsafe keyInBlock = block.base + entry.restOffset
  }

  /// Moves on by one entry, or off the end.
  @inline(__always)
  private mutating func advance() {
    let next = entry.end
    guard next < block.entriesEnd else { return invalidate() }
    let keyBytes = entry.unshared
    offset = next
    entry = unsafe BlockEntry(validated: block.base, at: next)
    if restart + 1 < block.restartCount, block.restartOffset(restart + 1) == next { restart += 1 }
    let rest = unsafe block.base + entry.restOffset
    if entry.shared == 0 {
      unsafe keyInBlock = rest
      return
    }
    // SAFETY: the block's invariant 3: `shared` is at most the length of the key at hand.
    if let whole = unsafe keyInBlock {
      buffer.removeAll()
      unsafe buffer.append(UnsafeRawBufferPointer(start: whole, count: min(entry.shared, keyBytes)))
      unsafe keyInBlock = nil
    } else {
      buffer.truncate(to: entry.shared)
    }
    unsafe buffer.append(UnsafeRawBufferPointer(start: rest, count: entry.unshared))
  }
}
