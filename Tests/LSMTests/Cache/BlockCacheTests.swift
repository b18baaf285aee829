import Glibc
import LSM
import TestSupport
import Testing

@Suite("Block cache") struct BlockCacheTests {
  /// A block of one entry with this number as its key, in memory that a cache can take over.
  private static func block(_ number: UInt64, bytes: Int = 1000) throws -> Block {
    var builder = BlockBuilder(restartInterval: 1)
    Entry(key(number), 1).withKey { key in
      [UInt8](repeating: 0, count: bytes).withUnsafeBytes { builder.add(key, value: $0) }
    }
    let finished = builder.finish()
    let memory = try #require(malloc(finished.count))
    memory.copyMemory(from: try #require(finished.baseAddress), byteCount: finished.count)
    return try Block(
      validating: UnsafeRawBufferPointer(start: memory, count: finished.count), content: .entries)
  }

  private static func key(_ number: UInt64) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
  }

  private static func holds(_ block: Block, _ number: UInt64) -> Bool {
    Entry(key(number), 1).withKey { block.find($0) != nil }
  }

  private static func insert(
    _ cache: BlockCache, _ owner: UInt64, _ number: UInt64, bytes: Int = 1000
  ) throws {
    let pin = cache.insert(
      BlockCacheKey(owner: owner, offset: number), try block(number, bytes: bytes))
    #expect(holds(pin.block, number))
  }

  private static func contains(_ cache: BlockCache, _ owner: UInt64, _ number: UInt64) -> Bool {
    guard let pin = cache.find(BlockCacheKey(owner: owner, offset: number)) else { return false }
    #expect(holds(pin.block, number))
    return true
  }

  @Test func findsWhatWasInserted() throws {
    let cache = BlockCache(capacityBytes: 4 << 20)
    let (first, second) = (cache.makeOwner(), cache.makeOwner())
    #expect(first != second)
    try Self.insert(cache, first, 7)
    #expect(Self.contains(cache, first, 7))
    #expect(!Self.contains(cache, second, 7))
    #expect(!Self.contains(cache, first, 8))
    #expect(cache.usedBytes > 1000)
  }

  @Test func keepsNothingWithoutCapacity() throws {
    let cache = BlockCache(capacityBytes: 0)
    let owner = cache.makeOwner()
    try Self.insert(cache, owner, 7)
    #expect(!Self.contains(cache, owner, 7))
    #expect(cache.usedBytes == 0)
  }

  @Test func staysWithinItsBytes() throws {
    let cache = BlockCache(capacityBytes: 1 << 20)
    let owner = cache.makeOwner()
    for number in 0..<5000 as Range<UInt64> {
      try Self.insert(cache, owner, number, bytes: 8192 + Int(number % 3000))
      #expect(cache.usedBytes <= 1 << 20)
    }
    #expect(cache.usedBytes > 700 << 10)
  }

  /// Blocks so small that sets run full long before the bytes do: the newest must be the ones kept.
  @Test func aFullSetLetsItsOldestGo() throws {
    let cache = BlockCache(capacityBytes: 1 << 20)
    let owner = cache.makeOwner()
    for number in 0..<5000 as Range<UInt64> { try Self.insert(cache, owner, number, bytes: 10) }
    let kept = (0..<5000 as Range<UInt64>).filter { Self.contains(cache, owner, $0) }
    #expect(kept.count > 200)
    #expect(kept.allSatisfy { $0 > 4000 })
  }

  @Test func keepsBlocksLargerThanAShardOutside() throws {
    let cache = BlockCache(capacityBytes: 64 << 10)
    let owner = cache.makeOwner()
    try Self.insert(cache, owner, 1, bytes: 60 << 10)
    #expect(!Self.contains(cache, owner, 1))
  }

  @Test func whatIsHitStaysLongest() throws {
    let cache = BlockCache(capacityBytes: 1 << 20)
    let owner = cache.makeOwner()
    try Self.insert(cache, owner, 0)
    var missed = 0
    for number in 1..<10_000 as Range<UInt64> {
      try Self.insert(cache, owner, number)
      if !Self.contains(cache, owner, 0) {
        missed += 1
        try Self.insert(cache, owner, 0)
      }
    }
    #expect(missed < 10)
  }

  @Test func aPinnedBlockIsNeverFreed() throws {
    let cache = BlockCache(capacityBytes: 256 << 10)
    let owner = cache.makeOwner()
    let pin = cache.insert(BlockCacheKey(owner: owner, offset: 1), try Self.block(1))
    for number in 2..<2000 as Range<UInt64> { try Self.insert(cache, owner, number) }
    for number in 1..<2000 as Range<UInt64> {
      cache.remove(BlockCacheKey(owner: owner, offset: number))
    }
    #expect(Self.holds(pin.block, 1))
    #expect(Self.contains(cache, owner, 1))
    // A pin must not outlive its cache.
    _ = consume pin
    withExtendedLifetime(cache) {}
  }

  @Test func theSecondInsertOfABlockGetsTheFirst() throws {
    let cache = BlockCache(capacityBytes: 1 << 20)
    let key = BlockCacheKey(owner: cache.makeOwner(), offset: 1)
    let first = cache.insert(key, try Self.block(1))
    let before = cache.usedBytes
    let second = cache.insert(key, try Self.block(1))
    #expect(cache.usedBytes == before)
    let same = Entry(Self.key(1), 1).withKey { key in
      first.block.find(key)?.value.baseAddress == second.block.find(key)?.value.baseAddress
    }
    #expect(same)
    _ = consume first
    _ = consume second
    withExtendedLifetime(cache) {}
  }

  @Test func removesTheBlocksOfOneTableAlone() throws {
    let cache = BlockCache(capacityBytes: 4 << 20)
    let (first, second) = (cache.makeOwner(), cache.makeOwner())
    for number in 0..<50 as Range<UInt64> {
      try Self.insert(cache, first, number)
      try Self.insert(cache, second, number)
    }
    let before = cache.usedBytes
    for number in 0..<60 as Range<UInt64> {
      cache.remove(BlockCacheKey(owner: first, offset: number))
    }
    #expect(cache.usedBytes == before / 2)
    for number in 0..<50 as Range<UInt64> {
      #expect(!Self.contains(cache, first, number))
      #expect(Self.contains(cache, second, number))
    }
  }

  /// Hits, misses, inserts and evictions at once; run under ThreadSanitizer as well.
  @Test func manyThreadsShareIt() async throws {
    let cache = BlockCache(capacityBytes: 256 << 10)
    let owner = cache.makeOwner()
    await withTaskGroup(of: Bool.self) { group in
      for thread in 0..<4 as Range<UInt64> {
        group.addTask {
          var random = SeededGenerator(seed: thread)
          for _ in 0..<8000 {
            let number = UInt64.random(in: 0..<600, using: &random)
            let key = BlockCacheKey(owner: owner, offset: number)
            if let pin = cache.find(key) {
              if !Self.holds(pin.block, number) { return false }
            } else {
              guard let block = try? Self.block(number) else { return false }
              let pin = cache.insert(key, block)
              if !Self.holds(pin.block, number) { return false }
            }
            if number % 7 == 0 {
              cache.remove(BlockCacheKey(owner: owner, offset: number ^ 1))
            }
          }
          return true
        }
      }
      for await held in group { #expect(held) }
    }
    #expect(cache.usedBytes <= 256 << 10)
  }
}
