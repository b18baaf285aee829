import Bytes
import CRocksDB
import Engine
import Glibc

/// Owns a `rocksdb_iterator_t` with everything it points to: bounds, read options, snapshot.
///
/// Unsafe island. Invariants:
/// 1. RocksDB keeps pointers into `bounds`, `options` and `snapshot`. They are stored here and so are
///    destroyed after `deinit` has destroyed the iterator.
/// 2. It lives inside a call, inside the gate: the database stays open meanwhile.
@safe
struct RocksDBIterator: ~Copyable {
  private let iterator: OpaquePointer
  private let bounds: RocksDBBounds
  private let options: RocksDBReadOptions
  private let snapshot: RocksDBSnapshot?

  /// - Parameters:
  ///   - range: not empty; RocksDB asserts that its bounds are in order.
  ///   - ignoringRangeDeletes: whether records that a range delete covers are shown.
  init(
    _ database: OpaquePointer, range: KeyRange, tier: ReadTier, snapshot: RocksDBSnapshot?,
    ignoringRangeDeletes: Bool
  ) {
    bounds = RocksDBBounds(range)
    options = unsafe RocksDBReadOptions(
      tier, snapshot: snapshot?.snapshot, ignoringRangeDeletes: ignoringRangeDeletes)
    self.snapshot = snapshot
    if !range.lower.isEmpty {
      unsafe rocksdb_readoptions_set_iterate_lower_bound(
        options.options, bounds.lower.charPointer, bounds.lower.count)
    }
    // An empty upper bound is the end of an empty range, and does not come here.
    if range.upper != nil {
      unsafe rocksdb_readoptions_set_iterate_upper_bound(
        options.options, bounds.upper.charPointer, bounds.upper.count)
    }
    // SAFETY: the C call never returns nil; its errors come out of the iterator's status.
    unsafe iterator = rocksdb_create_iterator(database, options.options).unsafelyUnwrapped
  }

  deinit { unsafe rocksdb_iter_destroy(iterator) }

  var isValid: Bool { unsafe rocksdb_iter_valid(iterator) != 0 }

  /// Why the iterator is not valid; nil at the end of the range.
  var status: RocksDBStatus? {
    var message: UnsafeMutablePointer<CChar>?
    unsafe rocksdb_iter_get_error(iterator, &message)
    return unsafe RocksDBStatus(message)
  }

  /// Moves to the range's first entry in `direction`.
  func seekToStart(_ direction: ScanDirection) {
    switch direction {
    case .ascending: unsafe rocksdb_iter_seek_to_first(iterator)
    case .descending: unsafe rocksdb_iter_seek_to_last(iterator)
    }
  }

  /// - Precondition: the iterator is valid.
  func move(_ direction: ScanDirection) {
    switch direction {
    case .ascending: unsafe rocksdb_iter_next(iterator)
    case .descending: unsafe rocksdb_iter_prev(iterator)
    }
  }

  /// The current key; its bytes are valid until the iterator moves.
  /// - Precondition: the iterator is valid.
  @safe var key: UnsafeRawBufferPointer {
    var count = 0
    let start = unsafe rocksdb_iter_key(iterator, &count)
    return unsafe UnsafeRawBufferPointer(start: start, count: count)
  }

  /// The current value; its bytes are valid until the iterator moves.
  /// - Precondition: the iterator is valid.
  @safe var value: UnsafeRawBufferPointer {
    var count = 0
    let start = unsafe rocksdb_iter_value(iterator, &count)
    return unsafe UnsafeRawBufferPointer(start: start, count: count)
  }
}

extension RocksDBIterator {
  /// Moves up to `key` and, when it is there, past it; whether it was there.
  ///
  /// `direction` must be that of all moves before, and `key` after those of earlier calls.
  @safe
  func passes(_ key: UnsafeRawBufferPointer, _ direction: ScanDirection) -> Bool {
    while isValid {
      let order = self.key.compare(to: key)
      if order == 0 {
        move(direction)
        return true
      }
      switch direction {
      case .ascending: if order > 0 { return false }
      case .descending: if order < 0 { return false }
      }
      move(direction)
    }
    return false
  }
}

/// A range's keys at addresses that stay put, for C calls which keep pointers to them.
struct RocksDBBounds: ~Copyable {
  private var keys = ByteWriter()
  private let lowerCount: Int

  init(_ range: KeyRange) {
    keys.append(range.lower)
    lowerCount = keys.count
    if let upper = range.upper { keys.append(upper) }
  }

  /// Valid while this value lives; nil address and no bytes for "from the start" when nothing is bound.
  var lower: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: keys.bytes[..<lowerCount])
  }

  /// Valid while this value lives; no bytes for "no end".
  var upper: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: keys.bytes[lowerCount...])
  }
}

extension UnsafeRawBufferPointer {
  /// Negative, 0 or positive as these bytes come before, equal or come after `other` in key order.
  @safe
  fileprivate func compare(to other: UnsafeRawBufferPointer) -> Int {
    if let left = baseAddress, let right = other.baseAddress {
      let order = unsafe memcmp(left, right, Swift.min(count, other.count))
      if order != 0 { return Int(order) }
    }
    return count - other.count
  }

  /// The bytes as C's `const char *`; nil when there are none, which RocksDB takes for "no bound".
  var charPointer: UnsafePointer<CChar>? {
    unsafe isEmpty ? nil : baseAddress?.assumingMemoryBound(to: CChar.self)
  }
}
