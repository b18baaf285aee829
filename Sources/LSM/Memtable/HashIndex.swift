import CLinux
import Synchronization

/// Where the newest entry of a user key is in a ``SkipList``: found with two reads of memory instead of some twenty.
///
/// A table of chains. A chain has one node of each key, the newest, and links are in the nodes:
///
///     buckets[hash >> shift]        node                   node
///     +-----------------+           +-------+-------+      +-------+-------+
///     | offset    | tag | --------> | entry | chain | ---> | entry | chain | ---> 0
///     | 29 bits   | 3   |           +-------+-------+      +-------+-------+
///     +-----------------+
///
/// A newer entry of a key takes the place of the one before. Offsets are multiples of 8; the three bits that are free
/// have three bits of the key's hash, so that seven of eight other keys are passed over without a look at them.
///
/// It never grows: a memtable's capacity says how many entries there may be. A chain is followed for
/// ``maximumSteps`` nodes, so that keys that were chosen to have one hash cost no more than the search that they spare.
///
/// Thread-safety: as the list: one thread inserts, and any thread looks up and takes no lock.
///
/// Unsafe island. Invariants:
/// 1. `buckets` has `1 << (64 - shift)` elements, zero at first, and lives as long as this.
/// 2. A link is 0, or the offset of a node of the list that is filled (release, acquire), and a tag.
@safe
struct HashIndex: ~Copyable {
  /// What is known of a key.
  enum Found: Equatable {
    /// The offset of its newest entry, at or below the sequence number.
    case entry(UInt32)
    /// It has none, of any sequence number that a reader may ask for.
    case absent
    /// Only a search can tell.
    case unknown
  }

  /// The longest part of a chain that is looked at.
  static let maximumSteps = 16
  /// Capacity of the list for each bucket, at most. An entry of a record with 100 bytes takes 170.
  private static let bytesPerBucket = 128
  private static let maximumBucketBits = 22
  private static let tagMask: UInt32 = 7

  private let memory: Arena
  private let buckets: UnsafeMutablePointer<Atomic<UInt32>>
  private let shift: UInt64
  /// Of the list.
  private let base: UnsafeMutableRawPointer

  /// - Parameters:
  ///   - base: of the nodes; outlives this.
  ///   - capacityBytes: of the list. The buckets take a sixteenth of it at most, or 64 bytes, and up to 16 MiB.
  init(base: UnsafeMutableRawPointer, capacityBytes: Int) {
    var bits = 4
    while bits < Self.maximumBucketBits, Self.bytesPerBucket << bits < capacityBytes { bits += 1 }
    // SAFETY: invariant 1: zeroed by the arena, and a zero is a valid `Atomic` of a u32.
    memory = Arena(capacity: 4 << bits)
    unsafe buckets = memory.base.bindMemory(to: Atomic<UInt32>.self, capacity: 1 << bits)
    shift = UInt64(64 - bits)
    unsafe self.base = base
  }

  @inline(__always)
  private func bucket(_ hash: UInt64) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe buckets + Int(truncatingIfNeeded: hash >> shift)
  }

  @inline(__always)
  private func node(_ link: UInt32) -> SkipListNode {
    unsafe SkipListNode(base + Int(link & ~Self.tagMask))
  }

  /// Asks for the memory that the first step needs.
  @inline(__always)
  func prefetch(_ hash: UInt64) { unsafe linux_prefetch(bucket(hash)) }

  /// Asks for the memory of the chain's first entry. Waits for the bucket, unless it was asked for before.
  @inline(__always)
  func prefetchEntry(_ hash: UInt64) {
    let link = unsafe bucket(hash).pointee.load(ordering: .acquiring)
    guard link != 0 else { return }
    unsafe linux_prefetch(node(link).address)
    unsafe linux_prefetch(node(link).address + 48)
  }

  /// - Parameter sequence: one that was published, as for all reads of the list.
  @inline(__always)
  func find(
    _ userKey: UnsafeRawBufferPointer, _ hash: UInt64, at sequence: SequenceNumber
  ) -> Found {
    let tag = UInt32(truncatingIfNeeded: hash) & Self.tagMask
    var link = unsafe bucket(hash).pointee.load(ordering: .acquiring)
    var steps = 0
    while link != 0 {
      guard steps < Self.maximumSteps else { return .unknown }
      let node = node(link)
      if link & Self.tagMask == tag, unsafe KeyOrder.isSame(node.userKey, userKey) {
        // An older one may be there for an earlier moment.
        return node.key.sequence <= sequence ? .entry(link & ~Self.tagMask) : .unknown
      }
      link = unsafe node.chain.pointee.load(ordering: .acquiring)
      steps &+= 1
    }
    return .absent
  }

  /// The newest entry of a key; 0 when there is none, or only a search can tell. The writer's alone.
  @inline(__always)
  func newest(_ userKey: UnsafeRawBufferPointer, _ hash: UInt64) -> UInt32 {
    if case .entry(let offset) = unsafe find(userKey, hash, at: .maximum) { return offset }
    return 0
  }

  /// Adds the newest entry of a key. The writer's alone.
  ///
  /// - Parameters:
  ///   - offset: of its node, filled.
  ///   - older: the offset of the entry that was the key's newest; 0 for none.
  @inline(__always)
  func insert(_ offset: UInt32, _ hash: UInt64, replacing older: UInt32) {
    let bucket = unsafe bucket(hash)
    let tagged = offset | UInt32(truncatingIfNeeded: hash) & Self.tagMask
    let first = unsafe bucket.pointee.load(ordering: .relaxed)
    if older != 0 {
      var at = unsafe bucket
      var link = first
      var steps = 0
      while link != 0, steps < Self.maximumSteps {
        let chain = unsafe node(link).chain
        if link & ~Self.tagMask == older {
          // A reader that is on the older one goes on from there as if nothing had happened.
          unsafe node(offset).chain.pointee.store(
            chain.pointee.load(ordering: .relaxed), ordering: .relaxed)
          unsafe at.pointee.store(tagged, ordering: .releasing)
          return
        }
        unsafe at = chain
        link = unsafe at.pointee.load(ordering: .relaxed)
        steps &+= 1
      }
    }
    // First in the chain, so before an older one that was too far away to be found.
    unsafe node(offset).chain.pointee.store(first, ordering: .relaxed)
    unsafe bucket.pointee.store(tagged, ordering: .releasing)
  }
}
