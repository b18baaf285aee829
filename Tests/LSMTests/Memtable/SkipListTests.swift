import LSM
import Synchronization
import TestSupport
import Testing

@Suite("Skip list") struct SkipListTests {
  private static func fill(_ entries: [Entry]) -> Memtable {
    let memtable = Memtable(capacityBytes: 16 << 20)
    for entry in entries { insert(entry, into: memtable) }
    return memtable
  }

  /// Inserts them in batches of random sizes.
  private static func fill(
    _ entries: [Entry], batches random: inout SeededGenerator
  ) -> Memtable {
    let memtable = Memtable(capacityBytes: 16 << 20)
    var left = entries[...]
    while !left.isEmpty {
      let batch = left.prefix(Int.random(in: 1...40, using: &random))
      left = left.dropFirst(batch.count)
      memtable.insert(batch)
    }
    return memtable
  }

  private static func insert(_ entry: Entry, into memtable: Memtable) {
    entry.withKey { key in
      entry.value.withUnsafeBytes {
        memtable.insert(key.userKey, value: $0, sequence: key.sequence, kind: entry.kind)
      }
    }
  }

  @Test func linksAreAtomicIntegersInPlace() {
    #expect(MemoryLayout<Atomic<UInt32>>.size == 4)
    #expect(MemoryLayout<Atomic<UInt32>>.alignment == 4)
    #expect(MemoryLayout<Atomic<UInt32>>.stride == 4)
  }

  @Test func anEmptyListHasNoPlaces() {
    let memtable = Memtable(capacityBytes: 1 << 16)
    var cursor = memtable.entries.makeCursor()
    #expect(!cursor.isValid)
    cursor.seekToFirst()
    #expect(!cursor.isValid)
    cursor.seekToLast()
    #expect(!cursor.isValid)
    Entry([1], 1).withKey {
      cursor.seek($0)
      #expect(!cursor.isValid)
      cursor.seekBefore($0)
      #expect(!cursor.isValid)
    }
  }

  @Test(arguments: SeededGenerator.seeds)
  func iteratesInOrderBothWays(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let entries = random.entries(2000)
    let memtable = Self.fill(entries)
    let sorted = entries.sorted()
    memtable.expect(sorted)
  }

  /// Keys of all orders, most of them several times: entries of one batch are often neighbours.
  @Test(arguments: SeededGenerator.seeds)
  func keepsOrderWhenBatchesAreInserted(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for round in 0..<20 {
      var entries = random.entries(1 + 100 * round)
      if round % 4 == 1 { entries = Self.renumbered(entries.sorted()) }
      if round % 4 == 2 { entries = Self.renumbered(entries.sorted().reversed()) }
      let memtable = Self.fill(entries, batches: &random)
      let sorted = entries.sorted()
      memtable.expect(sorted)
      var cursor = memtable.entries.makeCursor()
      // Links of all levels: a search that goes by a wrong one misses its place.
      for (place, entry) in sorted.enumerated() {
        entry.withKey { cursor.seek($0) }
        #expect(cursor.entry == entry)
        entry.withKey { cursor.seekBefore($0) }
        #expect(cursor.entry == (place == 0 ? nil : sorted[place - 1]))
      }
    }
  }

  /// The same keys, with sequence numbers in the order of the array.
  private static func renumbered(_ entries: [Entry]) -> [Entry] {
    entries.enumerated().map { Entry($1.key, UInt64($0 + 1), $1.kind, value: $1.value) }
  }

  @Test(arguments: SeededGenerator.seeds)
  func seeksLikeASortedArray(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let entries = random.entries(500)
    let memtable = Self.fill(entries)
    let sorted = entries.sorted()
    var cursor = memtable.entries.makeCursor()
    for _ in 0..<1000 {
      let target = Entry(random.key(), UInt64.random(in: 0...600, using: &random))
      let index = sorted.firstIndex { !($0 < target) }
      target.withKey { cursor.seek($0) }
      #expect(cursor.entry == index.map { sorted[$0] })
      target.withKey { cursor.seekBefore($0) }
      let before = (index ?? sorted.count) - 1
      #expect(cursor.entry == (before < 0 ? nil : sorted[before]))
    }
  }

