import Engine
import Synchronization

// SAFETY: the key and the value are the buffers' own until the next write of them, after the call that is given them.
// What the engine lends is looked at until the visit returns. A prefix has 7 bytes, and a key 16.

/// Tells workers to stop before they have done all.
final class StopFlag: Sendable {
  private let flag = Atomic(false)

  @inline(__always)
  var isSet: Bool { flag.load(ordering: .relaxed) }

  func set() { flag.store(true, ordering: .relaxed) }
}

/// One thread of a workload: its share of the operations, and the calls it makes, every answer checked.
///
/// Confined to its thread.
struct Worker: ~Copyable {
  // Constant.
  private let engine: any StorageEngine
  private let target: EngineTarget
  private let workload: Workload
  private let recordCount: Int
  private let generations: ClosedRange<UInt64>
  private let stop: StopFlag
  private let end: Int
  // Variable.
  var random: SplitMix64
  /// Bytes of the keys and values written.
  private(set) var userBytes = 0
  private let batch = WriteBatch()
  private var position: Int
  private var keys = KeyBuffer()
  private var upperKeys = KeyBuffer()
  private var values: ValueSource
  private var tail = KeyRange.from(KeyBuffer.key(0))
  private var prefix = KeyRange(
    lower: [UInt8](repeating: 0, count: 7), upper: [UInt8](repeating: 0, count: 7))

  /// - Parameters:
  ///   - positions: its share of the workload's operations.
  ///   - thread: from 0; its random stream.
  init(
    _ store: Store, _ workload: Workload, thread: Int, positions: Range<Int>, stop: StopFlag
  ) {
    engine = store.engine
    target = store.target
    self.workload = workload
    recordCount = store.recordCount
    generations = store.generations
    self.stop = stop
    position = positions.lowerBound
    end = positions.upperBound
    random = SplitMix64(
      seed: store.settings.seed, stream: workload.stream(round: store.round, thread: thread))
    values = ValueSource(byteCount: store.settings.valueByteCount, seed: store.settings.seed)
  }

  /// The position of its next operation; nil when it has done its share or is told to stop.
  @inline(__always)
  mutating func next() -> Int? {
    guard position < end, !stop.isSet else { return nil }
    defer { position += 1 }
    return position
  }

  var isLast: Bool { position == end }

  // MARK: - Writing

  /// Adds a put to the batch.
  @inline(__always)
  mutating func put(_ index: Int, generation: UInt64) {
    keys.write(index)
    unsafe batch.put(keys.bytes, values.next(for: index, generation: generation))
    userBytes += KeyBuffer.byteCount + values.byteCount
  }

  /// Adds a delete of `range` to the batch.
  mutating func delete(_ range: Range<Int>) {
    keys.write(range.lowerBound)
    upperKeys.write(range.upperBound)
    unsafe batch.deleteRange(keys.bytes, upperKeys.bytes)
    userBytes += 2 * KeyBuffer.byteCount
  }

  var batchCount: Int { batch.count }

  /// Writes the batch.
  @inline(__always)
  mutating func apply(_ durability: Durability = .buffered) throws {
    try engine.apply(batch, durability: durability)
    batch.clear()
  }

  // MARK: - Reading

  /// Looks up a key that is there.
  @inline(__always)
  mutating func read(_ index: Int) throws {
    let byteCount = values.byteCount
    let generations = generations
    keys.write(index)
    var isRight = false
    let outcome = try unsafe engine.get(keys.bytes, snapshot: nil, tier: .any) { value in
      isRight = ValueSource.isValue(
        value, of: index, byteCount: byteCount, generations: generations)
    }
    guard outcome == .found, isRight else {
      throw wrong("key \(index) is \(outcome == .found ? "wrong" : "missing")")
    }
  }

  /// Looks up a key that is not there, beside that of a record. No other call may follow.
  @inline(__always)
  mutating func readMissing(besides index: Int) throws {
    keys.writeMissing(index)
    let outcome = try unsafe engine.get(keys.bytes, snapshot: nil, tier: .any) { _ in }
    guard outcome == .absent else {
      throw wrong("a key beside \(index) is there and was never written")
    }
  }

  /// Finds a key and reads `count` records from there on, or up to the last one.
  ///
  /// - Parameter knownCount: the records that must be there; those after may be added meanwhile.
  @inline(__always)
  mutating func scan(from start: Int, count: Int, knownCount: Int) throws {
    let byteCount = values.byteCount
    let generations = generations
    keys.write(start)
    unsafe tail.lower.withUnsafeMutableBytes { unsafe $0.copyMemory(from: keys.bytes) }
    var next = start
    let outcome = try engine.scan(
      tail, direction: .ascending, limit: count, snapshot: nil, tier: .any
    ) { key, value in
      guard let index = KeyBuffer.index(of: key),
        index == next || (index > next && next >= knownCount),
        ValueSource.isValue(value, of: index, byteCount: byteCount, generations: generations)
      else { return .stop }
      next = index + 1
      return .next
    }
    guard outcome != .stopped, next >= min(start + count, knownCount) else {
      throw wrong("where record \(next) should be, after \(start)")
    }
  }

  /// Reads all records whose keys have the first 7 bytes in common with that of `index`.
  @inline(__always)
  mutating func scanPrefix(of index: Int) throws {
    let byteCount = values.byteCount
    let generations = generations
    let start = index & -Workload.prefixLength
    keys.write(start)
    unsafe prefix.lower.withUnsafeMutableBytes { unsafe $0.copyBytes(from: keys.bytes[..<7]) }
    keys.write(start + Workload.prefixLength)
    unsafe prefix.upper?.withUnsafeMutableBytes { unsafe $0.copyBytes(from: keys.bytes[..<7]) }
    var next = start
    let outcome = try engine.scan(
      prefix, direction: .ascending, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      guard KeyBuffer.index(of: key) == next,
        ValueSource.isValue(value, of: next, byteCount: byteCount, generations: generations)
      else { return .stop }
      next += 1
      return .next
    }
    guard outcome == .complete, next == min(start + Workload.prefixLength, recordCount) else {
      throw wrong("where record \(next) should be, in the prefix of \(start)")
    }
  }

  /// Reads all records by one scan.
  ///
  /// - Parameters:
  ///   - isThere: whether the record must be there; all others must not.
  ///   - onRecord: called after each.
  @inline(__always)
  func scanAll(
    _ direction: ScanDirection, where isThere: (Int) -> Bool = { _ in true },
    onRecord: () -> Void
  ) throws {
    let byteCount = values.byteCount
    let generations = generations
    let step = direction == .ascending ? 1 : -1
    let end = direction == .ascending ? recordCount : -1
    var next = direction == .ascending ? 0 : recordCount - 1
    while next != end && !isThere(next) { next += step }
    let outcome = try engine.scan(
      .all, direction: direction, limit: .max, snapshot: nil, tier: .any
    ) { key, value in
      guard KeyBuffer.index(of: key) == next,
        ValueSource.isValue(value, of: next, byteCount: byteCount, generations: generations)
      else { return .stop }
      next += step
      while next != end && !isThere(next) { next += step }
      onRecord()
      return .next
    }
    guard outcome == .complete, next == end else {
      throw wrong("where record \(next) of \(recordCount) should be")
    }
  }

  @inline(never)
  private func wrong(_ detail: String) -> WrongAnswer {
    WrongAnswer(target: target, workload: workload, detail: detail)
  }
}
