import Bytes
import LSM
import LSMTestSupport
import TestSupport
import Testing

@Suite("Store verification") struct StoreVerificationTests {
  @Test(arguments: SeededGenerator.seeds)
  func isCleanOnHealthyStores(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<25 {
      let fileSystem = MemoryFileSystem()
      var run = TreeRun()
      run.options = .random(&random)
      let tree = run.go(TreeStep.program(10 + random.below(80), &random), on: fileSystem)
      #expect(run.failure == nil)
      let running = fileSystem.restart()
      #expect(try running.problems() == [], "seed \(seed), open")
      #expect(running.allBytes() == fileSystem.allBytes(), "it changes nothing")
      try tree?.close()
      #expect(try fileSystem.restart().problems() == [], "seed \(seed), closed")
    }
  }

  /// A power cut or a kill leaves a store that is whole for the tools too: nothing to report, nothing to repair.
  @Test(arguments: SeededGenerator.seeds)
  func takesNoCrashForDamage(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for round in 0..<60 {
      var fileSystem = MemoryFileSystem()
      var run = TreeRun()
      run.options = .random(&random)
      for _ in 0..<2 {
        fileSystem.die(afterCall: fileSystem.calls + 1 + random.below(400))
        let tree = run.go(TreeStep.program(10 + random.below(60), &random), on: fileSystem)
        let next =
          random.below(2) == 0 ? fileSystem.restart() : fileSystem.crash(seed: random.next())
        try? tree?.close()
        fileSystem = next
        guard fileSystem.names(in: TreeRun.directory).contains("CURRENT") else { continue }
        let comment = "seed \(seed), round \(round)"
        let before = fileSystem.allBytes()
        #expect(try fileSystem.problems() == [], "\(comment)")
        let inspection = try StoreInspection(fileSystem, directory: TreeRun.directory)
        #expect(inspection.findings == [], "\(comment)")
        #expect(try fileSystem.repair(options: run.options).isNeeded == false, "\(comment)")
        #expect(fileSystem.allBytes() == before, "\(comment)")
      }
    }
  }

  @Test func countsWhatItRead() throws {
    let fixture = try ToolFixture()
    var last: ToolProgress?
    let summary = try StoreVerification.run(
      fixture.fileSystem, directory: ToolFixture.directory,
      progress: { progress in
        #expect(progress.doneBytes >= last?.doneBytes ?? 0)
        #expect(progress.doneBytes <= progress.totalBytes)
        last = progress
      }, report: { Issue.record("\($0)") })
    #expect(summary.tableCount > 1)
    #expect(summary.entryCount >= 12)
    #expect(summary.rangeTombstoneCount == 1)
    #expect(summary.logCount == 1)
    #expect(summary.recordCount == 3)
    #expect(summary.tableBytes == last?.totalBytes)
  }

  /// Each byte of a store that was closed: the damage is found, or nothing depends on it.
  @Test func findsEveryFlippedByteThatMatters() throws {
    let fixture = try ToolFixture()
    var count = 0
    var found = 0
    for (name, whole) in fixture.fileSystem.allBytes() {
      for place in whole.indices {
        let damaged = fixture.fileSystem.restart()
        var bytes = whole
        bytes[place] ^= UInt8(1 << (place % 8))
        damaged.setBytes(of: ToolFixture.path(name), bytes)
        let problems = try damaged.problems()
        count += 1
        if problems.isEmpty {
          #expect(try damaged.records() == fixture.expected, "byte \(place) of \(name)")
        } else {
          found += 1
          #expect(problems.contains { $0.file == name }, "byte \(place) of \(name): \(problems)")
        }
      }
    }
    #expect(found * 10 > count * 9, "\(found) of \(count)")
  }

  @Test func namesEveryMissingFile() throws {
    let fixture = try ToolFixture()
    for name in fixture.fileSystem.names(in: ToolFixture.directory) where name != "LOCK" {
      let damaged = fixture.fileSystem.restart()
      try damaged.remove(ToolFixture.path(name))
      let problems = try damaged.problems()
      #expect(problems.contains { $0.file == name && $0.what.contains("missing") }, "\(problems)")
    }
  }

