package import Engine
import Glibc
import Synchronization

/// Popular records, as they are stored, at most so many bytes of them.
///
/// Exact under every write. A writer removes what it changes before the engine changes it, and marks the stripes of the
/// keys' hashes until the engine has done it. Who looks for a record that is not there gets a ticket with the stripe's
/// stamp, and with it may add what it has read from the engine afterwards: the stamp must be the same still, and no
/// write be under way.
///
/// Thread-safety: every call from any thread. A lock is held for one record at a time.
///
/// Unsafe island. Invariant: `shards` and `stripes` have `shardCount` and `shardCount * stripesPerShard` elements, and
/// `memory` has what the shards point to, until deinit.
@safe
package final class RecordCache: @unchecked Sendable {
  // Constant after init.
  private let shards: UnsafeMutablePointer<Mutex<RecordCacheShard>>
  /// Writes that are under way in the lower half, and in the upper one how many there were.
  private let stripes: UnsafeMutablePointer<Atomic<UInt64>>
  private let memory: UnsafeMutableRawPointer?
  private let shardCount: Int
  /// Of a hash without its lowest bit, so that it is in bounds for one shard too.
  private let shardShift: UInt64
  private let layout: RecordCacheShard.Layout
  private let seed: UInt64
  private let stride: Int
  // Atomic.
  private let isStarted = Atomic<Bool>(false)
  /// As a stripe, for changes of all keys.
  private let epoch = Atomic<UInt64>(0)

  /// A larger record is not kept.
  package static let maximumRecordBytes = 4 << 10
  private static let leastShardBytes = 64 << 10
  private static let mostShardBytes = 8 << 20
  private static let usualShards = 64
  private static let stripesPerShard = 128
  /// Of a shard beside its memory.
  private static let shardOwnBytes =
    stripesPerShard * MemoryLayout<Atomic<UInt64>>.stride
    + MemoryLayout<Mutex<RecordCacheShard>>.stride

  /// - Parameter capacityBytes: of all that it takes. What is too little for anything keeps nothing, and so does what
  ///   the process may not have.
  package init(capacityBytes: Int) {
    var count = Self.usualShards
    while count > 1, capacityBytes / count < Self.leastShardBytes { count /= 2 }
    while capacityBytes / count > Self.mostShardBytes { count *= 2 }
    let shardBytes = capacityBytes / count - Self.shardOwnBytes
    let reserved = unsafe Self.reserve(shardBytes & ~63, count)
    guard let reserved = unsafe reserved else {
      shardCount = 0
      shardShift = 0
      seed = 0
      stride = 0
      layout = .init(byteCount: Self.leastShardBytes)
      unsafe shards = .allocate(capacity: 0)
      unsafe stripes = .allocate(capacity: 0)
      unsafe memory = nil
      return
    }
    shardCount = count
    shardShift = UInt64(63 - count.trailingZeroBitCount)
    seed = .random(in: 0 ... .max)
    stride = shardBytes & ~63
    layout = .init(byteCount: stride)
    unsafe memory = reserved
    unsafe shards = .allocate(capacity: count)
    unsafe stripes = .allocate(capacity: count * Self.stripesPerShard)
    for index in 0..<count {
      unsafe (shards + index).initialize(
        to: Mutex(RecordCacheShard(reserved + index * stride, layout)))
    }
    for index in 0..<count * Self.stripesPerShard {
      unsafe (stripes + index).initialize(to: Atomic(0))
    }
  }

  /// Address space for all shards; nil when a shard would be too small, or the process may not have so much.
  private static func reserve(_ shardBytes: Int, _ count: Int) -> UnsafeMutableRawPointer? {
    guard shardBytes >= leastShardBytes / 2 else { return nil }
    let memory = unsafe mmap(
      nil, shardBytes * count, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return unsafe memory == MAP_FAILED ? nil : memory
  }

  deinit {
    unsafe shards.deinitialize(count: shardCount)
    unsafe stripes.deinitialize(count: shardCount * Self.stripesPerShard)
    unsafe shards.deallocate()
    unsafe stripes.deallocate()
    if let memory = unsafe memory { unsafe munmap(memory, stride * shardCount) }
  }

  /// Whether it is asked: from ``start()`` on. Before that nothing is in it.
  @inline(__always)
  package var isInUse: Bool { isStarted.load(ordering: .relaxed) }

  /// Whether it keeps anything at all.
  package var isOn: Bool { shardCount > 0 }

  /// Has it taken into use from now on, unless it keeps nothing at all.
  package func start() { if isOn { isStarted.store(true, ordering: .relaxed) } }

  /// Bytes that it takes at most, all told.
  package var reservedBytes: Int { shardCount * (stride + Self.shardOwnBytes) }

  /// Records in it.
  package var recordCount: Int {
    (0..<shardCount).reduce(0) { sum, index in
      unsafe sum + shards[index].withLock { $0.count }
    }
  }

  // MARK: - Reading

  /// What was true before a read of the engine.
  package struct Ticket: Sendable {
    let hash: UInt64
    let stripe: UInt64
    let epoch: UInt64
  }

  private static let oneWrite: UInt64 = 1
  private static let oneEnded: UInt64 = 1 << 32
  private static let underWay: UInt64 = 0xffff_ffff

  /// Lends the value of a key to `visit`, under a lock; else gives a ticket for what the engine is asked now.
  @inline(__always)
  @safe
  package func lookUp(
    _ key: UnsafeRawBufferPointer, _ visit: (UnsafeRawBufferPointer) -> Void
  ) -> Ticket? {
    let hash = hash(key)
    let shard = shard(hash)
    return unsafe shards[shard].withLock { shard in
      let now = epoch.load(ordering: .acquiring)
      if shard.epoch != now {
        shard.removeAll()
        shard.epoch = now
      } else if let value = unsafe shard.value(of: key, hash) {
        unsafe visit(value)
        return nil
      }
      return unsafe Ticket(
        hash: hash, stripe: stripe(hash).pointee.load(ordering: .acquiring), epoch: now)
    }
  }

  /// A ticket without a look.
  @safe
  package func ticket(_ key: UnsafeRawBufferPointer) -> Ticket {
    let hash = hash(key)
    return unsafe Ticket(
      hash: hash, stripe: stripe(hash).pointee.load(ordering: .acquiring),
      epoch: epoch.load(ordering: .acquiring))
  }

  /// Offers what the engine has answered.
  @safe
  package func offer(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ ticket: Ticket
  ) {
    guard isInUse, key.count + value.count <= Self.maximumRecordBytes,
      (ticket.stripe | ticket.epoch) & Self.underWay == 0
    else { return }
    let shard = shard(ticket.hash)
    unsafe shards[shard].withLock { shard in
      guard unsafe stripe(ticket.hash).pointee.load(ordering: .acquiring) == ticket.stripe,
        epoch.load(ordering: .acquiring) == ticket.epoch
      else { return }
      if shard.epoch != ticket.epoch {
        shard.removeAll()
        shard.epoch = ticket.epoch
      }
      shard.offer(key, value, ticket.hash) { hash($0) }
    }
  }

  // MARK: - Writing

  /// Whether a batch was marked by its keys, or all keys for it.
  package enum Mark: Sendable {
    case keys
    case all
  }

  /// To be called before the engine is given a batch.
  package func willApply(_ batch: WriteBatch) -> Mark {
    guard isInUse, !Self.deletesRanges(ofRecordsIn: batch) else {
      epoch.wrappingAdd(Self.oneWrite, ordering: .acquiringAndReleasing)
      return .all
    }
    visitKeys(batch) { key in
      let hash = hash(key)
      unsafe shards[shard(hash)].withLock { shard in
        unsafe stripe(hash).pointee.wrappingAdd(Self.oneWrite, ordering: .acquiringAndReleasing)
        shard.remove(key, hash)
      }
    }
    return .keys
  }

  /// Whether a batch deletes a range that may have records. What is kept of request ids and changes goes by ranges as
  /// well, and must not empty the cache.
  private static func deletesRanges(ofRecordsIn batch: WriteBatch) -> Bool {
    guard batch.rangeDeleteCount > 0 else { return false }
    // Kinds of keys that come after records.
    let (first, end) = ([KeyKind.index.rawValue], [KeyKind.request.rawValue + 1])
    var found = false
    try? batch.visitEntries { entry in
      guard case .deleteRange(let lower, let upper) = entry else { return }
      let isOfOthers =
        unsafe !lower.lexicographicallyPrecedes(first) && !end.lexicographicallyPrecedes(upper)
      if !isOfOthers { found = true }
    }
    return found
  }

  /// To be called when the engine has applied it, or has failed.
  package func didApply(_ batch: WriteBatch, _ mark: Mark) {
    let ended = Self.oneEnded &- Self.oneWrite
    switch mark {
    case .all: epoch.wrappingAdd(ended, ordering: .acquiringAndReleasing)
    case .keys:
      visitKeys(batch) {
        unsafe stripe(hash($0)).pointee.wrappingAdd(ended, ordering: .acquiringAndReleasing)
      }
    }
  }

  @safe
  private func visitKeys(_ batch: WriteBatch, _ visit: (UnsafeRawBufferPointer) -> Void) {
    do throws(EngineError) {
      try batch.visitEntries { entry in
        switch entry {
        case .put(let key, _), .delete(let key): unsafe visit(key)
        // Of other things than records: those have none in the cache.
        case .deleteRange: break
        }
      }
    } catch {
      preconditionFailure("a batch that was put together is well-formed")
    }
  }

  // MARK: - Hashes

  @inline(__always)
  private func shard(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: (hash &>> 1) &>> shardShift)
  }

  @inline(__always)
  private func stripe(_ hash: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    return unsafe stripes
      + (shard(hash) &* Self.stripesPerShard &+ Int(truncatingIfNeeded: hash >> 12)
        % Self.stripesPerShard)
  }

  @inline(__always)
  @safe
  private func hash(_ key: UnsafeRawBufferPointer) -> UInt64 {
    func mix(_ first: UInt64, _ second: UInt64) -> UInt64 {
      let product = first.multipliedFullWidth(by: second)
      return product.high ^ product.low
    }
    var hash = seed ^ UInt64(key.count)
    var offset = 0
    while offset &+ 8 <= key.count {
      let word = unsafe key.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      hash = mix(hash ^ word, 0x9E37_79B9_7F4A_7C15)
      offset &+= 8
    }
    var rest: UInt64 = 0
    while offset < key.count {
      rest = unsafe rest << 8 | UInt64(key[offset])
      offset &+= 1
    }
    return mix(mix(hash ^ rest, 0xD6E8_FEB8_6659_FD93) ^ seed, 0xA076_1D64_78BD_642F)
  }
}
