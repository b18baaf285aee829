import LSM
import TestSupport
import Testing

@Suite("Memtable") struct MemtableTests {
  private enum State: Equatable {
    case value([UInt8], UInt64)
    case deleted(UInt64)
    case absent

    init(_ lookup: Memtable.Lookup) {
      self =
        switch lookup {
        case .value(let bytes, let sequence): .value(Array(bytes), sequence.rawValue)
        case .deleted(let sequence): .deleted(sequence.rawValue)
        case .absent: .absent
        }
    }
  }

  private struct Deletion {
    let lower: [UInt8]
    let upper: [UInt8]
    let sequence: UInt64

    func covers(_ key: [UInt8]) -> Bool {
      !key.lexicographicallyPrecedes(lower) && key.lexicographicallyPrecedes(upper)
    }
  }

  private static func get(_ memtable: Memtable, _ key: [UInt8], _ sequence: UInt64) -> State {
    key.withUnsafeBytes { State(memtable.get($0, at: SequenceNumber(rawValue: sequence))) }
  }

  private static func put(
    _ memtable: Memtable, _ key: [UInt8], _ value: [UInt8], _ sequence: UInt64,
    _ kind: EntryKind = .value
  ) {
    withBytes(key, value) {
      memtable.insert($0, value: $1, sequence: SequenceNumber(rawValue: sequence), kind: kind)
    }
  }

  private static func deleteRange(
    _ memtable: Memtable, _ lower: [UInt8], _ upper: [UInt8], _ sequence: UInt64
  ) {
    withBytes(lower, upper) {
      memtable.deleteRange(lower: $0, upper: $1, sequence: SequenceNumber(rawValue: sequence))
    }
  }

  @Test func answersAsOfASequenceNumber() {
    let memtable = Memtable(capacityBytes: 1 << 16)
    Self.put(memtable, [1], [10], 5)
    Self.put(memtable, [1], [], 7, .tombstone)
    Self.put(memtable, [1], [11], 9)
    #expect(Self.get(memtable, [1], 4) == .absent)
    #expect(Self.get(memtable, [1], 5) == .value([10], 5))
    #expect(Self.get(memtable, [1], 6) == .value([10], 5))
    #expect(Self.get(memtable, [1], 8) == .deleted(7))
    #expect(Self.get(memtable, [1], 9) == .value([11], 9))
    #expect(Self.get(memtable, [], 9) == .absent)
    #expect(Self.get(memtable, [1, 0], 9) == .absent)
  }

  @Test func aRangeDeletionHidesOnlyWhatIsOlder() {
    let memtable = Memtable(capacityBytes: 1 << 16)
    Self.put(memtable, [2], [1], 1)
    Self.deleteRange(memtable, [1], [3], 2)
    Self.put(memtable, [2], [3], 3)
    #expect(Self.get(memtable, [2], 1) == .value([1], 1))
    #expect(Self.get(memtable, [2], 2) == .deleted(2))
    #expect(Self.get(memtable, [2], 3) == .value([3], 3))
    #expect(Self.get(memtable, [1], 3) == .deleted(2))
    #expect(Self.get(memtable, [3], 3) == .absent)
    #expect(memtable.rangeTombstoneCount == 1)
  }

  @Test func emptyAndReversedRangesDeleteNothing() {
    let memtable = Memtable(capacityBytes: 1 << 16)
    Self.deleteRange(memtable, [2], [2], 1)
    Self.deleteRange(memtable, [3], [1], 2)
    #expect(memtable.rangeTombstoneCount == 0)
    #expect(Self.get(memtable, [2], 9) == .absent)
    #expect(memtable.isEmpty)
  }

