import LSM
import LSMTestSupport
import TestSupport
import Testing

/// A table of given entries, written to a file system in memory.
struct TableFixture {
  static let path = "/db/000007.table"
  static let identity: UInt64 = 0x1122_3344_5566_7788

  struct Deletion: Equatable {
    let lower: [UInt8]
    let upper: [UInt8]
    let sequence: UInt64

    func covers(_ key: [UInt8]) -> Bool {
      !key.lexicographicallyPrecedes(lower) && key.lexicographicallyPrecedes(upper)
    }
  }

  /// In table order.
  let entries: [Entry]
  let deletions: [Deletion]
  let fileSystem = MemoryFileSystem()
  let properties: TableProperties

  init(_ entries: [Entry], deletions: [Deletion] = [], options: TableOptions) throws {
    self.entries = entries.sorted()
    self.deletions = deletions
    try fileSystem.createDirectory("/db")
    let file = try fileSystem.create(Self.path)
    var builder = TableBuilder(
      file: file, path: Self.path, identity: Self.identity, options: options)
    for deletion in deletions {
      var failure: LSMError?
      withBytes(deletion.lower, deletion.upper) { lower, upper in
        do throws(LSMError) {
          try builder.add(
            RangeTombstone(
              lower: lower, upper: upper, sequence: SequenceNumber(rawValue: deletion.sequence)))
        } catch { failure = error }
      }
      if let failure { throw failure }
    }
    for entry in self.entries { try Self.add(entry, to: &builder) }
    properties = try builder.finish()
    try file.sync()
    try file.close()
  }

  static func add(_ entry: Entry, to builder: inout TableBuilder) throws(LSMError) {
    let value = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(entry.value.count, 1), alignment: 1)
    defer { value.deallocate() }
    value.copyBytes(from: entry.value)
    try entry.withKey { (key) throws(LSMError) in
      try builder.add(key, value: UnsafeRawBufferPointer(rebasing: value[..<entry.value.count]))
    }
  }

  /// The options that tables are tested with: tiny blocks, one entry a restart point, and so on.
  static func options(_ random: inout SeededGenerator) -> TableOptions {
    var options = TableOptions()
    options.blockBytes = [1, 100, 1000, 8 << 10].randomElement(using: &random) ?? 1
    options.restartInterval = [1, 2, 16].randomElement(using: &random) ?? 1
    options.compression = Compression.allCases.randomElement(using: &random) ?? .none
    options.filterBitsPerKey = [0, 4, 10].randomElement(using: &random) ?? 10
    return options
  }

  var bytes: [UInt8] { fileSystem.bytes(of: Self.path) ?? [] }

  func open(cache: BlockCache, identity: UInt64 = Self.identity) throws(LSMError) -> Table {
    try Table(
      file: fileSystem.open(Self.path), path: Self.path, identity: identity, cache: cache)
  }
}

/// What a lookup answers, with its bytes.
enum TableAnswer: Equatable {
  case value([UInt8], UInt64)
  case deleted(UInt64)
  case absent
  case wouldBlock
}

extension Table {
  func answer(
    _ key: [UInt8], at sequence: UInt64, tier: ReadTier = .any
  ) throws(LSMError) -> TableAnswer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(key.count, 1), alignment: 1)
    defer { bytes.deallocate() }
    bytes.copyBytes(from: key)
    let key = UnsafeRawBufferPointer(rebasing: bytes[..<key.count])
    var value: [UInt8] = []
    let found = try get(
      key, hash: BloomFilter.hash(key), at: SequenceNumber(rawValue: sequence), tier: tier
    ) { value = Array($0) }
    return switch found {
    case .value(let sequence): .value(value, sequence.rawValue)
    case .deleted(let sequence): .deleted(sequence.rawValue)
    case .absent: .absent
    case .wouldBlock: .wouldBlock
    }
  }

  func allEntries(forward: Bool = true, tier: ReadTier = .any) throws(LSMError) -> [Entry] {
    let iterator = makeIterator(tier: tier)
    var found: [Entry] = []
    if forward { try iterator.seekToFirst() } else { try iterator.seekToLast() }
    while iterator.isValid {
      found.append(Entry(iterator.key, value: iterator.value))
      if forward { try iterator.next() } else { try iterator.previous() }
    }
    return found
  }
}
