/// The tables of one level below level 0: sorted, no two with a user key in common.
///
/// Thread-safety: immutable.
///
/// Unsafe island: tables are borrowed on the read path without retaining them. Invariants:
/// 1. `entries` points to `count` elements, whose tables `files` holds as long as this lives.
/// 2. The upper bounds they point to live in those tables.
// SAFETY of `@unchecked Sendable`: nothing changes after init.
@safe
final class SortedRun: @unchecked Sendable {
  let files: [TableFile]
  let totalBytes: UInt64

  @safe
  private struct Entry {
    /// ``KeyOrder/prefix(of:)`` of the last user key.
    let prefix: UInt64
    let largest: InternalKey
    let smallest: InternalKey
    let table: Unmanaged<Table>
  }
  private let entries: UnsafeMutablePointer<Entry>
  private let count: Int

  /// - Precondition: sorted and without overlap, as ``VersionBuilder`` checks.
  init(_ files: [TableFile]) {
    self.files = files
    count = files.count
    totalBytes = files.reduce(0) { $0 + $1.metadata.fileBytes }
    unsafe entries = .allocate(capacity: max(files.count, 1))
    for (index, file) in files.enumerated() {
      unsafe (entries + index).initialize(
        to: Entry(
          prefix: KeyOrder.prefix(of: file.largest.userKey), largest: file.largest,
          smallest: file.smallest, table: Unmanaged.passUnretained(file.table)))
    }
  }

  deinit { unsafe entries.deallocate() }

  static let empty = SortedRun([])

  var isEmpty: Bool { count == 0 }

  /// The index of the first table that reaches `userKey` or beyond; `files.count` when none does.
  @inline(__always)
  @safe
  func firstIndex(notBefore userKey: UnsafeRawBufferPointer) -> Int {
    var low = 0
    var high = count
    let prefix = KeyOrder.prefix(of: userKey)
    while low < high {
      let middle = (low &+ high) >> 1
      // SAFETY: invariant 1; `middle < count`.
      let entry = unsafe entries + middle
      let isBefore: Bool
      if unsafe entry.pointee.prefix != prefix {
        isBefore = unsafe entry.pointee.prefix < prefix
      } else {
        let order = unsafe KeyOrder.compare(entry.pointee.largest.userKey, userKey)
        isBefore = unsafe order < 0 || (order == 0 && entry.pointee.largest.trailer == .max)
      }
      if isBefore { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  /// Whether one of the tables may hold `userKey`.
  @safe
  func mayHold(_ userKey: UnsafeRawBufferPointer) -> Bool { unsafe table(for: userKey) != nil }

  /// The one table that may hold `userKey`; borrowed as long as the run.
  @inline(__always)
  func table(for userKey: UnsafeRawBufferPointer) -> Unmanaged<Table>? {
    let index = firstIndex(notBefore: userKey)
    guard index < count else { return nil }
    let entry = unsafe entries + index
    guard unsafe KeyOrder.compare(entry.pointee.smallest.userKey, userKey) <= 0 else { return nil }
    return unsafe entry.pointee.table
  }

  /// The tables that may hold a user key from `lower` through `upper` (nil: no end).
  @safe
  func indices(
    from lower: UnsafeRawBufferPointer, through upper: UnsafeRawBufferPointer?
  ) -> Range<Int> {
    let first = firstIndex(notBefore: lower)
    guard let upper = unsafe upper else { return first..<count }
    var end = first
    while end < count, KeyOrder.compare(files[end].smallest.userKey, upper) <= 0 { end += 1 }
    return first..<end
  }
}
