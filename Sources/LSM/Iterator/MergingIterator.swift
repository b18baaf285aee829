/// The entries of several sources in one order, in either direction.
///
/// A binary heap over the sources' current keys. After a move the source on top is looked at first: while
/// it stays the least one, which is the rule when most data lie in one level, a step costs one or two
/// comparisons.
///
/// It moves in one direction after a seek: ``next()`` after the forward seeks, ``previous()`` after the
/// backward ones. After an error it must not be used but for a new seek.
///
/// Thread-safety: none; one owner at a time.
///
/// Unsafe island. Invariants:
/// 1. `heap` points to `sources.count` entries, of which `count` are in use.
/// 2. An entry's key is the current one of its source, valid until that source moves; it is refreshed right
///    after each move.
@safe
package struct MergingIterator: ~Copyable {
  @safe
  private struct Entry {
    var key: InternalKey
    var prefix: UInt64
    var source: Unmanaged<MergeSource>
  }

  private let sources: [MergeSource]
  private let heap: UnsafeMutablePointer<Entry>
  private var count = 0
  private var isForward = true

  /// An iterator over all entries of the sources, which are moved by it alone; it is on no entry yet.
  package init(_ sources: [MergeSource]) {
    self.sources = sources
    unsafe heap = .allocate(capacity: max(sources.count, 1))
  }

  // Entries are trivial: nothing to deinitialise.
  deinit { unsafe heap.deallocate() }

  /// Whether it is on an entry.
  package var isValid: Bool { count > 0 }

  /// The key of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  @inline(__always)
  package var key: InternalKey { unsafe heap.pointee.key }

  /// The value of the entry, valid until the next move.
  /// - Precondition: ``isValid``.
  @inline(__always)
  @safe package var value: UnsafeRawBufferPointer {
    unsafe heap.pointee.source._withUnsafeGuaranteedRef { $0.value }
  }

  /// See ``MergeSource/largestSequence``.
  var largestSequence: SequenceNumber? {
    unsafe heap.pointee.source._withUnsafeGuaranteedRef { $0.largestSequence }
  }

  // MARK: - Seeking

  /// Goes to the first entry of all.
  package mutating func seekToFirst() throws(LSMError) {
    isForward = true
    for source in sources { try source.seekToFirst() }
    build()
  }

  /// Goes to the last entry of all.
  package mutating func seekToLast() throws(LSMError) {
    isForward = false
    for source in sources { try source.seekToLast() }
    build()
  }

  /// Goes to the first entry at or after `target`.
  package mutating func seek(_ target: InternalKey) throws(LSMError) {
    isForward = true
    for source in sources { try source.seek(target) }
    build()
  }

  /// Goes to the last entry before `target`.
  package mutating func seekBefore(_ target: InternalKey) throws(LSMError) {
    isForward = false
    for source in sources { try source.seekBefore(target) }
    build()
  }

  private mutating func build() {
    count = 0
    for source in sources where source.isValid {
      let key = source.key
      unsafe (heap + count).initialize(
        to: Entry(
          key: key, prefix: KeyOrder.prefix(of: key.userKey),
          source: Unmanaged.passUnretained(source)))
      count += 1
    }
    var parent = count / 2 - 1
    while parent >= 0 {
      siftDown(parent)
      parent -= 1
    }
  }

  // MARK: - Moving

  /// Goes to the next entry.
  /// - Precondition: ``isValid``, after a forward seek.
  @inline(__always)
  package mutating func next() throws(LSMError) {
    try unsafe heap.pointee.source.borrow { (source) throws(LSMError) in try source.next() }
    refresh()
  }

  /// Goes to the entry before.
  /// - Precondition: ``isValid``, after a backward seek.
  @inline(__always)
  package mutating func previous() throws(LSMError) {
    try unsafe heap.pointee.source.borrow { (source) throws(LSMError) in try source.previous() }
    refresh()
  }

  /// Has only the source on top seek forwards.
  package mutating func seekTop(_ target: InternalKey) throws(LSMError) {
    try unsafe heap.pointee.source.borrow { (source) throws(LSMError) in try source.seek(target) }
    refresh()
  }

  /// Has only the source on top seek backwards.
  package mutating func seekTopBefore(_ target: InternalKey) throws(LSMError) {
    try unsafe heap.pointee.source.borrow { (source) throws(LSMError) in
      try source.seekBefore(target)
    }
    refresh()
  }

  @inline(__always)
  private mutating func refresh() {
    let key = unsafe heap.pointee.source.borrow { $0.isValid ? $0.key : nil }
    if let key {
      unsafe heap.pointee.key = key
      unsafe heap.pointee.prefix = KeyOrder.prefix(of: key.userKey)
    } else {
      count &-= 1
      if count > 0 { unsafe heap.pointee = heap[count] }
    }
    if count > 1 { siftDown(0) }
  }

  /// Whether the first comes out before the second.
  @inline(__always)
  private func isBefore(
    _ left: UnsafeMutablePointer<Entry>, _ right: UnsafeMutablePointer<Entry>
  ) -> Bool {
    let leftPrefix = unsafe left.pointee.prefix
    let rightPrefix = unsafe right.pointee.prefix
    if leftPrefix != rightPrefix { return (leftPrefix < rightPrefix) == isForward }
    return unsafe (InternalKey.compare(left.pointee.key, right.pointee.key) < 0) == isForward
  }

  @inline(__always)
  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var child = 2 &* parent &+ 1
      if child >= count { return }
      if child &+ 1 < count, unsafe isBefore(heap + (child &+ 1), heap + child) { child &+= 1 }
      guard unsafe isBefore(heap + child, heap + parent) else { return }
      let moved = unsafe heap[parent]
      unsafe heap[parent] = heap[child]
      unsafe heap[child] = moved
      parent = child
    }
  }
}
