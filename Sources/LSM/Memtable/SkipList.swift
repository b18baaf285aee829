import CLinux
import Synchronization

/// A sorted run of entries with one writer and any number of readers that take no lock.
///
/// (W. Pugh, "Skip Lists", 1990; the shape is LevelDB's: nodes are never removed before the list
/// is.) A finger remembers where the last search ended, so keys that come in order cost O(1). A ``HashIndex`` finds the
/// newest entry of a key without a search: for readers, and for the next entry of the key, which goes right before it.
///
/// A reader finds every entry whose insert happened before its read (that is what publishing a
/// sequence number with release and reading it with acquire gives); of an insert that runs at the
/// same time it may see all or nothing, never a part.
///
/// Thread-safety: one thread at a time calls ``insert(_:value:)``; all else is for any thread.
///
/// Unsafe island. Invariants:
/// 1. Every link is 0 or the arena offset of a whole node; the list at each level is sorted by
///    ``InternalKey``, and a node of level n is in all levels below.
/// 2. A node is filled before it is linked (release), and read only through a link (acquire).
/// 3. Between calls `finger[0]` is a node, and `finger[i]` one of level i that is not after it; the head is a node of
///    all levels.
/// 4. The arena outlives the list, its cursors and the bytes they hand out.
@safe
package final class SkipList: @unchecked Sendable {
  static let maximumHeight = 12
  /// The most an entry takes besides its key and value.
  static let maximumOverheadBytes =
    SkipListNode.linksBytes(height: maximumHeight) + SkipListNode.headerBytes + Arena.alignment

  // Constant after init.
  let arena: Arena
  let base: UnsafeMutableRawPointer
  let head: UInt32
  let hashIndex: HashIndex
  // Atomic: written by the writer only.
  let height = Atomic<Int>(1)
  private let entries = Atomic<Int>(0)
  // The writer's alone.
  let finger: UnsafeMutablePointer<UInt32>
  private var random: UInt64
  /// Of all entries.
  private var newestSequence = SequenceNumber(rawValue: 0)

  init(arena: Arena) {
    precondition(arena.capacity <= Int(UInt32.max), "links are 32-bit offsets")
    self.arena = arena
    unsafe base = arena.base
    let links = SkipListNode.linksBytes(height: Self.maximumHeight)
    head = UInt32(arena.allocate(links + SkipListNode.headerBytes) + links)
    hashIndex = unsafe HashIndex(base: base, capacityBytes: arena.capacity)
    unsafe finger = .allocate(capacity: Self.maximumHeight)
    unsafe finger.initialize(repeating: head, count: Self.maximumHeight)
    random = 0x9E37_79B9_7F4A_7C15
  }

  deinit { unsafe finger.deallocate() }

  /// Entries, all versions counted; a moment old when another thread inserts.
  package var count: Int { entries.load(ordering: .relaxed) }

  @inline(__always)
  func node(_ offset: UInt32) -> SkipListNode { unsafe SkipListNode(base + Int(offset)) }

  // MARK: - Writing

  /// Inserts an entry; its bytes are copied.
  ///
  /// - Precondition: one caller at a time; no entry has the same internal key; the arena has room
  ///   for key, value and ``maximumOverheadBytes``.
  /// - Complexity: O(log n); O(1) right after the last one that was searched for, and most often for a key that has an
  ///   entry.
  @safe
  func insert(_ key: InternalKey, value: UnsafeRawBufferPointer) {
    let hash = BloomFilter.hash(key.userKey)
    hashIndex.prefetch(hash)
    insert(key, hash, value: value)
  }

  @safe
  func insert(_ key: InternalKey, _ hash: UInt64, value: UnsafeRawBufferPointer) {
    let prefix = KeyOrder.prefix(of: key.userKey)
    let height = drawHeight()
    if !moveFinger(to: key, prefix, steps: 0) {
      if height == 1, insertBeforeNewest(key, prefix, hash, value: value) { return }
      moveFinger(to: key, prefix, from: self.height.load(ordering: .relaxed) - 1)
    }
    insertAtFinger(key, prefix, hash, value: value, height: height)
  }

  /// Inserts an entry of height 1, wherever the finger is.
  @safe
  func insertBySearch(
    _ key: InternalKey, _ prefix: UInt64, _ hash: UInt64, value: UnsafeRawBufferPointer
  ) {
    moveFinger(to: key, prefix, from: height.load(ordering: .relaxed) - 1)
    insertAtFinger(key, prefix, hash, value: value, height: 1)
  }

  /// Inserts an entry of height 1 right before the newest one of its key. No level but the lowest is touched, and not
  /// the finger. O(1).
  ///
  /// - Returns: false, and nothing is done, when the key's newest entry is not known, or is newer than this.
  @inline(__always)
  @safe
  func insertBeforeNewest(
    _ key: InternalKey, _ prefix: UInt64, _ hash: UInt64, value: UnsafeRawBufferPointer
  ) -> Bool {
    let newest = unsafe hashIndex.newest(key.userKey, hash)
    guard newest != 0, node(newest).key.sequence < key.sequence else { return false }
    let predecessor = unsafe node(newest).previous.pointee.load(ordering: .relaxed)
    let offset = makeNode(key, prefix, value: value, height: 1)
    let new = node(offset)
    unsafe new.previous.pointee.store(predecessor, ordering: .relaxed)
    unsafe new.next(0).pointee.store(newest, ordering: .relaxed)
    unsafe node(predecessor).next(0).pointee.store(offset, ordering: .releasing)
    unsafe node(newest).previous.pointee.store(offset, ordering: .releasing)
    if key.sequence > newestSequence { newestSequence = key.sequence }
    hashIndex.insert(offset, hash, replacing: newest)
    entries.store(entries.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    return true
  }

  /// The same, when the key belongs after the last one with at most so many entries between them: O(steps).
  ///
  /// - Returns: whether it does.
  @inline(__always)
  @safe
  func insertNear(_ key: InternalKey, value: UnsafeRawBufferPointer, steps: Int) -> Bool {
    let prefix = KeyOrder.prefix(of: key.userKey)
    guard moveFinger(to: key, prefix, steps: steps) else { return false }
    let hash = BloomFilter.hash(key.userKey)
    hashIndex.prefetch(hash)
    insertAtFinger(key, prefix, hash, value: value, height: drawHeight())
    return true
  }

  /// Inserts an entry whose place the finger has at level 0.
  @safe
  func insertAtFinger(
    _ key: InternalKey, _ prefix: UInt64, _ hash: UInt64, value: UnsafeRawBufferPointer,
    height: Int
  ) {
    if height > self.height.load(ordering: .relaxed) {
      // The head's links up there are 0 and the finger is the head: a reader that comes too early
      // finds empty levels.
      self.height.store(height, ordering: .releasing)
    }
    var level = 1
    while level < height {
      unsafe finger[level] = lastNode(before: key, prefix, from: finger[level], level)
      level &+= 1
    }
    let offset = makeNode(key, prefix, value: value, height: height)
    let new = node(offset)
    let successor = unsafe node(finger[0]).next(0).pointee.load(ordering: .relaxed)
    assert(successor == 0 || InternalKey.compare(key, node(successor).key) < 0)
    let predecessor = unsafe finger[0]
    unsafe new.previous.pointee.store(predecessor, ordering: .relaxed)
    for level in 0..<height {
      let link = unsafe node(finger[level]).next(level)
      unsafe new.next(level).pointee.store(
        link.pointee.load(ordering: .relaxed), ordering: .relaxed)
      unsafe link.pointee.store(offset, ordering: .releasing)
      unsafe finger[level] = offset
    }
    if successor != 0 {
      unsafe node(successor).previous.pointee.store(offset, ordering: .releasing)
    }
    note(offset, key, hash, between: predecessor, successor)
    entries.store(entries.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
  }

  /// A node with copies of the bytes, which nothing links to yet.
  @inline(__always)
  @safe
  private func makeNode(
    _ key: InternalKey, _ prefix: UInt64, value: UnsafeRawBufferPointer, height: Int
  ) -> UInt32 {
    let links = SkipListNode.linksBytes(height: height)
    let size = links + SkipListNode.headerBytes + key.userKey.count + value.count
    let offset = UInt32(arena.allocate(size) + links)
    // SAFETY: invariant 2: nobody sees the node before a link to it is stored.
    unsafe node(offset).fill(prefix: prefix, key: key, value: value)
    return offset
  }

  /// Tells the hash index of an entry that is its key's newest.
  @inline(__always)
  private func note(
    _ offset: UInt32, _ key: InternalKey, _ hash: UInt64, between predecessor: UInt32,
    _ successor: UInt32
  ) {
    if key.sequence > newestSequence {
      newestSequence = key.sequence
    } else if predecessor != head, unsafe KeyOrder.isSame(node(predecessor).userKey, key.userKey) {
      // A newer entry is there already.
      return
    }
    // The entries of a key are neighbours, the newest first.
    let hasOlder = unsafe successor != 0 && KeyOrder.isSame(node(successor).userKey, key.userKey)
    hashIndex.insert(offset, hash, replacing: hasOlder ? successor : 0)
  }

  /// The last node of a level before a key.
  ///
  /// - Parameter start: is before it.
  @inline(__always)
  func lastNode(
    before key: InternalKey, _ prefix: UInt64, from start: UInt32, _ level: Int
  ) -> UInt32 {
    var at = start
    while true {
      let next = unsafe node(at).next(level).pointee.load(ordering: .relaxed)
      guard next != 0, isBefore(node(next), key, prefix) else { return at }
      at = next
    }
  }

  /// Moves the finger at level 0 from the last insert's place to that of `key`, when that is so near.
  @inline(__always)
  private func moveFinger(to key: InternalKey, _ prefix: UInt64, steps: Int) -> Bool {
    var at = unsafe finger[0]
    guard at == head || isBefore(node(at), key, prefix) else { return false }
    var left = steps
    while true {
      let next = unsafe node(at).next(0).pointee.load(ordering: .relaxed)
      guard next != 0, isBefore(node(next), key, prefix) else { break }
      guard left > 0 else { return false }
      left &-= 1
      at = next
    }
    unsafe finger[0] = at
    return true
  }

  private func moveFinger(to key: InternalKey, _ prefix: UInt64, from top: Int) {
    var at = head
    var known: UInt32 = 0
    var level = top
    while level >= 0 {
      let next = unsafe node(at).next(level).pointee.load(ordering: .relaxed)
      if next != 0, next != known, isBefore(node(next), key, prefix) {
        at = next
      } else {
        // The same node ends this level and the next ones down: no need to compare it again.
        known = next
        unsafe finger[level] = at
        level &-= 1
      }
    }
    var above = top + 1
    while above < Self.maximumHeight {
      unsafe finger[above] = head
      above &+= 1
    }
  }

  /// A height with P(height > n) = 4^-n.
  func drawHeight() -> Int {
    // xorshift64 (Marsaglia 2003): the list's shape needs no better.
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    return min(1 &+ (random >> 16).trailingZeroBitCount / 2, Self.maximumHeight)
  }

  // MARK: - Searching

  /// Whether the node's key is before `key`.
  @inline(__always)
  func isBefore(_ node: SkipListNode, _ key: InternalKey, _ prefix: UInt64) -> Bool {
    let nodePrefix = node.prefix
    if nodePrefix != prefix { return nodePrefix < prefix }
    return InternalKey.compare(node.key, key) < 0
  }

  /// The last node before `key` (the head when there is none) and the one after it (0: none).
  @inline(__always)
  private func bracket(_ key: InternalKey) -> (before: UInt32, atOrAfter: UInt32) {
    let prefix = KeyOrder.prefix(of: key.userKey)
    var at = head
    var known: UInt32 = 0
    var level = height.load(ordering: .acquiring) &- 1
    while true {
      let next = unsafe node(at).next(level).pointee.load(ordering: .acquiring)
      if next != 0, next != known, isBefore(node(next), key, prefix) {
        at = next
      } else {
        if level == 0 { return (at, next) }
        known = next
        level &-= 1
      }
    }
  }

  /// Where the newest entry of a user key at or below a sequence number is; 0 when there is none.
  ///
  /// - Parameter hash: of the user key, as ``BloomFilter/hash(_:)`` gives it.
  /// - Complexity: O(1); O(log n) when the key has a newer entry.
  @inline(__always)
  @safe
  package func newest(
    _ userKey: UnsafeRawBufferPointer, hash: UInt64, at sequence: SequenceNumber
  ) -> UInt32 {
    switch unsafe hashIndex.find(userKey, hash, at: sequence) {
    case .entry(let offset): offset
    case .absent: 0
    case .unknown: unsafe search(userKey, at: sequence)
    }
  }

  @inline(never)
  private func search(_ userKey: UnsafeRawBufferPointer, at sequence: SequenceNumber) -> UInt32 {
    let place = unsafe bracket(.seeking(userKey, at: sequence)).atOrAfter
    guard place != 0, unsafe KeyOrder.isSame(node(place).userKey, userKey) else { return 0 }
    return place
  }

  /// What ``newest(_:hash:at:)`` has found. The value is valid as long as the arena.
  @inline(__always)
  func entry(at place: UInt32) -> (key: InternalKey, value: UnsafeRawBufferPointer)? {
    guard place != 0 else { return nil }
    return unsafe (node(place).key, node(place).value)
  }

  /// A place in a list. It holds no reference: the list must outlive it.
  package struct Cursor {
    private unowned(unsafe) let list: SkipList
    private var at: UInt32 = 0

    fileprivate init(_ list: SkipList) { unsafe self.list = list }

    /// Whether it is on an entry.
    package var isValid: Bool { at != 0 }

    /// - Precondition: ``isValid``.
    package var key: InternalKey { node.key }

    /// - Precondition: ``isValid``.
    @safe package var value: UnsafeRawBufferPointer { unsafe node.value }

    private var node: SkipListNode {
      precondition(at != 0)
      return unsafe list.node(at)
    }

    /// Goes to the first entry at or after `key`.
    package mutating func seek(_ key: InternalKey) { at = unsafe list.bracket(key).atOrAfter }

    /// Goes to the last entry before `key`.
    package mutating func seekBefore(_ key: InternalKey) {
      unsafe stepBack(to: list.bracket(key).before)
    }

    /// Goes to the first entry; is on no entry when there is none.
    package mutating func seekToFirst() {
      at = unsafe list.node(list.head).next(0).pointee.load(ordering: .acquiring)
    }

    /// Goes to the last entry. O(log n).
    package mutating func seekToLast() {
      var level = unsafe list.height.load(ordering: .acquiring) - 1
      var last = unsafe list.head
      while level >= 0 {
        let next = unsafe list.node(last).next(level).pointee.load(ordering: .acquiring)
        if next == 0 { level -= 1 } else { last = next }
      }
      stepBack(to: last)
    }

    /// - Precondition: ``isValid``.
    package mutating func next() {
      at = unsafe node.next(0).pointee.load(ordering: .acquiring)
      guard at != 0 else { return }
      // The one after it is on its way while this one is read.
      let following = unsafe node.next(0).pointee.load(ordering: .relaxed)
      if following != 0 { unsafe linux_prefetch(list.base + Int(following)) }
    }

    /// - Precondition: ``isValid``.
    package mutating func previous() {
      unsafe stepBack(to: node.previous.pointee.load(ordering: .acquiring))
    }

    private mutating func stepBack(to offset: UInt32) {
      at = unsafe offset == list.head ? 0 : offset
    }
  }

  /// A cursor that is on no entry yet.
  package func makeCursor() -> Cursor { Cursor(self) }
}
