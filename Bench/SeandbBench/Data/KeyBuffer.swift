/// The key of a record, written anew for each call into the same bytes.
///
///     byte   0 … 7                 8 … 14     15
///           +---------------------+----------+------------------------------+
///           | index, big-endian   | "0" × 7  | "0"; "." in a missing key    |
///           +---------------------+----------+------------------------------+
///
/// So do the keys of RocksDB's db_bench look. A missing key lies right before a stored one, inside the range
/// of the tables: only a filter or a search tells that it is not there.
///
/// Unsafe island. Invariants:
/// 1. `buffer` has `byteCount` bytes, all initialised, from `init` to `deinit`.
@safe
struct KeyBuffer: ~Copyable {
  static let byteCount = 16

  private let buffer: UnsafeMutableRawBufferPointer

  init() {
    unsafe buffer = .allocate(byteCount: Self.byteCount, alignment: 8)
    unsafe buffer.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "0"))
  }

  deinit { unsafe buffer.deallocate() }

  /// The key; valid until the next write, and while this value lives.
  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(buffer) }

  /// Writes the key of a record.
  @inline(__always)
  mutating func write(_ index: Int) {
    // SAFETY: 8 of 16 bytes, aligned (invariant 1).
    unsafe buffer.storeBytes(of: UInt64(index).bigEndian, as: UInt64.self)
  }

  /// Writes a key no record has. All later keys are missing ones.
  @inline(__always)
  mutating func writeMissing(_ index: Int) {
    write(index)
    unsafe buffer[Self.byteCount - 1] = UInt8(ascii: ".")
  }

  /// The index in a stored key; nil when no record has such a key.
  @inline(__always)
  @safe
  static func index(of key: UnsafeRawBufferPointer) -> Int? {
    guard key.count == byteCount else { return nil }
    let padding = unsafe key.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    guard padding == 0x3030_3030_3030_3030 else { return nil }
    return unsafe Int(exactly: UInt64(bigEndian: key.loadUnaligned(as: UInt64.self)))
  }

  /// The key as an array, for set-up work.
  static func key(_ index: Int) -> [UInt8] {
    unsafe withUnsafeBytes(of: UInt64(index).bigEndian) { unsafe Array($0) }
      + [UInt8](repeating: UInt8(ascii: "0"), count: 8)
  }
}
