import LSM
import LSMTestSupport
import Testing

@Suite("Store inspection") struct StoreInspectionTests {
  @Test func showsWhatAStoreConsistsOf() throws {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    let before = store.allBytes()
    let inspection = try StoreInspection(store, directory: ToolFixture.directory)
    #expect(inspection.findings == [])
    #expect(inspection.current?.manifest == inspection.manifest?.number)
    #expect(inspection.manifest?.isSealed == true)
    let levels = inspection.tables.compactMap(\.level)
    #expect(levels == levels.sorted() && Set(levels).count == 2, "\(levels)")
    #expect(inspection.tables.reduce(0) { $0 + $1.metadata.rangeTombstoneCount } == 1)
    let log = try #require(inspection.logs.first)
    #expect(inspection.logs.count == 1)
    #expect(log.recordCount == 3 && log.changeCount == 3 && log.ending == .sealed && log.isNeeded)
    #expect(log.sequences == 28...30)
    #expect(inspection.leftovers.isEmpty && inspection.others.isEmpty)
    #expect(store.allBytes() == before)
  }

  @Test func tellsLeftoversAndOtherFiles() throws {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    for name in ["000003.table", "000001.log", "MANIFEST-000002", "000099.tmp", "notes"] {
      store.setBytes(of: ToolFixture.path(name), [1, 2, 3])
    }
    let inspection = try StoreInspection(store, directory: ToolFixture.directory)
    #expect(
      Set(inspection.leftovers.map(\.name))
        == ["000003.table", "000001.log", "MANIFEST-000002", "000099.tmp"])
    #expect(inspection.others == ["notes"])
    #expect(inspection.findings == [])
  }

  @Test func showsTheTablesOfAStoreWithoutManifest() throws {
    let fixture = try ToolFixture()
    let store = fixture.fileSystem.restart()
    let whole = try StoreInspection(store, directory: ToolFixture.directory)
    try store.remove(ToolFixture.path(try fixture.name("MANIFEST")))
    let inspection = try StoreInspection(store, directory: ToolFixture.directory)
    #expect(inspection.findings.count == 1)
    #expect(inspection.manifest == nil)
    #expect(
      Set(inspection.tables.map(\.metadata.number)) == Set(whole.tables.map(\.metadata.number)))
    #expect(inspection.tables.allSatisfy { $0.level == nil })
    #expect(inspection.logs.map(\.recordCount) == [3])
  }

  /// Whatever byte is damaged, everything is shown that can be, and nothing traps.
  @Test func looksAtEveryDamagedStore() throws {
    let fixture = try ToolFixture()
    for (name, whole) in fixture.fileSystem.allBytes() {
      for place in stride(from: 0, to: whole.count, by: 2) {
        let store = fixture.fileSystem.restart()
        store.damage(ToolFixture.path(name), at: place..<place + 1)
        let inspection = try StoreInspection(store, directory: ToolFixture.directory)
        var damaged = !inspection.findings.isEmpty
        guard let number = FileName(name)?.number else { continue }
        var items = 0
        switch FileName(name) {
        case .table:
          try FileInspection.table(
            store, directory: ToolFixture.directory, number, records: true
          ) { item in
            items += 1
            if case .damage = item { damaged = true }
          }
          #expect(damaged, "byte \(place) of \(name)")
        case .log:
          try FileInspection.log(store, directory: ToolFixture.directory, number) { _ in items += 1
          }
        default:
          _ = FileInspection.manifest(store, directory: ToolFixture.directory) { _, _ in items += 1
          }
          items += 1
        }
        #expect(items > 0, "byte \(place) of \(name)")
      }
    }
  }

  @Test func showsBlocksAndRecordsOfATable() throws {
    let fixture = try ToolFixture()
    let table = try fixture.largestTable()
    var counted = 0
    var entries: [Entry] = []
    try FileInspection.table(
      fixture.fileSystem.restart(), directory: ToolFixture.directory, table.number, records: true
    ) { item in
      switch item {
      case .block(let block):
        counted += block.entryCount
        #expect(block.compression != nil)
      case .record(let key, let value): entries.append(Entry(key, value: value))
      case .damage(let finding): Issue.record("\(finding)")
      default: break
      }
    }
    #expect(counted == Int(table.entryCount) && entries.count == counted)
    #expect(entries == entries.sorted())
  }

  @Test(
    arguments: [
      ([], ""), (Array("DOG#1".utf8), "DOG#1"), ([1, 0, 0, 0, 1, 0x41], #"\x01\x00\x00\x00\x01A"#),
      ([0x5c, 0xff], #"\\\xff"#),
      ([UInt8](repeating: 0x61, count: 50), String(repeating: "a", count: 40) + "…"),
    ] as [([UInt8], String)])
  func printsKeysForPeople(key: [UInt8], text: String) {
    #expect(KeyText.readable(key) == text)
  }
}