  /// Groups of every size, with keys that are there, are not, or come twice.
  @Test(arguments: SeededGenerator.seeds)
  func findsSeveralKeysAtOnceAsOneByOne(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for entryCount in [0, 1, 3, 500] {
      let entries = entryCount == 0 ? [] : random.entries(entryCount)
      let memtable = Self.fill(entries)
      for round in 0..<300 {
        let keys = (0..<(round % (SkipList.groupCount + 1))).map { _ in random.key() }
        let sequence = SequenceNumber(rawValue: UInt64.random(in: 0...600, using: &random))
        let expected = keys.map { key in
          key.withUnsafeBytes { memtable.get($0, at: sequence).copied }
        }
        let bytes = keys.flatMap { $0 }
        let found = bytes.withUnsafeBytes { bytes in
          var start = 0
          let buffers = keys.map { key in
            defer { start += key.count }
            return UnsafeRawBufferPointer(rebasing: bytes[start..<start + key.count])
          }
          return buffers.withUnsafeBufferPointer { buffers in
            let places = memtable.entries.places(of: buffers[...], at: sequence).entries
            return buffers.indices.map {
              memtable.get(buffers[$0], place: places[$0], at: sequence).copied
            }
          }
        }
        #expect(found == expected)
      }
    }
  }

  /// The finger must not be trusted where keys rise, fall or jump.
  @Test(arguments: ["ascending", "descending", "runs", "zigzag"])
  func keepsOrderForEveryInsertOrder(order: String) {
    var numbers = Array(0..<3000)
    switch order {
    case "descending": numbers.reverse()
    case "runs": numbers = (0..<30).flatMap { run in (0..<100).map { $0 * 30 + run } }
    case "zigzag": numbers = (0..<1500).flatMap { [$0, 2999 - $0] }
    default: break
    }
    let entries = numbers.enumerated().map { place, number in
      Entry([UInt8(number >> 8), UInt8(number & 0xFF)], UInt64(place + 1))
    }
    let memtable = Self.fill(entries)
    var cursor = memtable.entries.makeCursor()
    cursor.seekToFirst()
    for expected in entries.sorted() {
      #expect(cursor.entry == expected)
      cursor.next()
    }
    #expect(!cursor.isValid)
  }

  private final class Progress: Sendable {
    let published = Atomic<UInt64>(0)
    let failures = Atomic<Int>(0)
  }

  private static func key(_ sequence: UInt64) -> [UInt8] {
    withUnsafeBytes(of: (sequence &* 0x9E37_79B9_7F4A_7C15).bigEndian) { Array($0) }
  }

  /// One writer, several readers; run under ThreadSanitizer as well. Each reader checks that what
  /// was published is there, that order holds both ways, and that no node is seen half-made.
  @Test func readersSeeWholeEntriesWhileOneThreadWrites() async {
    let count = 20_000
    let memtable = Memtable(capacityBytes: 16 << 20)
    let progress = Progress()
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for sequence in 1...UInt64(count) {
          Self.insert(
            Entry(Self.key(sequence), sequence, value: Self.key(sequence) + Self.key(sequence)),
            into: memtable)
          progress.published.store(sequence, ordering: .releasing)
        }
      }
      for reader in 0..<3 {
        group.addTask {
          var random = SeededGenerator(seed: UInt64(reader))
          var cursor = memtable.entries.makeCursor()
          while true {
            let newest = progress.published.load(ordering: .acquiring)
            if newest > 0 {
              let sequence = UInt64.random(in: 1...newest, using: &random)
              let bytes = Self.key(sequence)
              bytes.withUnsafeBytes {
                guard
                  case .value(let value, let found) = memtable.get(
                    $0, at: SequenceNumber(rawValue: newest)),
                  found.rawValue == sequence, value.elementsEqual(bytes + bytes)
                else {
                  progress.failures.add(1, ordering: .relaxed)
                  return
                }
              }
              Entry(bytes, sequence).withKey { cursor.seek($0) }
              for _ in 0..<20 where cursor.isValid {
                let before = Entry(cursor.key, value: cursor.value)
                if before.value != before.key + before.key {
                  progress.failures.add(1, ordering: .relaxed)
                }
                if reader == 0 { cursor.previous() } else { cursor.next() }
                guard cursor.isValid else { break }
                let after = Entry(cursor.key, value: cursor.value)
                if (after < before) != (reader == 0) {
                  progress.failures.add(1, ordering: .relaxed)
                }
              }
            }
            if newest == UInt64(count) { break }
          }
        }
      }
    }
    #expect(progress.failures.load(ordering: .relaxed) == 0)
    #expect(memtable.entries.count == count)
  }
}

extension Memtable.Lookup {
  fileprivate var copied: [UInt8]? {
    switch self {
    case .value(let value, let sequence):
      [1, UInt8(truncatingIfNeeded: sequence.rawValue)] + Array(value)
    case .deleted(let sequence): [2, UInt8(truncatingIfNeeded: sequence.rawValue)]
    case .absent: nil
    }
  }
}