  @Test func reportsAllProblemsAndNotOnlyTheFirst() throws {
    let fixture = try ToolFixture()
    let damaged = fixture.fileSystem.restart()
    let names = damaged.names(in: ToolFixture.directory).filter { $0.hasSuffix(".table") }
    #expect(names.count > 1)
    for name in names { damaged.damage(ToolFixture.path(name), at: 3..<4) }
    let log = try fixture.name(".log")
    damaged.damage(ToolFixture.path(log), at: 90..<91)
    let problems = try damaged.problems()
    for name in names + [log] { #expect(problems.contains { $0.file == name }, "\(problems)") }
  }

  @Test func refusesADirectoryWithoutAStore() throws {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory("/empty")
    #expect(throws: LSMError.self) { try fileSystem.problems(in: "/empty") }
    #expect(throws: LSMError.self) { try fileSystem.problems(in: "/none") }
  }

  /// Tables that are whole, block by block, and yet wrong: only counting and looking up finds that.
  @Test(arguments: CraftedTable.Fault.allCases)
  func findsWhatChecksumsDoNot(fault: CraftedTable.Fault) throws {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory("/store")
    fileSystem.setBytes(of: "/store/000005.table", CraftedTable.bytes(fault))
    let problems = try fileSystem.problems().filter { $0.file == "000005.table" }
    if let word = fault.word {
      #expect(problems.contains { $0.what.contains(word) }, "\(problems)")
    } else {
      #expect(problems == [])
    }
  }
}

/// A table of two blocks, put together by hand, with one thing wrong.
enum CraftedTable {
  enum Fault: CaseIterable {
    case none
    case filter
    case entries
    case valueBytes
    case sequence
    case largestKey
    case blockOrder
    case separator

    var word: String? {
      switch self {
      case .none: nil
      case .filter: "filter denies"
      case .entries: "entries: 9, there are 4"
      case .valueBytes: "value bytes"
      case .sequence: "largest sequence number"
      case .largestKey: "largest key"
      case .blockOrder: "after the one before"
      case .separator: "index leads"
      }
    }
  }

  private static let identity: UInt64 = 42

  static func bytes(_ fault: Fault) -> [UInt8] {
    var file: [UInt8] = []
    var properties = TableProperties()
    func append(_ payload: [UInt8]) -> BlockHandle {
      var sealed = ByteWriter()
      sealed.append(payload)
      BlockTrailer.seal(&sealed, .none, identity: identity, offset: UInt64(file.count))
      let handle = BlockHandle(offset: UInt64(file.count), byteCount: UInt64(sealed.count))
      file += sealed.array()
      return handle
    }
    func block(_ entries: [([UInt8], UInt64, [UInt8])]) -> [UInt8] {
      var builder = BlockBuilder(restartInterval: 1)
      for (key, sequence, value) in entries {
        withBytes(key, value) { key, value in
          builder.add(
            InternalKey(
              userKey: key, sequence: SequenceNumber(rawValue: sequence), kind: .value),
            value: value)
        }
      }
      return Array(builder.finish())
    }
    func handleBytes(_ handle: BlockHandle) -> [UInt8] {
      var writer = ByteWriter()
      writer.appendVarint(handle.offset)
      writer.appendVarint(handle.byteCount)
      return writer.array()
    }
    let early = block([([0x61], 1, [7]), ([0x62], 2, [7])])
    let late = block([([0x63], 3, [7]), ([0x64], 4, [7])])
    let first = append(fault == .blockOrder ? late : early)
    let second = append(fault == .blockOrder ? early : late)
    let keys: [[UInt8]] = fault == .filter ? [[0x31], [0x32]] : [[0x61], [0x62], [0x63], [0x64]]
    let hashes = keys.map { $0.withUnsafeBytes { BloomFilter.hash($0) } }
    let filter = append(BloomFilter.build(hashes, bitsPerKey: 10))
    let separator: [UInt8] = fault == .separator ? [0x61] : [0x62]
    let index = append(
      block([
        (separator, 1, handleBytes(first)), ([0x64], 4, handleBytes(second)),
      ]))
    properties.entryCount = fault == .entries ? 9 : 4
    properties.dataBlockCount = 2
    properties.keyBytes = 4
    properties.valueBytes = fault == .valueBytes ? 5 : 4
    properties.rawDataBytes = UInt64(early.count + late.count)
    properties.storedDataBytes = first.byteCount + second.byteCount
    properties.smallestSequence = SequenceNumber(rawValue: 1)
    properties.largestSequence = SequenceNumber(rawValue: fault == .sequence ? 8 : 4)
    properties.smallest = encoded([0x61], 1)
    properties.largest = encoded(fault == .largestKey ? [0x65] : [0x64], 4)
    let propertiesHandle = append(properties.encoded())
    let footer = Footer(
      identity: identity, fileBytes: UInt64(file.count + Footer.byteCount), index: index,
      filter: filter, rangeTombstones: nil, properties: propertiesHandle)
    return file + footer.encoded()
  }

  private static func encoded(_ key: [UInt8], _ sequence: UInt64) -> [UInt8] {
    key.withUnsafeBytes {
      InternalKey(userKey: $0, sequence: SequenceNumber(rawValue: sequence), kind: .value)
        .encoded()
    }
  }
}
