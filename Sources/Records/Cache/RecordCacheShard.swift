import Glibc

/// A part of a ``RecordCache``, under one lock: an index of buckets, and the records in a ring.
///
///     bucket   16 places of 4 bytes, one cache line; a place that is 0 is empty
///              bits 0-11 tag, of the key's hash; bits 12-31: offset of the entry in the ring, in units, plus 1
///     ring     entries one after the other, each in whole units of 8 bytes
///     entry    length of key u16, length of value u16, units u16, state u8, 0; key; value
///
/// What is added goes to the head. For room entries at the tail give way; one that was found since it was added goes to
/// the head once more (CLOCK). At the ring's end a dead entry fills what is too short.
///
/// `seen` has 16 bits of the hashes of keys that were offered and not added: a record is added at the second time.
///
/// Thread-safety: none; its owner has a lock.
///
/// Unsafe island. Invariants:
/// 1. `ring`, `places` and `seen` have `ringUnits * 8` bytes, `bucketCount * 16` and `seenCount` elements until the
///    owner unmaps them.
/// 2. Units from `tail` up to `head`, both modulo `ringUnits`, are whole entries; none runs over the ring's end.
/// 3. A place that is not 0 names an entry between them that is alive, and each of these has one place.
@safe
struct RecordCacheShard: ~Copyable, @unchecked Sendable {
  private let ring: UnsafeMutableRawPointer
  private let places: UnsafeMutablePointer<UInt32>
  private let seen: UnsafeMutablePointer<UInt16>
  private let layout: Layout
  /// Positions in units that only grow.
  private var head = 0
  private var tail = 0
  /// The entries between them that are alive.
  private(set) var count = 0
  /// When other than the cache's, all that is in it is stale.
  var epoch: UInt64 = 0

  /// How the bytes of a shard are shared out.
  struct Layout: Sendable {
    let ringUnits: Int
    let bucketCount: Int
    let seenCount: Int
    /// Of the largest entry.
    let maximumUnits: Int

    /// Half of the places are free when the ring is full of entries of this size.
    private static let expectedEntryBytes = 128

    init(byteCount: Int) {
      let entries = byteCount / (Self.expectedEntryBytes + 12)
      bucketCount = max(1, entries / 8)
      seenCount = max(1, entries * 2)
      let rest = byteCount - bucketCount * ways * 4 - seenCount * 2
      ringUnits = min(rest / unit, maximumRingUnits)
      maximumUnits = min(RecordCache.maximumRecordBytes / unit + 2, ringUnits / 16)
    }

    var byteCount: Int { ringUnits * unit + bucketCount * ways * 4 + seenCount * 2 }
  }

  private static let unit = 8
  static let ways = 16
  private static let tagBits: UInt32 = 12
  static let maximumRingUnits = 1 << 20 - 1
  private static let headerBytes = 8
  /// The most entries that are spared for one that is added.
  private static let maximumSpared = 16

  private enum State {
    static let dead: UInt8 = 0
    static let alive: UInt8 = 1
    static let touched: UInt8 = 2
  }

  /// - Parameter memory: `layout.byteCount` bytes of zero, at a cache line's start.
  @unsafe init(_ memory: UnsafeMutableRawPointer, _ layout: Layout) {
    self.layout = layout
    unsafe places = memory.bindMemory(
      to: UInt32.self, capacity: layout.bucketCount * Self.ways)
    let ringStart = layout.bucketCount * Self.ways * 4
    unsafe ring = memory + ringStart
    unsafe seen = (memory + ringStart + layout.ringUnits * Self.unit).bindMemory(
      to: UInt16.self, capacity: layout.seenCount)
  }

  // MARK: - Finding

  @inline(__always)
  private func bucket(_ hash: UInt64) -> Int {
    let part = (hash >> 20) & 0xffff_ffff
    return Int(truncatingIfNeeded: (part &* UInt64(layout.bucketCount)) >> 32) &* Self.ways
  }

  @inline(__always)
  private func entry(_ place: UInt32) -> UnsafeMutableRawPointer {
    unsafe ring + (Int(place >> Self.tagBits) &- 1) &* Self.unit
  }

  @inline(__always)
  @safe
  private func find(_ key: UnsafeRawBufferPointer, _ hash: UInt64) -> Int? {
    let first = bucket(hash)
    let tag = UInt32(truncatingIfNeeded: hash) & 0xfff
    for index in first..<first &+ Self.ways {
      let place = unsafe places[index]
      guard place & 0xfff == tag, place != 0 else { continue }
      let entry = unsafe entry(place)
      if unsafe Int(entry.load(as: UInt16.self)) == key.count,
        unsafe key.count == 0
          || memcmp(entry + Self.headerBytes, key.baseAddress.unsafelyUnwrapped, key.count) == 0
      {
        return index
      }
    }
    return nil
  }

  /// The value of a key, valid until the next change.
  @inline(__always)
  @unsafe mutating func value(
    of key: UnsafeRawBufferPointer, _ hash: UInt64
  ) -> UnsafeRawBufferPointer? {
    guard let index = find(key, hash) else { return nil }
    let entry = unsafe entry(places[index])
    if unsafe entry.load(fromByteOffset: 6, as: UInt8.self) != State.touched {
      unsafe entry.storeBytes(of: State.touched, toByteOffset: 6, as: UInt8.self)
    }
    return unsafe UnsafeRawBufferPointer(
      start: entry + Self.headerBytes + key.count,
      count: Int(entry.load(fromByteOffset: 2, as: UInt16.self)))
  }

