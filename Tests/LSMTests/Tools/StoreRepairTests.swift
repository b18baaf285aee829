import LSM
import LSMTestSupport
import TestSupport
import Testing

@Suite("Store repair") struct StoreRepairTests {
  @Test func leavesAHealthyStoreAlone() throws {
    for closed in [true, false] {
      let fixture = try ToolFixture(closed: closed)
      let store = fixture.fileSystem.restart()
      let report = try store.repair()
      #expect(!report.isNeeded && report.losses == [] && report.folder == nil)
      #expect(store.allBytes() == fixture.fileSystem.allBytes())
    }
  }

  @Test func saysWhatItWouldDoAndDoesNot() throws {
    let store = try ToolFixture().fileSystem.restart()
    try store.remove(ToolFixture.path("CURRENT"))
    let before = store.allBytes()
    let report = try store.repair(dryRun: true)
    #expect(report.isNeeded)
    #expect(report.folder == nil)
    #expect(store.allBytes() == before)
  }

  @Test func refusesAStoreThatIsOpen() throws {
    let fixture = try ToolFixture(closed: false)
    let store = fixture.fileSystem.restart()
    let tree = try LSMTree.open(store, directory: ToolFixture.directory, options: .tiny)
    #expect(throws: LSMError.lockHeld(path: ToolFixture.path("LOCK"))) { try store.repair() }
    try tree.close()
  }

