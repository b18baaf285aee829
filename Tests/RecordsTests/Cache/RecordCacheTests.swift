import Engine
import Records
import TestSupport
import Testing

/// The cache beside a model that has no bounds: what it has is right, and what it takes is bounded.
@Suite("Record cache") struct RecordCacheTests {
  private static func lookUp(
    _ cache: RecordCache, _ key: [UInt8]
  ) -> (value: [UInt8]?, ticket: RecordCache.Ticket?) {
    var value: [UInt8]?
    let ticket = key.withUnsafeBytes { cache.lookUp($0) { value = Array($0) } }
    return (value, ticket)
  }

  private static func offer(
    _ cache: RecordCache, _ key: [UInt8], _ value: [UInt8], _ ticket: RecordCache.Ticket
  ) {
    key.withUnsafeBytes { key in value.withUnsafeBytes { cache.offer(key, $0, ticket) } }
  }

  /// Looks up, and offers twice what is not there.
  @discardableResult
  private static func read(_ cache: RecordCache, _ key: [UInt8], _ value: [UInt8]) -> [UInt8]? {
    let (found, ticket) = lookUp(cache, key)
    if let ticket {
      offer(cache, key, value, ticket)
      offer(cache, key, value, ticket)
    }
    return found
  }

  private static func apply(_ cache: RecordCache, _ fill: (WriteBatch) -> Void) {
    let batch = WriteBatch()
    fill(batch)
    let mark = cache.willApply(batch)
    cache.didApply(batch, mark)
  }

  private static func number(_ index: Int) -> [UInt8] { Array("record \(index)".utf8) }

  private func cache(_ capacityBytes: Int = 1 << 20) -> RecordCache {
    let cache = RecordCache(capacityBytes: capacityBytes)
    cache.start()
    return cache
  }

  @Test func keepsWhatIsOfferedTwice() throws {
    let cache = cache()
    let key = Self.number(1)
    let ticket = try #require(Self.lookUp(cache, key).ticket)
    Self.offer(cache, key, [1, 2, 3], ticket)
    #expect(Self.lookUp(cache, key).value == nil)
    Self.offer(cache, key, [1, 2, 3], ticket)
    #expect(Self.lookUp(cache, key).value == [1, 2, 3])
    #expect(cache.recordCount == 1)
  }

  /// Request ids and changes go by ranges, every few minutes.
  @Test(
    arguments: [
      ([4, 0, 0, 0, 0], [4, 0, 0, 0, 0, 7], true), ([2], [5], true), ([3, 1], [3, 2], true),
      ([1, 5], [2], false), ([0], [5], false), ([4], [6], false), ([1], [1, 9], false),
    ] as [([UInt8], [UInt8], Bool)])
  func keepsRecordsWhenOtherRangesGo(lower: [UInt8], upper: [UInt8], isKept: Bool) {
    let cache = cache()
    let key: [UInt8] = [1, 7]
    Self.read(cache, key, [9])
    #expect(Self.lookUp(cache, key).value == [9])
    Self.apply(cache) { batch in
      batch.deleteRange(lower, upper)
      batch.put([1, 8], [1])
    }
    #expect(Self.lookUp(cache, key).value == (isKept ? [9] : nil))
  }

  @Test func takesKeysAndValuesWithoutBytes() {
    let cache = cache()
    Self.read(cache, [], [])
    #expect(Self.lookUp(cache, []).value == [])
    Self.read(cache, [0], [])
    #expect(Self.lookUp(cache, [0]).value == [])
  }

  @Test func keepsNothingLargerThanItsLimit() {
    let cache = cache(16 << 20)
    let fitting = [UInt8](repeating: 1, count: RecordCache.maximumRecordBytes - 2)
    Self.read(cache, [1, 1], fitting)
    #expect(Self.lookUp(cache, [1, 1]).value == fitting)
    Self.read(cache, [1, 2], fitting + [0])
    #expect(Self.lookUp(cache, [1, 2]).value == nil)
  }

  // The last is more than a process has addresses for.
  @Test(arguments: [0, 1, 1000, 20_000, 1 << 60]) func isOffWithoutMemory(_ capacityBytes: Int) {
    let cache = cache(capacityBytes)
    #expect(!cache.isOn && !cache.isInUse)
    Self.apply(cache) { $0.put([1], [2]) }
  }

  @Test(arguments: [64 << 10, 1 << 20, 3_000_001, 1 << 30])
  func takesNoMoreThanItsCapacity(_ capacityBytes: Int) {
    let cache = RecordCache(capacityBytes: capacityBytes)
    #expect(cache.isOn)
    #expect(cache.reservedBytes <= capacityBytes)
    #expect(cache.reservedBytes > capacityBytes * 9 / 10)
  }

  @Test func keepsWhatIsPopular() {
    let cache = cache(256 << 10)
    for index in 0..<100 { Self.read(cache, Self.number(index), [UInt8](repeating: 1, count: 100)) }
    var popularFound = 0
    for index in 0..<20_000 {
      Self.read(cache, Self.number(1000 + index), [UInt8](repeating: 2, count: 100))
      if Self.read(cache, Self.number(index % 100), [UInt8](repeating: 1, count: 100)) != nil {
        popularFound += 1
      }
    }
    #expect(popularFound > 19_000, "\(popularFound)")
  }

  @Test func forgetsWhatIsChanged() {
    let cache = cache()
    for index in 0..<3 { Self.read(cache, Self.number(index), [UInt8(index)]) }
    Self.apply(cache) {
      $0.put(Self.number(0), [9])
      $0.delete(Self.number(1))
    }
    #expect((0..<3).map { Self.lookUp(cache, Self.number($0)).value } == [nil, nil, [2]])
    Self.apply(cache) { $0.deleteRange([0], [255]) }
    #expect(Self.lookUp(cache, Self.number(2)).value == nil)
  }

  @Test(arguments: SeededGenerator.seeds) func hasOnlyWhatIsTrue(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let cache = cache([64 << 10, 256 << 10, 1 << 20][random.below(3)])
    var model: [[UInt8]: [UInt8]] = [:]
    var found = 0
    for _ in 0..<60_000 {
      let key = Self.number(random.below(random.below(3000) + 1))
      switch random.below(40) {
      case 0:
        let value = random.bytes(random.below(random.below(20) == 0 ? 4000 : 200))
        Self.apply(cache) { $0.put(key, value) }
        model[key] = value
      case 1:
        Self.apply(cache) { $0.delete(key) }
        model[key] = nil
      case 2 where random.below(200) == 0:
        Self.apply(cache) { $0.deleteRange([0], [255]) }
        model = [:]
      default:
        if model[key] == nil {
          let value = random.bytes(random.below(200))
          Self.apply(cache) { $0.put(key, value) }
          model[key] = value
        }
        let value = try #require(model[key])
        if let cached = Self.read(cache, key, value) {
          found += 1
          #expect(cached == value, "seed \(seed)")
        }
      }
    }
    #expect(found > 1000, "seed \(seed): \(found)")
  }
}