  // MARK: - Changing

  @safe
  mutating func remove(_ key: UnsafeRawBufferPointer, _ hash: UInt64) {
    if let index = find(key, hash) { kill(index) }
  }

  private mutating func kill(_ index: Int) {
    unsafe entry(places[index]).storeBytes(of: State.dead, toByteOffset: 6, as: UInt8.self)
    unsafe places[index] = 0
    count -= 1
  }

  mutating func removeAll() {
    unsafe places.update(repeating: 0, count: layout.bucketCount * Self.ways)
    head = 0
    tail = 0
    count = 0
  }

  /// Adds a record that is not there, unless it is offered for the first time of late.
  @safe
  mutating func offer(
    _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ hash: UInt64,
    rehash: (UnsafeRawBufferPointer) -> UInt64
  ) {
    let units = (Self.headerBytes + key.count + value.count + Self.unit - 1) / Self.unit
    guard units <= layout.maximumUnits, isSecondOffer(hash), find(key, hash) == nil else { return }
    makeRoom(units, rehash)
    let entry = unsafe newEntry(units)
    unsafe entry.storeBytes(of: UInt16(key.count), as: UInt16.self)
    unsafe entry.storeBytes(of: UInt16(value.count), toByteOffset: 2, as: UInt16.self)
    unsafe entry.storeBytes(of: UInt16(units), toByteOffset: 4, as: UInt16.self)
    unsafe entry.storeBytes(of: State.alive, toByteOffset: 6, as: UInt8.self)
    let bytes = unsafe UnsafeMutableRawBufferPointer(
      start: entry + Self.headerBytes, count: key.count + value.count)
    unsafe bytes.copyMemory(from: key)
    unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[key.count...]).copyMemory(from: value)
    let first = bucket(hash)
    var index = first + Int(hash >> 8 & 15)
    for way in first..<first + Self.ways where unsafe places[way] == 0 {
      index = way
      break
    }
    if unsafe places[index] != 0 { kill(index) }
    unsafe places[index] = place(entry, hash)
    count += 1
  }

  private func place(_ entry: UnsafeMutableRawPointer, _ hash: UInt64) -> UInt32 {
    let unit = unsafe (entry - ring) / Self.unit + 1
    return UInt32(truncatingIfNeeded: unit) << Self.tagBits
      | UInt32(truncatingIfNeeded: hash) & 0xfff
  }

  private mutating func isSecondOffer(_ hash: UInt64) -> Bool {
    let mixed = hash &* 0x9E37_79B9_7F4A_7C15
    let index = Int(
      truncatingIfNeeded: mixed.multipliedFullWidth(by: UInt64(layout.seenCount)).high)
    let mark = UInt16(truncatingIfNeeded: hash >> 30) | 1
    if unsafe seen[index] == mark {
      unsafe seen[index] = 0
      return true
    }
    unsafe seen[index] = mark
    return false
  }

  /// Takes units at the head, and those that are left at the ring's end when they are too few.
  ///
  /// - Precondition: twice as many are free.
  private mutating func newEntry(_ units: Int) -> UnsafeMutableRawPointer {
    let left = layout.ringUnits - head % layout.ringUnits
    if left < units {
      let filler = unsafe ring + (head % layout.ringUnits) * Self.unit
      unsafe filler.storeBytes(of: UInt16(left), toByteOffset: 4, as: UInt16.self)
      unsafe filler.storeBytes(of: State.dead, toByteOffset: 6, as: UInt8.self)
      head += left
    }
    defer { head += units }
    return unsafe ring + (head % layout.ringUnits) * Self.unit
  }

  @safe
  private mutating func makeRoom(_ units: Int, _ rehash: (UnsafeRawBufferPointer) -> UInt64) {
    // Room for the entry and for one that is spared, and what either leaves at the ring's end.
    let needed = 2 * units + 2 * layout.maximumUnits
    var spared = 0
    while layout.ringUnits - (head - tail) < needed {
      let entry = unsafe ring + (tail % layout.ringUnits) * Self.unit
      let entryUnits = unsafe Int(entry.load(fromByteOffset: 4, as: UInt16.self))
      tail += entryUnits
      let state = unsafe entry.load(fromByteOffset: 6, as: UInt8.self)
      guard state != State.dead else { continue }
      let key = unsafe UnsafeRawBufferPointer(
        start: entry + Self.headerBytes, count: Int(entry.load(as: UInt16.self)))
      let hash = unsafe rehash(key)
      let index = index(of: unsafe place(entry, hash), hash)
      guard state == State.touched, spared < Self.maximumSpared else {
        unsafe places[index] = 0
        count -= 1
        continue
      }
      spared += 1
      let copy = unsafe newEntry(entryUnits)
      // Its own units may be among those at the head.
      unsafe memmove(copy, entry, entryUnits * Self.unit)
      unsafe copy.storeBytes(of: State.alive, toByteOffset: 6, as: UInt8.self)
      unsafe places[index] = place(copy, hash)
    }
  }

  /// - Precondition: it is there (invariant 3).
  private func index(of place: UInt32, _ hash: UInt64) -> Int {
    let first = bucket(hash)
    for index in first..<first + Self.ways where unsafe places[index] == place { return index }
    preconditionFailure("a live entry has its place")
  }
}