  @Test(arguments: SeededGenerator.seeds)
  func agreesWithAModel(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let memtable = Memtable(capacityBytes: 16 << 20)
    var entries: [Entry] = []
    var deletions: [Deletion] = []
    for sequence in 1...1500 as ClosedRange<UInt64> {
      if Int.random(in: 0..<6, using: &random) == 0 {
        let (lower, upper) = (random.key(), random.key())
        Self.deleteRange(memtable, lower, upper, sequence)
        deletions.append(Deletion(lower: lower, upper: upper, sequence: sequence))
      } else {
        let kind: EntryKind = Int.random(in: 0..<5, using: &random) == 0 ? .tombstone : .value
        let entry = Entry(
          random.key(), sequence, kind, value: kind == .value ? random.bytes(5) : [])
        Self.put(memtable, entry.key, entry.value, sequence, kind)
        entries.append(entry)
      }
      for _ in 0..<3 {
        let key = random.key()
        let at = UInt64.random(in: 0...sequence, using: &random)
        let entry = entries.last { $0.key == key && $0.sequence <= at }
        let deletion = deletions.last { $0.sequence <= at && $0.covers(key) }
        let expected: State =
          switch (entry, deletion) {
          case (nil, nil): .absent
          case (let entry?, let deletion) where entry.sequence > deletion?.sequence ?? 0:
            entry.kind == .value ? .value(entry.value, entry.sequence) : .deleted(entry.sequence)
          case (_, let deletion): .deleted(deletion?.sequence ?? 0)
          }
        #expect(Self.get(memtable, key, at) == expected)
      }
    }
    #expect(
      memtable.rangeTombstoneCount
        == deletions.filter { $0.lower.lexicographicallyPrecedes($0.upper) }.count)
  }

  /// Ranges that all end at one place: a fragment list would hold n² / 2 sequence numbers of them.
  @Test func manyOverlappingRangesStayCheap() {
    let memtable = Memtable(capacityBytes: 64 << 20)
    for number in 0..<4000 {
      Self.deleteRange(
        memtable, [UInt8(number >> 8), UInt8(number & 0xFF)], [0xFF], UInt64(number + 1))
    }
    #expect(Self.get(memtable, [0x00, 0x10], 9000) == .deleted(17))
    #expect(Self.get(memtable, [0x0F, 0x9F], 9000) == .deleted(4000))
    #expect(Self.get(memtable, [0x0F, 0x9F], 100) == .deleted(100))
  }

  @Test func saysWhetherABatchFits() {
    let memtable = Memtable(capacityBytes: 4096)
    #expect(memtable.hasRoom(recordCount: 10, bytes: 1000))
    #expect(!memtable.hasRoom(recordCount: 1, bytes: 4096))
    #expect(!memtable.hasRoom(recordCount: .max, bytes: 1))
    #expect(!memtable.hasRoom(recordCount: 1, bytes: .max))
    var sequence: UInt64 = 0
    while memtable.hasRoom(recordCount: 2, bytes: 15) {
      sequence += 2
      Self.put(memtable, [1, 2, 3], [4, 5], sequence - 1)
      Self.deleteRange(memtable, [1, 2, 3, 4, 5], [2, 3, 4, 5, 6], sequence)
    }
    #expect(sequence > 10)
    #expect(memtable.usedBytes <= 4096)
  }

  /// Readers ask for range tombstones while they are added; run under ThreadSanitizer as well.
  @Test func readersSeeRangeTombstonesWhileOneThreadAdds() async {
    let memtable = Memtable(capacityBytes: 16 << 20)
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        for sequence in 1...2000 as ClosedRange<UInt64> {
          Self.deleteRange(
            memtable, [UInt8(sequence % 200)], [UInt8(sequence % 200) + 20], sequence)
        }
        return true
      }
      for _ in 0..<3 {
        group.addTask {
          var newest: UInt64 = 0
          while newest < 1900 {
            guard
              case .deleted(let sequence) = [100].withUnsafeBytes({
                (bytes: UnsafeRawBufferPointer) in
                memtable.get(
                  UnsafeRawBufferPointer(rebasing: bytes[..<1]), at: .maximum)
              })
            else { continue }
            if sequence.rawValue < newest { return false }
            newest = sequence.rawValue
          }
          return true
        }
      }
      for await held in group { #expect(held) }
    }
  }
}
