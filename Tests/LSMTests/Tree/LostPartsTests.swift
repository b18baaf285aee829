import LSM
import LSMTestSupport
import Testing

/// A store that was closed, and of which parts were lost since: it opens with the same content, or with an error;
/// never as an emptier store.
@Suite("Lost parts") struct LostPartsTests {
  private static func open(_ fileSystem: MemoryFileSystem, _ run: TreeRun) throws -> [TreeRecord]? {
    var options = run.options
    options.createIfMissing = false
    for readOnly in [true, false] {
      options.isReadOnly = readOnly
      do throws(LSMError) {
        let tree = try LSMTree.open(fileSystem, directory: TreeRun.directory, options: options)
        let records = try tree.records().records
        try tree.close()
        if !readOnly { return records }
      } catch {
        if readOnly { continue }
      }
    }
    return nil
  }

  private static func stores() throws -> [(MemoryFileSystem, TreeRun)] {
    let fixture = try ToolFixture()
    // One that has a log alone.
    let small = MemoryFileSystem()
    var run = TreeRun()
    run.options.memtableSizeBytes = 1 << 20
    let tree = run.go(
      (0..<20).map { .write([.put([UInt8($0)], [1, 2, 3])], sync: true) }, on: small)
    try tree?.close()
    return [(fixture.fileSystem, fixture.run), (small, run)]
  }

  @Test func oneFileLostInAnyWayIsNoEmptierStore() throws {
    for (store, run) in try Self.stores() {
      let expected = run.model(run.written).sorted()
      for name in store.names(in: TreeRun.directory) {
        let path = TreeRun.directory + "/" + name
        let bytes = store.bytes(of: path) ?? []
        for way in ["removed", "emptied", "cut in half", "cut by a byte", "a folder"] {
          let damaged = store.restart()
          switch way {
          case "emptied": damaged.setBytes(of: path, [])
          case "cut in half": damaged.setBytes(of: path, Array(bytes[..<(bytes.count / 2)]))
          case "cut by a byte": damaged.setBytes(of: path, bytes.dropLast())
          default:
            try damaged.remove(path)
            if way == "a folder" { try damaged.createDirectory(path) }
          }
          let found = try Self.open(damaged.restart(), run)
          #expect(found == nil || found == expected, "\(name) \(way)")
          // What does not open is no whole store for the tools.
          if found == nil, way != "a folder" {
            let report = try? damaged.restart().repair(dryRun: true)
            #expect(report?.isNeeded ?? true, "\(name) \(way)")
          }
        }
      }
    }
  }

  @Test func twoFilesLostAreNoEmptierStore() throws {
    for (store, run) in try Self.stores() {
      let expected = run.model(run.written).sorted()
      let names = store.names(in: TreeRun.directory)
      for first in names {
        for second in names where first < second {
          let damaged = store.restart()
          try damaged.remove(TreeRun.directory + "/" + first)
          try damaged.remove(TreeRun.directory + "/" + second)
          let found = try Self.open(damaged, run)
          #expect(found == nil || found == expected, "\(first) and \(second)")
        }
      }
    }
  }

  // MARK: - Strays

  private static let strays = [
    "18446744073709551615.log", "18446744073709551615.table", "MANIFEST-18446744073709551615",
    "18446744073709551615.tmp", "9223372036854775807.log", "9223372036854775807.table",
    "MANIFEST-9223372036854775807", "9223372036854775808.log", "4611686018427387904.log",
  ]

  @Test(arguments: strays) func leavesAFileWithAnImpossibleNumberAlone(name: String) throws {
    let fixture = try ToolFixture()
    let fileSystem = fixture.fileSystem
    let path = ToolFixture.path(name)
    fileSystem.setBytes(of: path, [1, 2, 3])
    for round in 0..<3 {
      let tree = try TreeTests.open(fileSystem, fixture.run.options)
      #expect(try tree.records().records == fixture.expected)
      try tree.apply([.delete([UInt8(round)])], sync: true)
      try tree.compact()
      _ = try tree.statistics()
      try tree.close()
      #expect(try fileSystem.problems().isEmpty)
      let inspection = try StoreInspection(fileSystem, directory: TreeRun.directory)
      #expect(inspection.findings.isEmpty && inspection.others.contains(name))
      let report = try fileSystem.repair()
      #expect(!report.isNeeded && report.remarks.contains { $0.contains(name) })
      #expect(fileSystem.bytes(of: path) == [1, 2, 3])
    }
    // A store that needs repair is repaired beside it.
    try fileSystem.remove(ToolFixture.path("CURRENT"))
    _ = try fileSystem.repair()
    #expect(try fileSystem.records(options: fixture.run.options) == fixture.expected)
    // And a new one is made beside it.
    let empty = MemoryFileSystem()
    try empty.createDirectory(TreeRun.directory)
    empty.setBytes(of: path, [1, 2, 3])
    for _ in 0..<2 {
      let tree = try TreeTests.open(empty)
      try tree.apply([.put([1], [1])], sync: true)
      try tree.close()
    }
    #expect(empty.bytes(of: path) == [1, 2, 3])
  }

  @Test(arguments: ["000077.log", "CURRENT"]) func namesAFolderInAFilesPlace(name: String) throws {
    let fixture = try ToolFixture()
    try? fixture.fileSystem.remove(ToolFixture.path(name))
    try fixture.fileSystem.createDirectory(ToolFixture.path(name))
    let error = #expect(throws: LSMError.self) {
      try TreeTests.open(fixture.fileSystem, fixture.run.options)
    }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.contains(ToolFixture.path(name)) && text.contains("move it out"), "\(text)")
  }

  // MARK: - Point in time

  /// An open that gives up the damaged end of a log, cut short anywhere: the next one gets to the same state.
  @Test func givingUpALogsEndHasNoWindow() throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    let tree = try TreeTests.open(fileSystem, options)
    for number in 0..<50 { try tree.apply([.put(TreeTests.key(number), [1])], sync: true) }
    try tree.close()
    let name = try #require(fileSystem.names(in: TreeRun.directory).first { $0.hasSuffix(".log") })
    let path = TreeRun.directory + "/" + name
    var bytes = try #require(fileSystem.bytes(of: path))
    bytes[bytes.count / 2] ^= 1
    fileSystem.setBytes(of: path, bytes)
    options.dropsDamagedLogTail = true
    let whole = fileSystem.restart()
    let first = try TreeTests.open(whole, options)
    let calls = whole.calls
    let expected = try first.records().records
    #expect(expected.count > 10 && expected.count < 50)
    try first.close()
    for call in 0...calls {
      let dying = fileSystem.restart()
      dying.die(afterCall: call)
      _ = try? TreeTests.open(dying, options)
      for next in [dying.restart(), dying.crash(seed: 1), dying.crash(seed: 2)] {
        let again = try TreeTests.open(next, options)
        #expect(try again.records().records == expected, "call \(call)")
        try again.apply([.put([1], [1])], sync: true)
        try again.close()
      }
    }
  }
}
