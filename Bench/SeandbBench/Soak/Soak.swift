import Engine
import Glibc
import Platform
import Synchronization

// SAFETY: the key and the value are the buffers' own until the next write of them, after the call that is given them.
// What the engine lends is looked at until the visit returns; a path or a time is lent to a system call likewise.

/// A long mixed load on one engine, compared with a model.
///
/// The model is one number a key: the generation of its value, 0 when it is absent. Of 1000 steps 600 put, 80
/// delete, 4 delete a range of up to 500 keys, 300 read and 16 scan.
struct Soak: ~Copyable {
  private let descriptor: EngineDescriptor
  private let directory: String
  private let options: EngineOptions
  private let valueByteCount: Int
  private var engine: any StorageEngine
  private var generations: [UInt32]
  private var liveCount = 0
  private var random: SplitMix64
  private var values: ValueSource
  private var key = KeyBuffer()
  private let batch = WriteBatch()
  private var writtenBytes: UInt64 = 0
  private var steps: UInt64 = 0
  private var footprint: Footprint

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  init(
    _ descriptor: EngineDescriptor, directory: String, options: EngineOptions, keyCount: Int,
    valueByteCount: Int, seed: UInt64
  ) throws {
    self.descriptor = descriptor
    self.directory = directory
    self.options = options
    self.valueByteCount = valueByteCount
    guard unsafe access(directory, F_OK) != 0 else {
      throw Failure(description: "\(directory) exists already; name another --directory")
    }
    engine = try descriptor.open(directory, options: options)
    generations = [UInt32](repeating: 0, count: keyCount)
    random = SplitMix64(seed: seed, stream: 1)
    values = ValueSource(byteCount: valueByteCount, seed: seed)
    footprint = Footprint(directory: directory)
  }

  private func wrong(_ detail: String) -> Failure {
    Failure(description: "\(descriptor.name), step \(steps): \(detail)")
  }

  // MARK: - Running

  mutating func run(seconds: Double, bytesPerSecond: UInt64) throws {
    let reader = SoakReader(engine, keyCount: generations.count, valueByteCount: valueByteCount)
    let thread = WorkerThread(name: "reader")
    thread.start { reader.run() }
    let begin = Self.now()
    var nextSample = begin + 1_000_000_000
    var nextReport = begin + 30_000_000_000
    let end = begin + UInt64(seconds * 1e9)
    var now = begin
    defer {
      reader.stop()
      thread.join()
    }
    while now < end {
      for _ in 0..<100 { try step() }
      now = Self.now()
      let due = begin + UInt64(Double(writtenBytes) / Double(bytesPerSecond) * 1e9)
      if due > now { usleep(UInt32(min((due - now) / 1000, 100_000))) }
      if now >= nextSample {
        nextSample = now + 1_000_000_000
        footprint.sample()
        if let failure = reader.failure { throw wrong(failure) }
      }
      if now >= nextReport {
        nextReport += 30_000_000_000
        try report(Double(now - begin) / 1e9)
      }
    }
    reader.stop()
    thread.join()
    try finish(Double(Self.now() - begin) / 1e9)
  }

  private static func now() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  // MARK: - Steps

  private mutating func step() throws {
    steps += 1
    let index = random.next(below: generations.count)
    switch random.next(below: 1000) {
    case 0..<600: try put(index)
    case 600..<680: try delete(index)
    case 680..<684: try deleteRange(index)
    case 684..<984: try get(index)
    default: try scan(index)
    }
  }

  private mutating func put(_ index: Int) throws {
    if generations[index] == 0 { liveCount += 1 }
    generations[index] &+= 1
    batch.clear()
    key.write(index)
    unsafe batch.put(key.bytes, values.next(for: index, generation: UInt64(generations[index])))
    try apply()
  }

  private mutating func delete(_ index: Int) throws {
    batch.clear()
    key.write(index)
    unsafe batch.delete(key.bytes)
    forget(index)
    try apply()
  }

  private mutating func deleteRange(_ index: Int) throws {
    let end = min(index + 1 + random.next(below: 500), generations.count)
    batch.clear()
    batch.deleteRange(KeyBuffer.key(index), KeyBuffer.key(end))
    for deleted in index..<end { forget(deleted) }
    try apply()
  }

