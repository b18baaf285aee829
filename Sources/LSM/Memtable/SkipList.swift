import CLinux
import Synchronization

/// A sorted run of entries with one writer and any number of readers that take no lock.
///
/// (W. Pugh, "Skip Lists", 1990; the shape is LevelDB's: nodes are never removed before the list
/// is.) A finger remembers where the last insert went, so keys that come in order cost O(1).
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
/// 3. `finger[i]` is the last node at level i before the place of the last insert.
/// 4. The arena outlives the list, its cursors and the bytes they hand out.
@safe
package final class SkipList: @unchecked Sendable {
  static let maximumHeight = 12
  /// The most an entry takes besides its key and value.
  static let maximumOverheadBytes =
    SkipListNode.linksBytes(height: maximumHeight) + SkipListNode.headerBytes + Arena.alignment

  // Constant after init.
  let arena: Arena
  private let base: UnsafeMutableRawPointer
  private let head: UInt32
  // Atomic: written by the writer only.
  private let height = Atomic<Int>(1)
  private let entries = Atomic<Int>(0)
  // The writer's alone.
  private let finger: UnsafeMutablePointer<UInt32>
  private var random: UInt64

  init(arena: Arena) {
    precondition(arena.capacity <= Int(UInt32.max), "links are 32-bit offsets")
    self.arena = arena
    unsafe base = arena.base
    let links = SkipListNode.linksBytes(height: Self.maximumHeight)
    head = UInt32(arena.allocate(links + SkipListNode.headerBytes) + links)
    unsafe finger = .allocate(capacity: Self.maximumHeight)
    unsafe finger.initialize(repeating: head, count: Self.maximumHeight)
    random = 0x9E37_79B9_7F4A_7C15
  }

  deinit { unsafe finger.deallocate() }

  /// Entries, all versions counted; a moment old when another thread inserts.
  package var count: Int { entries.load(ordering: .relaxed) }

  @inline(__always)
  private func node(_ offset: UInt32) -> SkipListNode { unsafe SkipListNode(base + Int(offset)) }

  // MARK: - Writing

  /// Inserts an entry; its bytes are copied.
  ///
  /// - Precondition: one caller at a time; no entry has the same internal key; the arena has room
  ///   for key, value and ``maximumOverheadBytes``.
  /// - Complexity: O(log n); O(1) right after the last insert.
  @safe
  func insert(_ key: InternalKey, value: UnsafeRawBufferPointer) {
    let prefix = KeyOrder.prefix(of: key.userKey)
    let height = drawHeight()
    let before = self.height.load(ordering: .relaxed)
    if height > before {
      // The head's links up there are 0 and the finger is the head: a reader that comes too early
      // finds empty levels.
      self.height.store(height, ordering: .releasing)
    }
    if !fingerFits(key, prefix) { moveFinger(to: key, prefix, from: before - 1) }

    let links = SkipListNode.linksBytes(height: height)
    let size = links + SkipListNode.headerBytes + key.userKey.count + value.count
    let offset = UInt32(arena.allocate(size) + links)
    let new = node(offset)
    // SAFETY: invariant 2: nobody sees the node before the stores to `next` below.
    unsafe new.fill(prefix: prefix, key: key, value: value)
    let successor = unsafe node(finger[0]).next(0).pointee.load(ordering: .relaxed)
    assert(successor == 0 || InternalKey.compare(key, node(successor).key) < 0)
    unsafe new.previous.pointee.store(finger[0], ordering: .relaxed)
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
    entries.store(entries.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
  }

  /// Whether the new key belongs right after the last one, and so the finger is right at all
  /// levels: above the last node's height its links lead past the last node's successor, or to
  /// it.
  @inline(__always)
  private func fingerFits(_ key: InternalKey, _ prefix: UInt64) -> Bool {
    let last = unsafe finger[0]
    guard last == head || isBefore(node(last), key, prefix) else { return false }
    let successor = unsafe node(last).next(0).pointee.load(ordering: .relaxed)
    return successor == 0 || !isBefore(node(successor), key, prefix)
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
  private func drawHeight() -> Int {
    // xorshift64 (Marsaglia 2003): the list's shape needs no better.
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    return min(1 &+ (random >> 16).trailingZeroBitCount / 2, Self.maximumHeight)
  }

  // MARK: - Searching

  /// Whether the node's key is before `key`.
  @inline(__always)
  private func isBefore(_ node: SkipListNode, _ key: InternalKey, _ prefix: UInt64) -> Bool {
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

  /// The newest entry of a user key at or below a sequence number, or nil. The value is valid as
  /// long as the arena. O(log n).
  @inline(__always)
  func newest(
    _ userKey: UnsafeRawBufferPointer, at sequence: SequenceNumber
  ) -> (key: InternalKey, value: UnsafeRawBufferPointer)? {
    unsafe entry(at: bracket(.seeking(userKey, at: sequence)).atOrAfter, of: userKey)
  }

  /// What ``newest(_:at:)`` finds at a place.
  ///
  /// - Parameter place: the first node at or after the entry that is looked for; 0 for none.
  @inline(__always)
  func entry(
    at place: UInt32, of userKey: UnsafeRawBufferPointer
  ) -> (key: InternalKey, value: UnsafeRawBufferPointer)? {
    guard place != 0 else { return nil }
    let node = node(place)
    guard unsafe KeyOrder.compare(node.userKey, userKey) == 0 else { return nil }
    return unsafe (node.key, node.value)
  }

  /// How many searches run at once in ``places(of:at:)``: so many waits for memory the processor has under way.
  package static let groupCount = 8

  /// One of several searches that take turns.
  @safe
  private struct Search {
    @safe let key: InternalKey
    let prefix: UInt64
    var at: UInt32
    var known: UInt32 = 0
    /// The node to compare with; its memory has been asked for.
    var next: UInt32 = 0
    /// Below 0 when it is over.
    var level: Int

    init(_ key: InternalKey, from head: UInt32, level: Int) {
      self.key = key
      prefix = KeyOrder.prefix(of: key.userKey)
      at = head
      self.level = level
    }
  }

  /// Where ``entry(at:of:)`` finds the newest entries of several user keys, at or below a sequence number.
  ///
  /// A search waits for memory at almost every node. Here each step of a search asks for the next node and lets the
  /// others go on meanwhile (O. Kocberber et al., "Asynchronous Memory Access Chaining", VLDB 2015).
  ///
  /// - Precondition: at most ``groupCount`` keys.
  @safe
  package func places(
    of userKeys: Slice<UnsafeBufferPointer<UnsafeRawBufferPointer>>, at sequence: SequenceNumber
  ) -> InlineArray<8, UInt32> {
    unsafe precondition(userKeys.count <= Self.groupCount)
    var places = InlineArray<8, UInt32>(repeating: 0)
    guard let first = unsafe userKeys.first else { return places }
    let top = height.load(ordering: .acquiring) &- 1
    var searches = unsafe InlineArray<8, Search>(
      repeating: Search(.seeking(first, at: sequence), from: head, level: top))
    let count = unsafe userKeys.count
    for index in 0..<count {
      let userKey = unsafe userKeys[userKeys.startIndex + index]
      searches[index] = unsafe Search(.seeking(userKey, at: sequence), from: head, level: top)
      searches[index].next = followingNode(&searches[index])
    }
    var left = count
    while left > 0 {
      for index in 0..<count where step(&searches[index]) {
        places[index] = searches[index].next
        left &-= 1
      }
    }
    return places
  }

  /// Compares with the next node.
  ///
  /// - Returns: whether that ends the search, at `next`.
  @inline(__always)
  private func step(_ search: inout Search) -> Bool {
    guard search.level >= 0 else { return false }
    let next = search.next
    if next != 0, isBefore(node(next), search.key, search.prefix) {
      search.at = next
    } else {
      search.known = next
      search.level &-= 1
      if search.level < 0 { return true }
    }
    search.next = followingNode(&search)
    return false
  }

  /// The node that a search compares with next, below the levels that end at the node it knows already.
  @inline(__always)
  private func followingNode(_ search: inout Search) -> UInt32 {
    while true {
      let next = unsafe node(search.at).next(search.level).pointee.load(ordering: .acquiring)
      if search.level > 0, next == 0 || next == search.known {
        search.known = next
        search.level &-= 1
        continue
      }
      if next != 0 {
        // Head and key; links are before them.
        unsafe linux_prefetch(base + Int(next))
        unsafe linux_prefetch(base + Int(next) + 48)
      }
      return next
    }
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
    package mutating func next() { at = unsafe node.next(0).pointee.load(ordering: .acquiring) }

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
