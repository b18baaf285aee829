import Glibc
import Synchronization

/// Decompressed, checked blocks of all tables, at most so many bytes of them.
///
/// Set-associative: a key's hash names a set of slots, and a hit is found by its tag and pinned by
/// one atomic add, without a lock. Inserts take the lock of one of the shards. What was not hit
/// since the hand last passed gives way (CLOCK, F. J. Corbató 1969); what is pinned stays, so the
/// bytes may exceed the capacity by what readers hold at the moment, and a block that finds no
/// place lives only as long as its pin.
///
/// Thread-safety: every call from any thread. No lock is held across I/O.
///
/// Unsafe island: owns the slots and the blocks in them. Invariants:
/// 1. `slots` and `tags` point to `setCount * ways` elements until deinit: memory of the system's that is zero until it
///    is written to, and takes no room until then. Zero is an invisible slot, and its tag; what an invisible slot
///    holds is not read.
/// 2. The blocks in visible slots are `malloc`ed and the cache's alone.
/// 3. No pin outlives the cache, see ``BlockPin``.
@safe
package final class BlockCache: @unchecked Sendable {
  // Constant after init.
  private let memory: UnsafeMutableRawPointer
  private let memoryBytes: Int
  /// What blocks and pinned parts of tables may take together.
  package let capacityBytes: Int
  private let slots: UnsafeMutablePointer<BlockCacheSlot.Fields>
  private let tags: UnsafeMutablePointer<BlockCacheSlot.Tag>
  private let setCount: Int
  private let setsPerShard: Int
  private let shardCapacityBytes: Int
  private let shards: [BlockCacheShard]
  // Atomic.
  private let nextOwner = Atomic<UInt64>(1)
  private let reservedBytes = Atomic<Int>(0)

  static let ways = 16
  private static let shardCount = 8
  /// What a block costs besides its bytes: its slot, and malloc's own.
  private static let slotBytes = MemoryLayout<BlockCacheSlot.Fields>.stride + 20
  /// Half as many slots again as blocks of this size fill the capacity, so that sets seldom run full.
  private static let expectedBlockBytes = 4 << 10

  /// - Parameter capacityBytes: 0 keeps nothing; every read of a block then goes to its file.
  package init(capacityBytes: Int) {
    precondition(capacityBytes >= 0)
    self.capacityBytes = capacityBytes
    let wantedSets = 3 * (capacityBytes / Self.expectedBlockBytes) / (2 * Self.ways)
    setsPerShard = max(wantedSets / Self.shardCount, 1)
    self.setCount = setsPerShard * Self.shardCount
    shardCapacityBytes = capacityBytes / Self.shardCount
    let setCount = setsPerShard
    shards = (0..<Self.shardCount).map { _ in BlockCacheShard(setCount: setCount) }
    let count = self.setCount * Self.ways
    // A set's tags are one cache line: they come first, at a page's start.
    let tagBytes = count * MemoryLayout<BlockCacheSlot.Tag>.stride
    memoryBytes = tagBytes + count * MemoryLayout<BlockCacheSlot.Fields>.stride
    let memory = unsafe mmap(
      nil, memoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
      fatalError("out of memory: \(memoryBytes) bytes")
    }
    unsafe self.memory = memory
    unsafe tags = memory.bindMemory(to: BlockCacheSlot.Tag.self, capacity: count)
    unsafe slots = (memory + tagBytes).bindMemory(to: BlockCacheSlot.Fields.self, capacity: count)
  }

  deinit {
    // To look costs no memory, to try to evict does.
    for index in 0..<setCount * Self.ways where slot(index).isVisible {
      if let contents = slot(index).evict() { Self.release(contents.block) }
    }
    unsafe munmap(memory, memoryBytes)
  }

  /// A number for a newly opened table, under which it keeps its blocks.
  package func makeOwner() -> UInt64 { nextOwner.add(1, ordering: .relaxed).oldValue }

  // MARK: - Finding

  /// The block of `key`, pinned, or nil. Takes no lock. O(1).
  @inline(__always)
  package func find(_ key: BlockCacheKey) -> BlockPin? {
    let hash = key.hash
    let first = set(hash) &* Self.ways
    let tag = UInt32(truncatingIfNeeded: hash)
    for way in 0..<Self.ways where unsafe tags[first &+ way].load(ordering: .relaxed) == tag {
      let slot = slot(first &+ way)
      if let block = slot.pin(key) { return BlockPin(pinned: block, in: slot) }
    }
    return nil
  }

  @inline(__always)
  private func set(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: hash.multipliedFullWidth(by: UInt64(setCount)).high)
  }

  @inline(__always)
  private func slot(_ index: Int) -> BlockCacheSlot {
    unsafe BlockCacheSlot(fields: slots + index, tag: tags + index)
  }

  private static func release(_ block: Block) {
    // SAFETY: invariant 2, and nobody has it pinned.
    unsafe free(UnsafeMutableRawPointer(mutating: block.base))
  }

  // MARK: - Inserting

  /// Takes over a block that was read, and gives it back pinned. When another thread was first, its
  /// copy is given and this one freed.
  ///
  /// - Parameter block: in `malloc`ed memory that belongs to the cache from here on.
  /// - Complexity: amortised O(1); O(slots of a shard) when most of them are pinned.
  package func insert(_ key: BlockCacheKey, _ block: Block) -> BlockPin {
    let charge = block.byteCount + Self.slotBytes
    guard charge <= blockBytesOfAShard else { return BlockPin(owning: block) }
    let hash = key.hash
    let set = set(hash)
    let shard = set / setsPerShard
    return shards[shard].withLock { state in
      // Two threads may have missed the same block.
      if let pin = find(key) {
        Self.release(block)
        return pin
      }
      makeRoom(charge, in: shard, &state)
      guard let slot = freeSlot(inSet: set, &state) else { return BlockPin(owning: block) }
      slot.fill(
        .init(key: key, block: block, charge: charge), tag: UInt32(truncatingIfNeeded: hash))
      state.usedBytes += charge
      return BlockPin(pinned: block, in: slot)
    }
  }

  /// Moves the hand on until there is room, but at most twice around: the first time may only take
  /// the marks of hits away.
  private func makeRoom(_ charge: Int, in shard: Int, _ state: inout BlockCacheShard.State) {
    let count = setsPerShard * Self.ways
    let first = shard * count
    let limit = blockBytesOfAShard
    var steps = 0
    while state.usedBytes + charge > limit, steps < 2 * count {
      let slot = slot(first + state.hand)
      state.hand = state.hand + 1 == count ? 0 : state.hand + 1
      steps += 1
      guard slot.isVisible, !slot.takeTouched(), let contents = slot.evict() else { continue }
      state.usedBytes -= contents.charge
      Self.release(contents.block)
    }
  }

  /// An empty slot of the set; one of its blocks gives way when there is none.
  private func freeSlot(inSet set: Int, _ state: inout BlockCacheShard.State) -> BlockCacheSlot? {
    let first = set * Self.ways
    for way in 0..<Self.ways where !slot(first + way).isVisible { return slot(first + way) }
    for _ in 0..<(2 * Self.ways) {
      let hand = state.setHands[set % setsPerShard]
      state.setHands[set % setsPerShard] = (hand + 1) % UInt8(Self.ways)
      let slot = slot(first + Int(hand))
      guard !slot.takeTouched(), let contents = slot.evict() else { continue }
      state.usedBytes -= contents.charge
      Self.release(contents.block)
      return slot
    }
    return nil
  }

  // MARK: - Looking after it

  /// Counts memory outside of the cache against its capacity: indexes and filters of open tables. They
  /// take at most seven eighths of it from the blocks; what is over that the process holds besides.
  func reserve(_ bytes: Int) { reservedBytes.add(bytes, ordering: .relaxed) }

  /// Ends a ``reserve(_:)`` of as many bytes.
  func release(_ bytes: Int) { reservedBytes.subtract(bytes, ordering: .relaxed) }

  /// Bytes of blocks that a shard may hold now.
  private var blockBytesOfAShard: Int {
    let reserved = reservedBytes.load(ordering: .relaxed) / Self.shardCount
    return max(shardCapacityBytes - reserved, shardCapacityBytes / 8)
  }

  /// Frees a block of a table that was closed for good; one that is pinned goes later, by the hand. O(1); takes the
  /// lock of a shard when the block may be there.
  package func remove(_ key: BlockCacheKey) {
    let hash = key.hash
    let set = set(hash)
    let tag = UInt32(truncatingIfNeeded: hash)
    let ways = (set * Self.ways)..<((set + 1) * Self.ways)
    guard ways.contains(where: { unsafe tags[$0].load(ordering: .relaxed) == tag }) else { return }
    shards[set / setsPerShard].withLock { state in
      for index in ways {
        let slot = slot(index)
        // SAFETY: only this shard's lock holder changes contents of its slots.
        guard slot.isVisible, unsafe slot.fields.pointee.contents?.key == key,
          let contents = slot.evict()
        else { continue }
        state.usedBytes -= contents.charge
        Self.release(contents.block)
      }
    }
  }

  /// Bytes held now, what each block costs besides included.
  package var usedBytes: Int {
    shards.reduce(0) { $0 + $1.withLock { $0.usedBytes } }
  }

  /// Bytes of ``reserve(_:)`` in force.
  package var reserved: Int { reservedBytes.load(ordering: .relaxed) }
}
