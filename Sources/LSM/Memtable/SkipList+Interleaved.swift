import CLinux
import Synchronization

// SAFETY: keys and values are lent until the return; nodes are read as the list's invariants say.

/// Several searches at once.
///
/// A search waits for memory at almost every node. Here each step of a search asks for the next node and lets the
/// others go on meanwhile (O. Kocberber et al., "Asynchronous Memory Access Chaining", VLDB 2015).
extension SkipList {
  /// How many searches run at once: so many waits for memory the processor has under way.
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

  /// Where several user keys are.
  package struct Places {
    /// As ``BloomFilter/hash(_:)`` gives them.
    package fileprivate(set) var hashes = InlineArray<8, UInt64>(repeating: 0)
    /// As ``SkipList/newest(_:hash:at:)`` gives them.
    package fileprivate(set) var entries = InlineArray<8, UInt32>(repeating: 0)
  }

  /// Looks for the newest entries of several user keys, at or below a sequence number. O(1) for each, as for one key.
  ///
  /// - Precondition: at most ``groupCount`` keys.
  @safe
  package func places(
    of userKeys: Slice<UnsafeBufferPointer<UnsafeRawBufferPointer>>, at sequence: SequenceNumber
  ) -> Places {
    let count = unsafe userKeys.count
    precondition(count <= Self.groupCount)
    var places = Places()
    let first = unsafe userKeys.startIndex
    var index = 0
    while index < count {
      let hash = unsafe BloomFilter.hash(userKeys[first &+ index])
      places.hashes[index] = hash
      hashIndex.prefetch(hash)
      index &+= 1
    }
    index = 0
    while index < count {
      hashIndex.prefetchEntry(places.hashes[index])
      index &+= 1
    }
    index = 0
    while index < count {
      places.entries[index] = unsafe newest(
        userKeys[first &+ index], hash: places.hashes[index], at: sequence)
      index &+= 1
    }
    return places
  }

  /// Compares with the next node.
  ///
  /// - Parameter leave: called for each level that the search leaves, with the last node before the key.
  /// - Returns: whether that ends the search, at `next`.
  @inline(__always)
  private func step(_ search: inout Search, _ leave: (Int, UInt32) -> Void) -> Bool {
    guard search.level >= 0 else { return false }
    let next = search.next
    if next != 0, isBefore(node(next), search.key, search.prefix) {
      search.at = next
    } else {
      leave(search.level, search.at)
      search.known = next
      search.level &-= 1
      if search.level < 0 { return true }
    }
    search.next = followingNode(&search, leave)
    return false
  }

