/// When to have the operating system read ahead for an iterator: after blocks that came from the file one after the
/// other. The system itself must not guess, since for each block of a point read it would read 32 more.
///
/// Thread-safety: none; its iterator's own.
struct ReadAhead {
  /// Where the block after the last one that was read begins.
  private var next: UInt64 = 0
  /// Blocks that were read one after the other.
  private var run = 0
  /// What was asked for ends here.
  private var end: UInt64 = 0
  private var window: UInt64 = 0

  private static let smallestWindow: UInt64 = 32 << 10
  private static let largestWindow: UInt64 = 512 << 10
  /// As many bytes of blocks from the cache may lie between two that were read.
  private static let gap: UInt64 = 64 << 10

  /// Notes that a block is read from the file, and asks for what may come after it.
  ///
  /// - Parameter isForAll: whether the whole table is read, as by a compaction: there is no need to wait for a third
  ///   block.
  mutating func willRead(_ handle: BlockHandle, isForAll: Bool, _ file: any ReadableFile) {
    if run == 0 || handle.offset < next || handle.offset - next > Self.gap {
      run = 0
      end = 0
      window = isForAll ? Self.largestWindow : Self.smallestWindow
    }
    run += 1
    next = handle.offset + handle.byteCount
    guard run > 2 || isForAll, next + window / 2 > end else { return }
    let begin = max(handle.offset, end)
    file.prefetch(window, at: begin)
    end = begin + window
    window = min(2 * window, Self.largestWindow)
  }
}
