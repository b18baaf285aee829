import Bytes
import Glibc

/// Sorted entries in memory, as ``BlockBuilder`` draws them; checked once, then read without
/// checks.
///
/// It does not own its memory: the block cache, a pin or a table does, and says how long it lives.
///
/// Thread-safety: immutable.
///
/// Unsafe island. Invariants, established by init and true as long as the memory:
/// 1. Entry `entryCount - 1` ends at `entriesEnd`, and every entry's lengths stay inside.
/// 2. Each restart offset is where an entry starts; they ascend, the first one is 0, and those entries share
///    nothing.
/// 3. `shared` of an entry is at most the length of the key before it, and, but at restart points,
///    all that both keys have in common. Keys ascend strictly.
/// 4. Each prefix is that of its restart point's key after `commonBytes`, which all keys share.
@safe
package struct Block: @unchecked Sendable {
  // SAFETY (Sendable): the bytes never change after init.
  let base: UnsafeRawPointer
  let byteCount: Int
  let entriesEnd: Int
  /// Entries; counted when the block was checked.
  package let entryCount: Int
  let restartCount: Int
  private let commonBytes: Int

  /// A block without entries.
  static let empty: Block = {
    // SAFETY: never freed, so invariant 1 holds for ever. Zeros are the footer of an empty block.
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: BlockBuilder.footerBytes, alignment: 1)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    return unsafe Block(emptyFooter: UnsafeRawBufferPointer(bytes))
  }()

  private init(emptyFooter bytes: UnsafeRawBufferPointer) {
    unsafe base = bytes.baseAddress.unsafelyUnwrapped
    byteCount = bytes.count
    entriesEnd = 0
    entryCount = 0
    restartCount = 0
    commonBytes = 0
  }

  /// What a block is for, and so which kinds of entries may be in it.
  package enum Content: Sendable {
    case entries
    case index
    case rangeTombstones

    fileprivate func allows(trailer: UInt64) -> Bool {
      let kind = EntryKind(rawValue: UInt8(truncatingIfNeeded: trailer))
      return switch self {
      case .entries: kind == .value || kind == .tombstone
      // A shortened separator is before every entry of its key.
      case .index: kind == .value || kind == .tombstone || trailer == .max
      case .rangeTombstones: kind == .rangeTombstone
      }
    }
  }

  /// Checks all of `bytes` and takes them as a block.
  ///
  /// - Parameter bytes: must stay where they are, unchanged, as long as the block is used.
  /// - Complexity: O(bytes).
  package init(
    validating bytes: UnsafeRawBufferPointer, content: Content
  ) throws(DamageInBlock) {
    let footer = bytes.count - BlockBuilder.footerBytes
    guard footer >= 0, let base = bytes.baseAddress else {
      throw DamageInBlock(
        .truncated(
          field: "block", needed: UInt64(BlockBuilder.footerBytes),
          available: UInt64(bytes.count)))
    }
    func field(_ index: Int) -> Int {
      unsafe Int(
        UInt32(
          littleEndian: bytes.loadUnaligned(fromByteOffset: footer + 4 * index, as: UInt32.self)))
    }
    commonBytes = field(0)
    entryCount = field(1)
    restartCount = field(2)
    entriesEnd = footer - restartCount * BlockBuilder.bytesPerRestart
    guard entriesEnd >= 0 else {
      throw DamageInBlock(
        .length(
          field: "restart points", value: UInt64(restartCount),
          limit: UInt64(footer / BlockBuilder.bytesPerRestart)))
    }
    unsafe self.base = base
    byteCount = bytes.count
    try validate(bytes, content)
  }

  @safe
  private func validate(
    _ bytes: UnsafeRawBufferPointer, _ content: Content
  ) throws(DamageInBlock) {
    var key = ByteWriter(capacity: 64)
    var trailer: UInt64 = 0
    var offset = 0
    var count = 0
    var restart = 0
    while offset < entriesEnd {
      guard let entry = unsafe BlockEntry(in: bytes, at: offset, end: entriesEnd) else {
        throw DamageInBlock(
          .length(field: "entry \(count)", value: UInt64(offset), limit: UInt64(entriesEnd)))
      }
      let rest = unsafe entry.rest(in: bytes)
      let entryTrailer = unsafe UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: entry.trailerOffset, as: UInt64.self))
      let isRestart = restart < restartCount && restartOffset(restart) == offset
      if isRestart {
        guard entry.shared == 0, rest.count >= commonBytes,
          unsafe prefix(restart)
            == KeyOrder.prefix(of: UnsafeRawBufferPointer(rebasing: rest[commonBytes...]))
        else { throw DamageInBlock(.order(field: "restart point \(restart)")) }
        restart += 1
      }
      let isAfter = try unsafe checkOrder(
        key.bytes, trailer, entry, rest, entryTrailer, isFirst: count == 0, isRestart: isRestart)
      guard isAfter else { throw DamageInBlock(.order(field: "key of entry \(count)")) }
      let kind = UInt8(truncatingIfNeeded: entryTrailer)
      guard content.allows(trailer: entryTrailer) else {
        throw DamageInBlock(.unknown(field: "kind of entry \(count)", value: UInt64(kind)))
      }
      key.truncate(to: entry.shared)
      key.append(rest)
      trailer = entryTrailer
      offset = entry.end
      count += 1
    }
    guard count == entryCount else {
      throw DamageInBlock(
        .value(field: "entries", expected: UInt64(entryCount), actual: UInt64(count)))
    }
    guard restart == restartCount, (count == 0) == (restart == 0) else {
      throw DamageInBlock(
        .value(field: "restart points", expected: UInt64(restartCount), actual: UInt64(restart)))
    }
    let first = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<entriesEnd])
    guard unsafe commonBytes == 0 || (count > 0 && sharesCommonPrefix(key.bytes, in: first)) else {
      throw DamageInBlock(.order(field: "common prefix"))
    }
  }

  /// Invariant 3 for one entry and the one before it.
  @safe
  private func checkOrder(
    _ previous: UnsafeRawBufferPointer, _ previousTrailer: UInt64, _ entry: BlockEntry,
    _ rest: UnsafeRawBufferPointer, _ trailer: UInt64, isFirst: Bool, isRestart: Bool
  ) throws(DamageInBlock) -> Bool {
    if isFirst { return isRestart }
    if isRestart {
      return unsafe InternalKey.compare(
        InternalKey(userKey: previous, trailer: previousTrailer),
        InternalKey(userKey: rest, trailer: trailer)) < 0
    }
    guard entry.shared <= previous.count else {
      throw DamageInBlock(
        .length(
          field: "shared bytes", value: UInt64(entry.shared), limit: UInt64(previous.count)))
    }
    if entry.shared == previous.count { return rest.count > 0 || trailer < previousTrailer }
    return unsafe rest.count > 0 && rest[0] > previous[entry.shared]
  }

  /// Keys ascend, so what the first and the last have in common all have.
  @safe
  private func sharesCommonPrefix(
    _ last: UnsafeRawBufferPointer, in entries: UnsafeRawBufferPointer
  ) -> Bool {
    guard let first = unsafe BlockEntry(in: entries, at: 0, end: entriesEnd),
      first.unshared >= commonBytes,
      last.count >= commonBytes
    else { return false }
    return unsafe KeyOrder.sharedLength(first.rest(in: entries), last) >= commonBytes
  }

  // MARK: - Restart points

  @inline(__always)
  func restartOffset(_ index: Int) -> Int {
    // SAFETY: `index < restartCount`; the arrays were checked to lie inside.
    let at = entriesEnd &+ restartCount &* 8 &+ index &* 4
    return unsafe Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
  }

  @inline(__always)
  private func prefix(_ index: Int) -> UInt64 {
    unsafe UInt64(
      littleEndian: base.loadUnaligned(fromByteOffset: entriesEnd &+ index &* 8, as: UInt64.self))
  }

  @inline(__always)
  private func restartKey(_ index: Int) -> InternalKey {
    let entry = unsafe BlockEntry(validated: base, at: restartOffset(index))
    return unsafe InternalKey(
      userKey: UnsafeRawBufferPointer(start: base + entry.restOffset, count: entry.unshared),
      trailer: trailer(entry))
  }

  @inline(__always)
  func trailer(_ entry: BlockEntry) -> UInt64 {
    unsafe UInt64(
      littleEndian: base.loadUnaligned(fromByteOffset: entry.trailerOffset, as: UInt64.self))
  }

  @inline(__always)
  func value(_ entry: BlockEntry) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: base + entry.valueOffset, count: entry.valueBytes)
  }

  /// The last restart point before `target`, or the first one: every entry before it is before
  /// `target`, and the next restart point is at or after it.
  /// - Precondition: the block has entries.
  @inline(__always)
  func restart(before target: InternalKey) -> Int { max(restartCount(before: target) &- 1, 0) }

  /// How many restart points are before `target`.
  /// - Precondition: the block has entries.
  @inline(__always)
  private func restartCount(before target: InternalKey) -> Int {
    var low = 0
    var high = restartCount
    if commonBytes > 0 {
      // SAFETY: the first entry shares nothing, and its key has at least `commonBytes` bytes.
      let first = unsafe BlockEntry(validated: base, at: 0)
      let common = unsafe UnsafeRawBufferPointer(start: base + first.restOffset, count: commonBytes)
      let begin = unsafe UnsafeRawBufferPointer(
        rebasing: target.userKey[..<min(commonBytes, target.userKey.count)])
      let order = KeyOrder.compare(begin, common)
      if order < 0 { return 0 }
      if order > 0 { return restartCount }
    }
    let wanted = unsafe KeyOrder.prefix(
      of: UnsafeRawBufferPointer(rebasing: target.userKey[commonBytes...]))
    while low < high {
      let middle = (low &+ high) / 2
      let prefix = prefix(middle)
      let isBefore =
        prefix != wanted ? prefix < wanted : InternalKey.compare(restartKey(middle), target) < 0
      if isBefore { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  // MARK: - Point lookup

  /// The first entry at or after `target`, if it is one of the same user key: its trailer and
  /// value.
  ///
  /// No key is put together: while the walk knows how many bytes the key at hand has in common with
  /// the target, an entry that shares more is before the target as well, and one that shares less
  /// is after.
  ///
  /// - Complexity: O(log n).
  @inline(__always)
  package func find(
    _ target: InternalKey
  ) -> (trailer: UInt64, value: UnsafeRawBufferPointer)? {
    guard entryCount > 0 else { return nil }
    let userKey = target.userKey
    let restart = restart(before: target)
    let isLast = restart &+ 1 == restartCount
    let end = isLast ? entriesEnd : restartOffset(restart &+ 1)
    var offset = restartOffset(restart)
    var matched = 0
    while offset < end {
      let entry = unsafe BlockEntry(validated: base, at: offset)
      offset = entry.end
      if entry.shared > matched { continue }
      if entry.shared < matched { return nil }
      let rest = unsafe UnsafeRawBufferPointer(
        start: base + entry.restOffset, count: entry.unshared)
      // SAFETY: `matched <= userKey.count` always; a slice of it stays inside.
      let wanted = unsafe UnsafeRawBufferPointer(rebasing: userKey[matched...])
      let more = KeyOrder.sharedLength(rest, wanted)
      matched &+= more
      if more == rest.count {
        guard matched == userKey.count else { continue }
        let trailer = trailer(entry)
        if trailer <= target.trailer { return unsafe (trailer, value(entry)) }
      } else if unsafe more == wanted.count || rest[more] > wanted[more] {
        return nil
      }
    }
    guard !isLast else { return nil }
    // All before the next restart point was before the target, so that point is at or after it.
    let entry = unsafe BlockEntry(validated: base, at: end)
    let rest = unsafe UnsafeRawBufferPointer(start: base + entry.restOffset, count: entry.unshared)
    guard KeyOrder.compare(rest, userKey) == 0 else { return nil }
    return unsafe (trailer(entry), value(entry))
  }

  /// The value of the first entry at or after `target`. O(log n).
  /// - Precondition: every entry is a restart point, as in an index.
  @inline(__always)
  func firstValue(atOrAfter target: InternalKey) -> UnsafeRawBufferPointer? {
    guard entryCount > 0 else { return nil }
    let restart = restartCount(before: target)
    guard restart < restartCount else { return nil }
    return unsafe value(BlockEntry(validated: base, at: restartOffset(restart)))
  }
}