  private mutating func forget(_ index: Int) {
    if generations[index] > 0 { liveCount -= 1 }
    generations[index] = 0
  }

  private mutating func apply() throws {
    writtenBytes += UInt64(batch.byteCount)
    // One in a thousand waits for the disk.
    try engine.apply(batch, durability: steps % 1000 == 0 ? .sync : .buffered)
  }

  private mutating func get(_ index: Int) throws {
    key.write(index)
    var isRight = false
    let generation = generations[index]
    let count = valueByteCount
    let outcome = try unsafe engine.get(key.bytes, snapshot: nil, tier: .any) { value in
      isRight = ValueSource.isValue(
        value, of: index, byteCount: count, generations: UInt64(generation)...UInt64(generation))
    }
    guard generation == 0 ? outcome == .absent : (outcome == .found && isRight) else {
      throw wrong("key \(index), generation \(generation): \(outcome), right value: \(isRight)")
    }
  }

  private mutating func scan(_ index: Int) throws {
    let end = min(index + 200, generations.count)
    try compare(
      index..<end, random.next(below: 2) == 0 ? .ascending : .descending)
  }

  /// Scans the keys of a range and compares each with the model.
  private func compare(_ range: Range<Int>, _ direction: ScanDirection) throws {
    let count = valueByteCount
    var expected = Array(range.filter { generations[$0] > 0 })
    if direction == .ascending { expected.reverse() }
    var problem: String?
    let keys = KeyRange(
      lower: KeyBuffer.key(range.lowerBound), upper: KeyBuffer.key(range.upperBound))
    _ = try engine.scan(keys, direction: direction, limit: .max, snapshot: nil, tier: .any) {
      key, value in
      guard let index = KeyBuffer.index(of: key), index == expected.popLast() else {
        problem = "a scan of \(range) \(direction) shows a key that is not due"
        return .stop
      }
      let generation = UInt64(generations[index])
      guard
        ValueSource.isValue(
          value, of: index, byteCount: count, generations: generation...generation)
      else {
        problem = "a scan shows a wrong value of key \(index)"
        return .stop
      }
      return .next
    }
    if let problem { throw wrong(problem) }
    if let missing = expected.last { throw wrong("a scan of \(range) left out key \(missing)") }
  }

  // MARK: - Reports

  private var liveBytes: UInt64 { UInt64(liveCount * (valueByteCount + KeyBuffer.byteCount)) }

  private func report(_ seconds: Double) throws {
    let statistics = try engine.statistics()
    let levels = statistics.levels.map { "\($0.fileCount)" }.joined(separator: " ")
    print(
      "\(Int(seconds)) s: \(steps) steps, written \(writtenBytes >> 20) MiB, "
        + "live \(liveBytes >> 20) MiB in \(liveCount) records, \(footprint.text), "
        + "tables by level \(levels), snapshots \(statistics.snapshotCount)")
    fflush(nil)
    try check()
  }

  /// Space: what lives, compressed or not, three times over and a fixed part for logs and memtables. Memory:
  /// cache and memtables and a fixed part.
  private func check() throws {
    let diskLimit = 3 * liveBytes + (1 << 30)
    let memoryLimit = UInt64(options.cacheSizeBytes + 6 * options.memtableSizeBytes) + (512 << 20)
    for (name, value, limit) in [
      ("disk", footprint.diskBytes, diskLimit),
      ("memory", footprint.memoryBytes, memoryLimit), ("open files", footprint.openFiles, 500),
    ] where value > limit {
      throw wrong("\(name) at \(value), over its bound of \(limit)")
    }
  }

  private mutating func finish(_ seconds: Double) throws {
    try report(seconds)
    print("comparing everything, then again after a reopen")
    for direction in ScanDirection.allCases { try compare(0..<generations.count, direction) }
    try engine.close()
    engine = try descriptor.open(directory, options: options)
    try compare(0..<generations.count, .ascending)
    try (engine as? any LocalStore)?.compact(nil)
    try compare(0..<generations.count, .ascending)
    footprint.sample()
    try engine.close()
    print(
      "ok: \(steps) steps, written \(writtenBytes >> 20) MiB, after a compaction "
        + "\(liveCount) records of \(liveBytes >> 20) MiB in \(footprint.diskBytes >> 20) MiB; "
        + "the most at once: \(footprint.peakText)")
  }
}
