import Dispatch
import Engine
import EngineLSM
import EngineRocksDB
import Records
import Synchronization
import TestSupport
import Testing

/// Readers through the cache beside writers, on stores that are larger than their caches: nothing that was
/// acknowledged, or read once, is ever followed by an older answer.
@Suite("Record cache: threads") struct RecordCacheThreadsTests {
  private static let keysPerWriter = 48
  private static let writerCount = 2
  private static let readerCount = 2
  private static let writesPerWriter = 1500

  @Test(arguments: [EngineDescriptor.lsm, .rocksDB].indices)
  func neverGoesBack(_ engineIndex: Int) throws {
    let descriptor = [EngineDescriptor.lsm, .rocksDB][engineIndex]
    let seed = SeededGenerator.drawnSeed()
    print("Record cache threads on \(descriptor.name): SEANDB_TEST_SEED=\(seed)")
    let folder = try TemporaryFolder()
    var options = EngineOptions()
    options.memtableSizeBytes = 64 << 10
    options.cacheSizeBytes = 64 << 10
    let engine = try descriptor.open(folder.path + "/store", options: options)
    try Self.fill(engine, seed)
    let run = Run(engine)
    run.commits.start(Observer(run: run))
    let parties = DispatchGroup()
    for party in 0..<Self.writerCount + Self.readerCount {
      // A queue of its own has a thread of its own, however few cores there are.
      DispatchQueue(label: "party \(party)").async(group: parties) {
        var random = SeededGenerator(seed: seed &+ UInt64(party))
        if party < Self.writerCount {
          run.write(party, &random)
          run.writersLeft.subtract(1, ordering: .releasing)
        } else {
          while run.writersLeft.load(ordering: .acquiring) > 0 { run.read(&random) }
        }
      }
    }
    parties.wait()
    run.commits.stop()
    #expect(run.wrong.withLock { $0 } == [], "seed \(seed)")
    #expect(run.hits.load(ordering: .relaxed) > 0)
    try engine.close()
  }

  /// Records beside and among those that change, so that these are in tables.
  private static func fill(_ engine: any StorageEngine, _ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for number in 0..<200 {
      let batch = WriteBatch()
      for part in 0..<10 {
        batch.put([UInt8](key(0, 0).dropLast()) + [UInt8(part), 255], random.bytes(600))
        batch.put([2, UInt8(number), UInt8(part)], random.bytes(600))
      }
      try engine.apply(batch, durability: .buffered)
    }
  }

  private static func key(_ writer: Int, _ number: Int) -> [UInt8] {
    [1, UInt8(writer), UInt8(number)]
  }

  private struct Observer: CommitObserver {
    let run: Run

    mutating func didCommit(_ calls: [CommitTicket]) {
      for call in calls { run.committed[Int(call.words.0)].signal() }
    }

    mutating func didFail(_ calls: [CommitTicket], _ error: EngineError, since: String?) {
      fatalError("\(error)")
    }

    mutating func didRefuse(_ call: CommitTicket, _ refusal: WriteRefusal, write: Int?) {
      fatalError("\(refusal)")
    }
  }

  /// Of one key, whose writes are counted from 1 on.
  private final class Known: Sendable {
    /// The newest write that was acknowledged or read.
    let floor = Atomic<Int>(0)
    /// The newest delete that was begun.
    let deleted = Atomic<Int>(0)
    /// The newest write that was begun.
    let begun = Atomic<Int>(0)
  }

  private final class Run: Sendable {
    let engine: any StorageEngine
    let cache = RecordCache(capacityBytes: 128 << 10)
    let commits: CommitQueue
    let committed = (0..<writerCount).map { _ in DispatchSemaphore(value: 0) }
    let keys = (0..<writerCount * keysPerWriter).map { _ in Known() }
    let wrong = Mutex<[String]>([])
    let hits = Atomic<Int>(0)
    let writersLeft = Atomic<Int>(writerCount)

    init(_ engine: any StorageEngine) {
      self.engine = engine
      commits = CommitQueue(engine: engine, cache: cache, durability: .buffered)
      cache.start()
    }

    func write(_ writer: Int, _ random: inout SeededGenerator) {
      for _ in 0..<writesPerWriter {
        let number = random.below(keysPerWriter)
        switch random.below(100) {
        case 0:
          let lower = key(writer, number / 2)
          let upper = key(writer, number)
          apply(writer, Array(number / 2..<number), isDelete: true) { batch, _ in
            batch.deleteRange(lower, upper)
          }
        case 1..<10:
          apply(writer, [number], isDelete: true) { batch, _ in batch.delete(key(writer, number)) }
        default:
          apply(writer, [number], isDelete: false) { batch, count in
            batch.put(key(writer, number), Self.value(count))
          }
        }
      }
    }

    private func apply(
      _ writer: Int, _ numbers: [Int], isDelete: Bool, _ append: (WriteBatch, Int) -> Void
    ) {
      var counts: [(Known, Int)] = []
      for number in numbers {
        let known = keys[writer * keysPerWriter + number]
        let count = known.begun.add(1, ordering: .sequentiallyConsistent).newValue
        if isDelete { known.deleted.store(count, ordering: .sequentiallyConsistent) }
        counts.append((known, count))
      }
      let ticket = CommitTicket(words: (UInt64(writer), 0, 0))
      let first = counts.first?.1 ?? 0
      let isTaken = commits.enqueue(ticket, byteCount: 100) { append($0, first) }
      precondition(isTaken)
      committed[writer].wait()
      for (known, count) in counts { known.floor.max(count, ordering: .sequentiallyConsistent) }
    }

    private static func value(_ count: Int) -> [UInt8] {
      withUnsafeBytes(of: count.littleEndian) { Array($0) } + [UInt8](repeating: 7, count: 200)
    }

    func read(_ random: inout SeededGenerator) {
      let writer = random.below(writerCount)
      // Some more often than others.
      let number = random.below(random.below(keysPerWriter) + 1)
      let known = keys[writer * keysPerWriter + number]
      let floor = known.floor.load(ordering: .sequentiallyConsistent)
      var count: Int?
      key(writer, number).withUnsafeBytes { key in
        guard
          let ticket = cache.lookUp(key, { count = $0.loadUnaligned(as: Int.self) })
        else {
          hits.add(1, ordering: .relaxed)
          return
        }
        do {
          _ = try engine.get(key, snapshot: nil, tier: .any) {
            count = $0.loadUnaligned(as: Int.self)
            cache.offer(key, $0, ticket)
          }
        } catch {
          fatalError("\(error)")
        }
      }
      if let count {
        if count < floor { tell("key \(writer)/\(number) went from \(floor) back to \(count)") }
        known.floor.max(count, ordering: .sequentiallyConsistent)
      } else if known.deleted.load(ordering: .sequentiallyConsistent) < floor {
        tell("key \(writer)/\(number) is absent after \(floor)")
      }
    }

    private func tell(_ text: String) { wrong.withLock { if $0.count < 10 { $0.append(text) } } }
  }
}