  /// The node that a search compares with next, below the levels that end at the node it knows already.
  @inline(__always)
  private func followingNode(_ search: inout Search, _ leave: (Int, UInt32) -> Void) -> UInt32 {
    while true {
      let next = unsafe node(search.at).next(search.level).pointee.load(ordering: .acquiring)
      if search.level > 0, next == 0 || next == search.known {
        leave(search.level, search.at)
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

  // MARK: - Writing

  /// Entries to be inserted together.
  @safe
  package struct Group {
    @safe
    fileprivate struct Entry {
      @safe let key: InternalKey
      @safe let value: UnsafeRawBufferPointer
      let hash: UInt64
      var height = 0
      /// Whether its key had an entry when the group was begun; its place is right before that one then.
      var isKnown = false
    }

    fileprivate var entries: InlineArray<8, Entry>
    fileprivate(set) var count = 0
    @safe private var previousKey: UnsafeRawBufferPointer
    /// Entries that came in order; below 0 where they did and were far from each other all the same.
    private var run = 0

    package init() {
      let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
      entries = unsafe InlineArray(
        repeating: Entry(key: InternalKey(userKey: none, trailer: 0), value: none, hash: 0))
      unsafe previousKey = none
    }

    var isFull: Bool { count == SkipList.groupCount }

    /// - Precondition: not ``isFull``. The bytes stay as they are until the group was inserted.
    @inline(__always)
    @safe
    fileprivate mutating func append(
      _ key: InternalKey, value: UnsafeRawBufferPointer, _ hash: UInt64
    ) {
      entries[count] = unsafe Entry(key: key, value: value, hash: hash)
      count &+= 1
    }

    /// Whether this key and those before are likely to be neighbours.
    @inline(__always)
    fileprivate mutating func isInOrder(_ key: InternalKey) -> Bool {
      run = KeyOrder.compare(previousKey, key.userKey) < 0 ? run &+ 1 : min(run, 0)
      previousKey = key.userKey
      return run > 3
    }

    fileprivate mutating func wasFar() { run = -16 }
  }

  /// Inserts an entry, or adds it to a group that is inserted when it is full, and by ``insert(_:)`` in the end.
  ///
  /// The bytes of key and value stay as they are until then.
  @inline(__always)
  @safe
  func insert(_ key: InternalKey, value: UnsafeRawBufferPointer, with group: inout Group) {
    if group.isInOrder(key) {
      // Keys that come in order need no search. Between them may be older entries of them.
      insert(&group)
      if insertNear(key, value: value, steps: 4) { return }
      group.wasFar()
    } else if group.count == 0, insertNear(key, value: value, steps: 0) {
      return
    }
    let hash = BloomFilter.hash(key.userKey)
    hashIndex.prefetch(hash)
    group.append(key, value: value, hash)
    if group.isFull { insert(&group) }
  }

  /// Inserts the entries of a group in their order, and empties it.
  ///
  /// Their places are searched at once; so entries of the group that come between a place and its key are stepped over
  /// when the key is inserted.
  ///
  /// - Precondition: as for ``insert(_:value:)``, of each of them.
  package func insert(_ group: inout Group) {
    defer { group.count = 0 }
    guard group.count > 1 else {
      if group.count == 1 {
        let entry = group.entries[0]
        insert(entry.key, entry.hash, value: entry.value)
      }
      return
    }
    let count = group.count
    let lastSearched = plan(&group)
    // SAFETY: all that is read of them is initialized before; neither needs deinitialization.
    unsafe withUnsafeTemporaryAllocation(
      of: UInt32.self, capacity: Self.groupCount * Self.maximumHeight
    ) { befores in
      let befores = unsafe befores.baseAddress.unsafelyUnwrapped
      if lastSearched >= 0 { unsafe search(&group, befores) }
      for index in 0..<count {
        let entry = group.entries[index]
        if entry.isKnown {
          let prefix = KeyOrder.prefix(of: entry.key.userKey)
          if insertBeforeNewest(entry.key, prefix, entry.hash, value: entry.value) { continue }
          // Others of the group may have taken the chain's first places.
          insertBySearch(entry.key, prefix, entry.hash, value: entry.value)
          continue
        }
        unsafe insert(
          entry, befores + index &* Self.maximumHeight, isLast: index == lastSearched)
      }
    }
  }

  /// Draws the heights, and finds out which entries need no search.
  ///
  /// - Returns: the last one that needs it; -1 when none does.
  private func plan(_ group: inout Group) -> Int {
    var index = 0
    while index < group.count {
      hashIndex.prefetchEntry(group.entries[index].hash)
      index &+= 1
    }
    var lastSearched = -1
    index = 0
    while index < group.count {
      let height = drawHeight()
      group.entries[index].height = height
      let entry = group.entries[index]
      let newest = height == 1 ? unsafe hashIndex.newest(entry.key.userKey, entry.hash) : 0
      if newest != 0, node(newest).key.sequence < entry.key.sequence {
        group.entries[index].isKnown = true
        let predecessor = unsafe node(newest).previous.pointee.load(ordering: .relaxed)
        unsafe linux_prefetch(node(predecessor).next(0))
      } else {
        lastSearched = index
      }
      index &+= 1
    }
    return lastSearched
  }

  /// - Parameter before: the last nodes before the key, at all levels, when the group was searched.
  private func insert(
    _ entry: Group.Entry, _ before: UnsafePointer<UInt32>, isLast: Bool
  ) {
    let prefix = KeyOrder.prefix(of: entry.key.userKey)
    let height = entry.height
    unsafe finger[0] = lastNode(before: entry.key, prefix, from: before[0], 0)
    // The entry after the last one may go right after it, at any height.
    let levels = isLast ? Self.maximumHeight : height
    var level = 1
    while level < levels {
      unsafe finger[level] = before[level]
      level &+= 1
    }
    insertAtFinger(entry.key, prefix, entry.hash, value: entry.value, height: height)
  }

  /// Finds the last nodes before the keys of a group that are not known, at all levels.
  private func search(_ group: inout Group, _ befores: UnsafeMutablePointer<UInt32>) {
    let top = height.load(ordering: .relaxed) &- 1
    let count = group.count
    unsafe withUnsafeTemporaryAllocation(of: Search.self, capacity: Self.groupCount) { searches in
      let searches = unsafe searches.baseAddress.unsafelyUnwrapped
      var index = 0
      var left = 0
      while index < count {
        let before = unsafe befores + index &* Self.maximumHeight
        if group.entries[index].isKnown {
          // Over before it began.
          unsafe (searches + index).initialize(
            to: Search(group.entries[index].key, from: head, level: -1))
          index &+= 1
          continue
        }
        left &+= 1
        var level = top &+ 1
        while level < Self.maximumHeight {
          unsafe before[level] = head
          level &+= 1
        }
        unsafe (searches + index).initialize(
          to: Search(group.entries[index].key, from: head, level: top))
        unsafe searches[index].next = followingNode(&searches[index]) { unsafe before[$0] = $1 }
        index &+= 1
      }
      while left > 0 {
        index = 0
        while index < count {
          let before = unsafe befores + index &* Self.maximumHeight
          if unsafe step(&searches[index], { unsafe before[$0] = $1 }) { left &-= 1 }
          index &+= 1
        }
      }
    }
  }
}
