import LSM
import TestSupport
import Testing

@Suite("Block") struct BlockTests {
  /// A block with its bytes.
  private struct Sample {
    let entries: [Entry]
    let bytes: [UInt8]

    init(_ entries: [Entry], restartInterval: Int) {
      self.entries = entries.sorted()
      var builder = BlockBuilder(restartInterval: restartInterval)
      for entry in self.entries {
        entry.withKey { key in entry.value.withUnsafeBytes { builder.add(key, value: $0) } }
      }
      let expected = builder.byteCount
      bytes = Array(builder.finish())
      #expect(bytes.count == expected)
    }

    func withBlock(_ body: (Block) throws -> Void) throws {
      try bytes.withUnsafeBytes { try body(try Block(validating: $0, content: .entries)) }
    }
  }

  private static func entries(_ iterator: inout BlockIterator, forward: Bool) -> [Entry] {
    var found: [Entry] = []
    if forward { iterator.seekToFirst() } else { iterator.seekToLast() }
    while iterator.isValid {
      found.append(Entry(iterator.key, value: iterator.value))
      if forward { iterator.next() } else { iterator.previous() }
    }
    return found
  }

  private static func entry(_ iterator: borrowing BlockIterator) -> Entry? {
    iterator.isValid ? Entry(iterator.key, value: iterator.value) : nil
  }

