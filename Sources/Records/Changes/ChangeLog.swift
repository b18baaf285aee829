import Bytes
import Engine
package import Schema
import Synchronization

/// The changes of one model that are kept, and how far back they go.
///
/// What is kept is counted in segments, some sixty of them, by the commit thread. The oldest ones go when there are
/// more bytes than the schema keeps, or when they are older: for readers at once, from the disk a while later.
///
/// Thread-safety: any thread.
package final class ChangeLog: Sendable {
  private static let segmentsOfAll: UInt64 = 64

  /// Changes that go together.
  private struct Segment {
    var last: UInt64
    var bytes: UInt64
    /// When the first one was made, and the last one, in nanoseconds since 1970.
    let began: UInt64
    var ended: UInt64
  }

  private struct State {
    /// Changes up to it are not kept.
    var oldest: UInt64
    var segments: [Segment] = []
    var bytes: UInt64 = 0
    /// Of the last change of this process; 0 for none.
    var newest: UInt64 = 0
    /// Whether what is from earlier processes is counted.
    var isLoaded = false
    /// Those that are stored and not kept.
    var droppedBytes: UInt64 = 0
  }

  /// Of its changes.
  package let prefix: KeyPrefix
  let watch: WatchOption
  private let state: Mutex<State>

  /// - Parameter oldest: as the catalogue has it.
  package init(model id: UInt32, _ watch: WatchOption, oldest: UInt64) {
    prefix = KeyPrefix(.change, model: id)
    self.watch = watch
    state = Mutex(State(oldest: oldest))
  }

  /// The smallest revision that a reader can go on after.
  package var oldest: UInt64 { state.withLock { $0.oldest } }

  /// Whether there is no change after a revision of this process.
  ///
  /// - Precondition: `revision` is the last one of an earlier process, or later.
  func hasNothing(after revision: UInt64) -> Bool { state.withLock { $0.newest <= revision } }

  /// Counts a change that is stored.
  ///
  /// - Parameter time: when it was made, in nanoseconds since 1970.
  func note(_ revision: UInt64, bytes: Int, _ time: UInt64) {
    state.withLock { state in
      state.bytes += UInt64(bytes)
      state.newest = revision
      add(revision, bytes, time, to: &state.segments)
    }
  }

  private func add(
    _ revision: UInt64, _ bytes: Int, _ time: UInt64, to segments: inout [Segment]
  ) {
    let (segmentBytes, segmentTime) = (
      watch.keptBytes / Self.segmentsOfAll, keptNanoseconds / Self.segmentsOfAll
    )
    // A call's changes are not divided.
    if let last = segments.last,
      last.last == revision || last.bytes < segmentBytes && time < last.began &+ segmentTime
    {
      segments[segments.count - 1].bytes += UInt64(bytes)
      segments[segments.count - 1].last = revision
      segments[segments.count - 1].ended = time
    } else {
      segments.append(Segment(last: revision, bytes: UInt64(bytes), began: time, ended: time))
    }
  }

  private var keptNanoseconds: UInt64 { watch.keptHours * 3_600_000_000_000 }

  /// Counts what is stored from earlier processes. Reads all of it; once.
  ///
  /// - Parameters:
  ///   - revision: the first one of this process.
  ///   - isCancelled: asked before each change; nothing is counted then.
  func load(
    _ engine: any StorageEngine, before revision: UInt64, isCancelled: () -> Bool
  ) throws(EngineError) {
    var segments: [Segment] = []
    var bytes: UInt64 = 0
    let range = KeyRange(lower: prefix.bytes, upper: ChangeRecord.bound(prefix, revision))
    _ = try engine.scan(
      range, direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      if isCancelled() { return .stop }
      if let revision = ChangeRecord.revision(ofKey: key), let change = ChangeRecord(value) {
        let count = key.count + value.count
        bytes += UInt64(count)
        add(revision, count, change.time &* 1_000_000, to: &segments)
      }
      return .next
    }
    if isCancelled() { return }
    state.withLock { state in
      state.segments = segments + state.segments
      state.bytes += bytes
      state.isLoaded = true
    }
  }

  /// Lets go what is too much or too old.
  ///
  /// - Parameter now: nanoseconds since 1970.
  /// - Returns: what is stored still and not kept; nil for nothing.
  package func trim(now: UInt64) -> Dropped? {
    state.withLock { state -> Dropped? in
      guard state.isLoaded else { return nil }
      while let first = state.segments.first {
        let isOld = now > first.ended && now - first.ended > keptNanoseconds
        guard state.bytes > watch.keptBytes || isOld else { break }
        // The newest changes are kept, however large they are.
        guard state.segments.count > 1 || isOld else { break }
        state.oldest = max(state.oldest, first.last)
        state.bytes -= first.bytes
        state.droppedBytes += first.bytes
        state.segments.removeFirst()
      }
      guard state.droppedBytes > 0 else { return nil }
      return Dropped(bytes: state.droppedBytes, last: state.oldest)
    }
  }

  /// Changes that are stored still, and not kept any more.
  package struct Dropped: Sendable {
    /// Of them, in the log.
    package let bytes: UInt64
    /// The revision of the last one.
    let last: UInt64
  }

  /// So many bytes that are not kept are removed at once.
  package var removedBytes: UInt64 { max(watch.keptBytes, Self.smallestRemoval) }

  // A removal is a range delete, after which ranges are read more slowly until a compaction.
  private static let smallestRemoval: UInt64 = 64 << 20

  /// Appends what removes the changes up to a revision from the store.
  func remove(through revision: UInt64, in batch: WriteBatch) {
    batch.put(Self.key(prefix.model), Start(revision: revision, watch).bytes)
    batch.deleteRange(
      KeyRange(lower: prefix.bytes, upper: ChangeRecord.bound(prefix, revision + 1)))
  }

  func didRemove(_ dropped: Dropped) {
    state.withLock { $0.droppedBytes -= min(dropped.bytes, $0.droppedBytes) }
  }

  // MARK: - In the catalogue

  static let catalogueName = "log/"

  /// `log/` and the model's id, u32 big-endian. The value:
  ///
  ///     01, revision u64 little-endian: the smallest one after which all changes are kept
  ///     u8   bit 0: changes have no records, bit 1: they have those of before
  static func key(_ model: UInt32) -> [UInt8] {
    Catalogue.key(catalogueName, model)
  }

  /// What the catalogue has of a log.
  struct Start: Equatable {
    static let version: UInt8 = 1
    private static let byteCount = 10

    /// The smallest one after which all changes are kept.
    let revision: UInt64
    private let flags: UInt8

    init(revision: UInt64, _ watch: WatchOption) {
      self.revision = revision
      flags = (watch.isKeysOnly ? 1 : 0) | (watch.hasOld ? 2 : 0)
    }

    /// - Returns: nil when they are none that this program wrote.
    init?(_ bytes: [UInt8]) {
      guard bytes.count == Self.byteCount, bytes[0] == Self.version else { return nil }
      revision = bytes[1..<9].reversed().reduce(0) { $0 << 8 | UInt64($1) }
      flags = bytes[9]
    }

    var bytes: [UInt8] {
      var writer = ByteWriter()
      writer.append(Self.version)
      writer.appendLittleEndian(revision)
      writer.append(flags)
      return writer.array()
    }

    /// Whether their changes have the same parts.
    func hasSameContent(as other: Start) -> Bool { flags == other.flags }
  }
}
