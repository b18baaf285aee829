import LSM
import Synchronization
import TestSupport
import Testing

@Suite("Hash index") struct HashIndexTests {
  private static let capacityBytes = 1 << 20
  /// Keys of which many are in one chain: more than are ever followed.
  private static let keys = keysOfOneChain(40) + (0..<20).map { [UInt8]("other\($0)".utf8) }

  /// - Returns: keys whose hashes have the upper bits alike that name a bucket; of four the lowest three bits are alike
  ///   as well.
  private static func keysOfOneChain(_ count: Int) -> [[UInt8]] {
    var found: [[UInt8]] = []
    var number = 0
    while found.count < count {
      let key = [UInt8]("key\(number)".utf8)
      number += 1
      let hash = key.withUnsafeBytes { BloomFilter.hash($0) }
      let isAlike = found.count >= 4 || hash & 7 == 5
      if hash >> (64 - 13) == 0, isAlike { found.append(key) }
    }
    return found
  }

  private static func expected(_ entries: [Entry], _ key: [UInt8], at sequence: UInt64) -> [UInt8]?
  {
    entries.filter { $0.key == key && $0.sequence <= sequence }.max { $0.sequence < $1.sequence }
      .flatMap { $0.kind == .value ? $0.value : nil }
  }

  private static func value(_ memtable: Memtable, _ key: [UInt8], at sequence: UInt64) -> [UInt8]? {
    key.withUnsafeBytes {
      guard case .value(let value, _) = memtable.get($0, at: SequenceNumber(rawValue: sequence))
      else { return nil }
      return Array(value)
    }
  }

  /// At every moment, with sequence numbers that rise, and that come in any order.
  @Test(arguments: SeededGenerator.seeds, [true, false])
  func findsTheNewestOfEachMoment(seed: UInt64, isInOrder: Bool) {
    var random = SeededGenerator(seed: seed)
    var entries = (1...400).map { sequence in
      let isValue = random.below(5) > 0
      return Entry(
        Self.keys[random.below(Self.keys.count)], UInt64(sequence), isValue ? .value : .tombstone,
        value: isValue ? random.bytes(random.below(9)) : [])
    }
    if !isInOrder { entries.shuffle(using: &random) }
    let memtable = Memtable(capacityBytes: Self.capacityBytes)
    var done = 0
    while done < entries.count {
      let size = min(random.below(30) + 1, entries.count - done)
      memtable.insert(entries[done..<done + size])
      done += size
      for key in Self.keys {
        let sequence = random.below(2) == 0 ? 400 : UInt64(random.below(401))
        #expect(
          Self.value(memtable, key, at: sequence)
            == Self.expected(Array(entries[..<done]), key, at: sequence))
      }
    }
    memtable.expect(entries.sorted())
  }

  private final class Progress: Sendable {
    let published = Atomic<UInt64>(0)
    let failures = Atomic<Int>(0)
  }

  /// Run under ThreadSanitizer as well. The key of a sequence number is known, so a reader knows what it must find.
  @Test func readersFindWhatWasPublishedWhileEntriesAreReplaced() async {
    let count: UInt64 = 6000
    let keys = Self.keys
    let memtable = Memtable(capacityBytes: Self.capacityBytes)
    let progress = Progress()
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        var sequence: UInt64 = 0
        while sequence < count {
          let batch = (1...10).map { (step: UInt64) in
            let number = sequence + step
            return Entry(
              keys[Int(number) % keys.count], number, value: [UInt8]("\(number)".utf8))
          }
          memtable.insert(batch[...])
          sequence += 10
          progress.published.store(sequence, ordering: .releasing)
        }
      }
      for reader in 0..<3 {
        group.addTask {
          var random = SeededGenerator(seed: UInt64(reader))
          while true {
            let published = progress.published.load(ordering: .acquiring)
            let index = random.below(keys.count)
            let distance = (Int(published) - index) % keys.count
            let newest = Int(published) - (distance < 0 ? distance + keys.count : distance)
            let value = newest > 0 ? [UInt8]("\(newest)".utf8) : nil
            if Self.value(memtable, keys[index], at: published) != value {
              progress.failures.add(1, ordering: .relaxed)
            }
            if published == count { break }
          }
        }
      }
    }
    #expect(progress.failures.load(ordering: .relaxed) == 0)
  }
}
