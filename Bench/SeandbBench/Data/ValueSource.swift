/// Values that compress to about half, and say by themselves whose value they are.
///
///     byte   0 … 7                                      8 …
///           +------------------------------------------+----------------------------------+
///           | mix(index) + generation, little-endian   | the next bytes of 1 MiB of text  |
///           +------------------------------------------+----------------------------------+
///
/// The text is ``CompressibleText``. The generation tells a newer value of a key from an older one.
///
/// Unsafe island. Invariants:
/// 1. `text` has `textByteCount` bytes and `value` `byteCount`, all initialised, from `init` to `deinit`.
/// 2. `byteCount` is from 8 to `textByteCount`, and `position + byteCount <= textByteCount`.
@safe
struct ValueSource: ~Copyable {
  static let byteCountRange = 8...(64 << 10)
  private static let textByteCount = 1 << 20

  let byteCount: Int
  private let text: UnsafeMutableRawBufferPointer
  private let value: UnsafeMutableRawBufferPointer
  private var position = 0

  /// - Precondition: `byteCount` lies in ``byteCountRange``.
  init(byteCount: Int, seed: UInt64) {
    precondition(
      Self.byteCountRange.contains(byteCount), "values are as long as byteCountRange says")
    self.byteCount = byteCount
    unsafe text = .allocate(byteCount: Self.textByteCount, alignment: 8)
    unsafe value = .allocate(byteCount: byteCount, alignment: 8)
    unsafe value.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe text.copyBytes(
      from: CompressibleText.bytes(Self.textByteCount, seed: seed, stream: 0x7465_7874))
  }

  deinit {
    unsafe text.deallocate()
    unsafe value.deallocate()
  }

  /// The next value; valid until the next call, and while this value lives.
  @inline(__always)
  mutating func next(for index: Int, generation: UInt64) -> UnsafeRawBufferPointer {
    if position + byteCount > Self.textByteCount { position = 0 }
    // SAFETY: both ranges lie inside (invariant 2).
    unsafe value.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: text[position..<position + byteCount]))
    unsafe value.storeBytes(of: (Self.mark(index) &+ generation).littleEndian, as: UInt64.self)
    position += byteCount
    return unsafe UnsafeRawBufferPointer(value)
  }

  /// Whether `value` is one of the key at `index`, from one of `generations`.
  @inline(__always)
  @safe
  static func isValue(
    _ value: UnsafeRawBufferPointer, of index: Int, byteCount: Int,
    generations: ClosedRange<UInt64>
  ) -> Bool {
    guard value.count == byteCount else { return false }
    let word = unsafe UInt64(littleEndian: value.loadUnaligned(as: UInt64.self))
    return generations.contains(word &- mark(index))
  }

  @inline(__always)
  private static func mark(_ index: Int) -> UInt64 { SplitMix64.mix(UInt64(index) &+ 1) }
}