  @Test func hasTheDocumentedBytes() {
    let sample = Sample(
      [
        Entry([0x61, 0x62], 5, value: [0xAA]), Entry([0x61, 0x62], 3, .tombstone),
        Entry([0x61, 0x63], 4, value: []),
      ], restartInterval: 2)
    #expect(
      sample.bytes == [
        0, 2, 1, 0x61, 0x62, 1, 5, 0, 0, 0, 0, 0, 0, 0xAA,
        2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0,
        0, 2, 0, 0x61, 0x63, 1, 4, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0x62, 0, 0, 0, 0, 0, 0, 0, 0x63,
        0, 0, 0, 0, 25, 0, 0, 0,
        1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0,
      ])
  }

  @Test func anEmptyBlockHasNoEntries() throws {
    try Sample([], restartInterval: 1).withBlock { block in
      var iterator = BlockIterator(block)
      #expect(Self.entries(&iterator, forward: true).isEmpty)
      #expect(Self.entries(&iterator, forward: false).isEmpty)
      Entry([1], 1).withKey {
        iterator.seek($0)
        #expect(Self.entry(iterator) == nil)
        iterator.seekBefore($0)
        #expect(Self.entry(iterator) == nil)
        #expect(block.find($0) == nil)
      }
    }
  }

  @Test(arguments: SeededGenerator.seeds, [1, 2, 3, 16, 1000])
  func readsLikeASortedArray(seed: UInt64, restartInterval: Int) throws {
    var random = SeededGenerator(seed: seed)
    for round in 0..<8 {
      let count = round == 0 ? 1 : Int.random(in: 1...200, using: &random)
      var entries = random.entries(count, valueBytes: round == 3 ? 100..<400 : 0..<20)
      if round.isMultiple(of: 2) {
        // As in a model: all keys begin alike.
        entries = entries.map { entry in
          Entry([1, 0, 0, 0, 7] + entry.key, entry.sequence, entry.kind, value: entry.value)
        }
      }
      let sample = Sample(entries, restartInterval: restartInterval)
      try sample.withBlock { block in
        var iterator = BlockIterator(block)
        #expect(block.entryCount == count)
        #expect(Self.entries(&iterator, forward: true) == sample.entries)
        #expect(Self.entries(&iterator, forward: false) == sample.entries.reversed())
        for _ in 0..<100 {
          let key =
            Bool.random(using: &random)
            ? random.key() : sample.entries.randomElement(using: &random)?.key ?? []
          let target = Entry(key, UInt64.random(in: 0...220, using: &random))
          check(block, sample.entries, target, &iterator, &random)
        }
      }
    }
  }

  private func check(
    _ block: Block, _ sorted: [Entry], _ target: Entry, _ iterator: inout BlockIterator,
    _ random: inout SeededGenerator
  ) {
    let index = sorted.firstIndex { !($0 < target) }
    let expected = index.map { sorted[$0] }
    target.withKey { key in
      iterator.seek(key)
      #expect(Self.entry(iterator) == expected)
      let found = block.find(key)
      #expect(
        found.map { $0.trailer >> 8 } == (expected?.key == target.key ? expected?.sequence : nil))
      if let found { #expect(Array(found.value) == expected?.value) }
      iterator.seekBefore(key)
    }
    let before = (index ?? sorted.count) - 1
    #expect(Self.entry(iterator) == (before < 0 ? nil : sorted[before]))
    // From anywhere in both directions.
    var place = before
    for _ in 0..<6 where iterator.isValid {
      if Bool.random(using: &random) {
        iterator.next()
        place += 1
      } else {
        iterator.previous()
        place -= 1
      }
      #expect(Self.entry(iterator) == (sorted.indices.contains(place) ? sorted[place] : nil))
    }
  }

  /// Steps back are remembered within an interval; none may be taken from where the iterator no longer is.
  @Test(arguments: SeededGenerator.seeds, [1, 3, 16, 1000])
  func walksBothWays(seed: UInt64, restartInterval: Int) throws {
    var random = SeededGenerator(seed: seed)
    for prefixBytes in [0, 5, 9_000, 66_000] {
      // Keys that share so much that those of an interval are not all kept, or none.
      let prefix = [UInt8](repeating: 7, count: prefixBytes)
      let entries = random.entries(prefixBytes > 1000 ? 14 : 200, valueBytes: 0..<20).map {
        Entry(prefix + $0.key, $0.sequence, $0.kind, value: $0.value)
      }
      let sample = Sample(entries, restartInterval: restartInterval)
      let other = Sample(Array(entries.prefix(20)), restartInterval: restartInterval)
      try sample.withBlock { block in
        try other.withBlock { otherBlock in
          var iterator = BlockIterator(block)
          iterator.seekToLast()
          var place = sample.entries.count - 1
          for _ in 0..<(prefixBytes > 1000 ? 6 : 40) {
            let isBack = Int.random(in: 0..<3, using: &random) > 0
            for _ in 0..<Int.random(in: 1...40, using: &random) where iterator.isValid {
              if isBack { iterator.previous() } else { iterator.next() }
              place += isBack ? -1 : 1
              #expect(
                Self.entry(iterator)
                  == (sample.entries.indices.contains(place) ? sample.entries[place] : nil))
            }
            guard !iterator.isValid || Int.random(in: 0..<4, using: &random) == 0 else { continue }
            if Bool.random(using: &random) {
              // Elsewhere and back: nothing of the other block is left.
              iterator.reset(otherBlock)
              iterator.seekToLast()
              iterator.previous()
              iterator.reset(block)
            }
            place = Int.random(in: 0..<sample.entries.count, using: &random)
            sample.entries[place].withKey { iterator.seek($0) }
            #expect(Self.entry(iterator) == sample.entries[place])
          }
        }
      }
    }
  }

  // MARK: - Damage

  private static func damaged(_ bytes: [UInt8]) -> Bool {
    // An allocation of exactly the size, so that a sanitizer sees a read past its end.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    guard let block = try? Block(validating: UnsafeRawBufferPointer(copy), content: .entries) else {
      return true
    }
    // What passes must be a block that can be read without a trap.
    var iterator = BlockIterator(block)
    let forward = entries(&iterator, forward: true)
    #expect(forward == forward.sorted())
    #expect(entries(&iterator, forward: false) == forward.reversed())
    for entry in forward { entry.withKey { #expect(block.find($0) != nil) } }
    return false
  }

  @Test(arguments: [1, 3])
  func survivesEveryFlippedBit(restartInterval: Int) {
    var random = SeededGenerator(seed: 7)
    let sample = Sample(random.entries(12), restartInterval: restartInterval)
    var refused = 0
    for place in sample.bytes.indices {
      for bit in 0..<8 {
        var bytes = sample.bytes
        bytes[place] ^= 1 << UInt8(bit)
        if Self.damaged(bytes) { refused += 1 }
      }
    }
    #expect(refused > 0)
  }

  @Test func refusesEveryCut() {
    var random = SeededGenerator(seed: 8)
    let sample = Sample(random.entries(12), restartInterval: 3)
    #expect(!Self.damaged(sample.bytes))
    for length in sample.bytes.indices { #expect(Self.damaged(Array(sample.bytes[..<length]))) }
  }

  @Test(arguments: SeededGenerator.seeds)
  func survivesRandomBytes(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2000 {
      var bytes = random.bytes(Int.random(in: 0..<80, using: &random))
      // Plausible counts, so that the entries are looked at.
      if bytes.count >= 12 {
        bytes.replaceSubrange((bytes.count - 12)..., with: [0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0])
      }
      _ = Self.damaged(bytes)
    }
  }

  @Test func refusesKindsThatDoNotBelong() {
    var builder = BlockBuilder(restartInterval: 1)
    let key: [UInt8] = [1]
    key.withUnsafeBytes {
      builder.add(
        InternalKey(userKey: $0, sequence: SequenceNumber(rawValue: 1), kind: .rangeTombstone),
        value: $0)
    }
    let bytes = Array(builder.finish())
    bytes.withUnsafeBytes { bytes in
      #expect(throws: DamageInBlock.self) { try Block(validating: bytes, content: .entries) }
      #expect(throws: DamageInBlock.self) { try Block(validating: bytes, content: .index) }
      #expect(throws: Never.self) { try Block(validating: bytes, content: .rangeTombstones) }
    }
  }
}