  @Test func refusesAStoreOfANewerProgram() throws {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    let lines = String(decoding: store.bytes(of: ToolFixture.path("CURRENT")) ?? [], as: UTF8.self)
      .replacing("lsm 1", with: "lsm 2").split(separator: "\n").dropLast().joined(separator: "\n")
    let checksum = Array((lines + "\n").utf8).withUnsafeBytes { XXH64.hash($0) }
    let digits = String(checksum, radix: 16)
    let text =
      lines + "\nchecksum " + String(repeating: "0", count: 16 - digits.utf8.count) + digits + "\n"
    store.setBytes(of: ToolFixture.path("CURRENT"), Array(text.utf8))
    let before = store.allBytes()
    #expect(
      throws: LSMError.unsupportedFormat(path: ToolFixture.path("CURRENT"), version: 2)
    ) { try store.repair() }
    #expect(store.allBytes() == before)
  }

  // MARK: - Files that say what the store is

  @Test(arguments: ["missing", "damaged"], ["CURRENT", "MANIFEST", "CURRENT and MANIFEST"])
  func savesEverythingWhenOnlyTheManifestIsGone(how: String, what: String) throws {
    for closed in [true, false] {
      let fixture = try ToolFixture(closed: closed)
      let store = fixture.fileSystem.restart()
      for name in what.split(separator: " ").map(String.init) where name != "and" {
        let path = ToolFixture.path(try fixture.name(name))
        if how == "missing" {
          try store.remove(path)
        } else {
          store.damage(path, at: 100..<104)
          store.damage(path, at: 10..<14)
        }
      }
      let report = try store.repair()
      #expect(report.losses == [])
      #expect(report.isNeeded)
      #expect(report.usedManifest == (what == "CURRENT"))
      #expect(try store.repairedRecords() == fixture.expected)
      // What it replaced is still there.
      let folder = try #require(report.folder)
      #expect(
        store.names(in: ToolFixture.path(folder)).sorted()
          == (report.movedFiles + ["REPORT"]).sorted())
    }
  }

  @Test func tellsItsReportUntilSomebodyHasGotIt() throws {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    try store.remove(
      FileName.table(try fixture.largestTable().number).path(in: ToolFixture.directory))
    let first = try store.repair()
    #expect(!first.losses.isEmpty && first.earlier.isEmpty)
    func untoldFiles() -> [String] {
      RepairReport.untoldFiles(store, directory: ToolFixture.directory)
    }
    #expect(try untoldFiles() == [ToolFixture.path(#require(first.folder) + "/REPORT")])
    for dryRun in [true, false, false] {
      let again = try store.repair(dryRun: dryRun)
      #expect(!again.isNeeded && again.folder == nil)
      #expect(again.earlier.map(\.lines) == [first.lines])
      #expect(again.earlier.first?.hasLosses == true)
    }
    // The reader was killed before it noted that.
    let last = try store.repair()
    try StoreRepair.setTold(last, store, directory: ToolFixture.directory)
    try StoreRepair.setTold(first, store, directory: ToolFixture.directory)
    #expect(untoldFiles().isEmpty)
    #expect(try store.crash(seed: 1).repair().earlier.isEmpty)
  }

  @Test func drawsAnIDWhenNothingIsLeftToTellIt() throws {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    for name in store.names(in: ToolFixture.directory) where !name.hasSuffix(".table") {
      try store.remove(ToolFixture.path(name))
    }
    let report = try store.repair()
    #expect(report.losses == [], "nobody can know that there was a log")
    let current = try CurrentFile(store, directory: ToolFixture.directory)
    #expect(current.store == StoreID(low: 3, high: 4))
    let inTables = fixture.run.model(fixture.run.written - ToolFixture.logRecords).sorted()
    #expect(try store.repairedRecords() == inTables)
  }

  // MARK: - Tables

  @Test func losesOnlyTheEntriesOfADamagedBlock() throws {
    let fixture = try ToolFixture()
    let table = try fixture.largestTable()
    let store = fixture.fileSystem.restart()
    let path = FileName.table(table.number).path(in: ToolFixture.directory)
    // The second data block; each has some entries.
    var blocks: [(offset: UInt64, bytes: UInt64, count: Int)] = []
    try FileInspection.table(
      store, directory: ToolFixture.directory, table.number, records: false
    ) { item in
      if case .block(let block) = item {
        blocks.append((block.offset, block.storedBytes, block.entryCount))
      }
    }
    try #require(blocks.count > 2)
    let begin = Int(blocks[1].offset)
    store.damage(path, at: begin + 2..<begin + 6)
    let problems = try store.problems()
    #expect(problems.contains { $0.offset == blocks[1].offset }, "\(problems)")

    let report = try store.repair()
    #expect(report.rewrittenTableCount == 1)
    #expect(report.losses.contains { $0.offset == blocks[1].offset && $0.what.contains("key") })
    #expect(
      report.losses.contains { $0.what.contains("\(blocks[1].count) entr") }, "\(report.losses)")
    let found = try store.repairedRecords()
    #expect(found.count == fixture.expected.count - blocks[1].count)
    for record in found { #expect(fixture.expected.contains(record)) }
  }

  /// Each eighth byte of the value begins what looks like a block of LZ4 of half a mebibyte: 34 GB to be checksummed.
  /// Judged by the processor time of this thread, so that tests beside it do not count.
  @Test func endsSoonOverBytesMadeToLookLikeBlocks() throws {
    let fileSystem = MemoryFileSystem()
    var run = TreeRun()
    run.options.table.compression = .none
    run.options.memtableSizeBytes = 4 << 20
    let lookalike: [UInt8] = [2, 0, 12, 0, 0, 0, 8, 0]
    let value = (0..<1 << 20).map { lookalike[$0 % 8] }
    try run.go([.write([.put([1], value)], sync: true), .flush], on: fileSystem)?.close()
    #expect(run.failure == nil)
    let name = try #require(
      fileSystem.names(in: ToolFixture.directory).first { $0.hasSuffix(".table") })
    let path = ToolFixture.path(name)
    let size = try #require(fileSystem.bytes(of: path)).count
    // The block, so that it is not stepped over, and index and footer, so that it is searched for.
    fileSystem.damage(path, at: 2..<4)
    fileSystem.damage(path, at: size - 300..<size - 90)
    let before = threadProcessorSeconds()
    let report = try fileSystem.repair()
    #expect(threadProcessorSeconds() - before < 30)
    #expect(!report.losses.isEmpty)
  }

  @Test(arguments: Compression.allCases)
  func findsTheBlocksWithoutFooterOrIndex(compression: Compression) throws {
    var options = TreeOptions.tiny
    options.table.compression = compression
    let fixture = try ToolFixture(options: options)
    let inspection = try StoreInspection(
      fixture.fileSystem.restart(), directory: ToolFixture.directory)
    for table in inspection.tables.map(\.metadata) {
      let path = FileName.table(table.number).path(in: ToolFixture.directory)
      let size = Int(table.fileBytes)
      for range in [size - 20..<size - 16, size - 100..<size, size - 330..<size - 90] {
        for withoutManifest in [false, true] {
          let store = fixture.fileSystem.restart()
          store.damage(path, at: range)
          if withoutManifest { try store.remove(ToolFixture.path(try fixture.name("MANIFEST"))) }
          let report = try store.repair(options: options)
          let found = try store.repairedRecords(options: options)
          let comment = "\(table.number), \(range), \(withoutManifest): \(report.losses)"
          if range.lowerBound >= size - 112 {
            #expect(found == fixture.expected, "\(comment)")
          } else {
            #expect(
              found.count >= 3 && !report.losses.isEmpty || found == fixture.expected, "\(comment)")
          }
        }
      }
    }
  }

  @Test func namesWhatAMissingTableHeld() throws {
    let fixture = try ToolFixture()
    let table = try fixture.largestTable()
    let store = fixture.fileSystem.restart()
    try store.remove(FileName.table(table.number).path(in: ToolFixture.directory))
    let report = try store.repair()
    #expect(report.lostTableCount == 1)
    let loss = try #require(report.losses.first)
    #expect(loss.file == FileName.table(table.number).description)
    #expect(loss.what.contains("\(table.entryCount) entr"))
    #expect(loss.what.contains(KeyText.userKey(table.largest)))
    _ = try store.repairedRecords()
  }

  /// A table under another one's name is not taken for it, however whole it is.
  @Test func takesNoTableForAnother() throws {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    let tables = try StoreInspection(store, directory: ToolFixture.directory).tables
    let paths = tables.prefix(2).map {
      FileName.table($0.metadata.number).path(in: ToolFixture.directory)
    }
    let contents = paths.map { store.bytes(of: $0) ?? [] }
    store.setBytes(of: paths[0], contents[1])
    store.setBytes(of: paths[1], contents[0])
    #expect(try store.problems().contains { $0.what.contains("identity") })
    let report = try store.repair()
    #expect(report.lostTableCount == 2)
    #expect(report.losses.contains { $0.what.contains("another table") })
    for record in try store.repairedRecords() { #expect(fixture.expected.contains(record)) }
  }

  // MARK: - Logs

  @Test func stopsAtTheDamageOfALogAndSaysSo() throws {
    for withoutManifest in [false, true] {
      let fixture = try ToolFixture()
      let store = fixture.fileSystem.restart()
      let name = try fixture.name(".log")
      var offsets: [UInt64] = []
      var sequences: [UInt64] = []
      let number = try #require(FileName(name)?.number)
      try FileInspection.log(store, directory: ToolFixture.directory, number) { item in
        if case .record(let offset, let sequence, _) = item {
          offsets.append(offset)
          sequences.append(sequence)
        }
      }
      try #require(offsets.count == 3)
      store.damage(ToolFixture.path(name), at: Int(offsets[1]) + 25..<Int(offsets[1]) + 26)
      if withoutManifest { try store.remove(ToolFixture.path(try fixture.name("MANIFEST"))) }
      let report = try store.repair()
      let loss = try #require(report.losses.first)
      #expect(report.losses.count == 1)
      #expect(loss.file == name && loss.offset == offsets[1])
      #expect(loss.what.contains("from sequence number \(sequences[1]) on"))
      #expect(try store.repairedRecords() == fixture.run.model(fixture.run.written - 2).sorted())
    }
  }

  /// Zeros, or no bytes at all, where the manifest names a log: the file is there, and its records are lost.
  @Test(arguments: [true, false], [true, false])
  func tellsAnOverwrittenLogFromAMissingOne(closed: Bool, zeros: Bool) throws {
    let fixture = try ToolFixture(closed: closed)
    let store = fixture.fileSystem.restart()
    let name = try fixture.name(".log")
    let path = ToolFixture.path(name)
    let count = store.bytes(of: path)?.count ?? 0
    store.setBytes(of: path, Array(repeating: 0, count: zeros ? count : 0))
    let words = "\(name) is damaged at byte 0: the log's header is not there"
    let error = #expect(throws: LSMError.self) { try store.records() }
    #expect(error?.isCorruption == true)
    #expect("\(String(describing: error))".contains(words), "\(String(describing: error))")
    let problems = try store.problems()
    #expect(problems.map(\.file) == [name])
    let inspection = try StoreInspection(store, directory: ToolFixture.directory)
    #expect(inspection.findings == problems)
    let report = try store.repair()
    #expect(report.losses.map(\.file) == [name])
    #expect(report.losses.first?.what.contains("are lost") == true)
    let inTables = fixture.run.model(fixture.run.written - ToolFixture.logRecords).sorted()
    #expect(try store.repairedRecords() == inTables)
  }

  @Test func replaysWholeLogsInTheirOrder() throws {
    let fixture = try ToolFixture(closed: false)
    let store = fixture.fileSystem.restart()
    try store.remove(ToolFixture.path("CURRENT"))
    let report = try store.repair()
    #expect(report.replayedChangeCount == 3)
    #expect(report.losses == [])
    #expect(try store.repairedRecords() == fixture.expected)
  }

  // MARK: - Everything

  /// Whatever byte is damaged: what comes out is whole, and when nothing is said to be lost, nothing is.
  @Test func mendsEveryFlippedByte() throws {
    let fixture = try ToolFixture()
    let history = Set(fixture.run.batches.flatMap { $0 }.compactMap(\.record).map(\.description))
    for (name, whole) in fixture.fileSystem.allBytes() {
      for place in stride(from: 0, to: whole.count, by: 3) {
        let store = fixture.fileSystem.restart()
        store.damage(ToolFixture.path(name), at: place..<place + 1)
        let comment = "byte \(place) of \(name)"
        let report = try store.repair()
        let found = try store.repairedRecords(comment)
        if report.losses.isEmpty {
          #expect(found == fixture.expected, "\(comment)")
        } else {
          for record in found { #expect(history.contains(record.description), "\(comment)") }
        }
        #expect(try store.repair().isNeeded == false, "\(comment)")
      }
    }
  }

  @Test(arguments: SeededGenerator.seeds)
  func mendsRandomStores(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for round in 0..<30 {
      let comment = "seed \(seed), round \(round)"
      let fileSystem = MemoryFileSystem()
      var run = TreeRun()
      run.options = .random(&random)
      let tree = run.go(TreeStep.program(10 + random.below(80), &random), on: fileSystem)
      #expect(run.failure == nil)
      if random.below(2) == 0 { try tree?.close() }
      let store = fileSystem.restart()
      let leftovers = try StoreInspection(store, directory: TreeRun.directory).leftovers
      let names = store.names(in: TreeRun.directory).filter { $0 != "LOCK" }
      var harmsALog = false
      var isTableGone = false
      for _ in 0...random.below(3) {
        let name = names[random.below(names.count)]
        let size = store.bytes(of: ToolFixture.path(name))?.count ?? 0
        guard size > 0 else { continue }
        if name.hasSuffix(".log") { harmsALog = true }
        if random.below(3) == 0 || name == "CURRENT" {
          if name.hasSuffix(".table") { isTableGone = true }
          try store.remove(ToolFixture.path(name))
        } else {
          let begin = random.below(size)
          store.damage(ToolFixture.path(name), at: begin..<begin + 1 + random.below(64))
        }
      }
      if store.names(in: TreeRun.directory).allSatisfy({
        $0 == "LOCK" || $0.hasPrefix("MANIFEST-")
      }) {
        // Nothing but a manifest is left of a small store: as a creation that was cut short leaves it.
        #expect(throws: LSMError.self, "\(comment)") { try store.repair(options: run.options) }
        try tree?.close()
        continue
      }
      let report = try store.repair(options: run.options)
      let found = try store.repairedRecords(options: run.options, comment)
      // Without a manifest, what compactions left behind may come back, and nobody misses a log or table.
      if report.losses.isEmpty,
        report.usedManifest || (leftovers.isEmpty && !harmsALog && !isTableGone)
      {
        // Damage to what was synced last looks like a torn write.
        let least = harmsALog ? 0 : run.written
        let states = (least...run.written).map { run.model($0).sorted() }
        #expect(states.contains(found), "\(comment): \(report)")
      }
      try tree?.close()
    }
  }
}

extension Change {
  fileprivate var record: TreeRecord? {
    if case .put(let key, let value) = self { TreeRecord(key: key, value: value) } else { nil }
  }
}
