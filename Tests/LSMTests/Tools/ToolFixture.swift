import LSM
import LSMTestSupport
import TestSupport
import Testing

/// A small store with tables on two levels, range tombstones, and records in the log; and what the tests of the
/// tools ask of stores.
struct ToolFixture {
  static let directory = TreeRun.directory
  /// Batches that are in the log alone.
  static let logRecords = 3

  let fileSystem: MemoryFileSystem
  let run: TreeRun

  static func key(_ number: Int) -> [UInt8] { Array("key\(number)".utf8) }

  init(closed: Bool = true, options: TreeOptions = .tiny) throws {
    fileSystem = MemoryFileSystem()
    var run = TreeRun()
    run.options = options
    run.options.memtableSizeBytes = 1 << 20
    run.options.level0CompactionCount = 8
    run.options.tableBytes = 1200
    var random = SeededGenerator(seed: 1)
    var steps: [TreeStep] = (0..<24).map {
      .write([.put(Self.key($0), random.bytes(60))], sync: true)
    }
    steps += [.compact([], nil), .snapshot]
    // The snapshot keeps them from being compacted away.
    steps += [.write([.deleteRange(Self.key(3), Self.key(5))], sync: true)]
    steps += [.write([.put(Self.key(7), [77])], sync: true), .flush]
    steps += [.write([.put(Self.key(30), [30])], sync: true), .flush]
    steps += (0..<Self.logRecords).map {
      .write([.put(Self.key(50 + $0), [UInt8($0)])], sync: true)
    }
    let tree = run.go(steps, on: fileSystem)
    #expect(run.failure == nil)
    self.run = run
    if closed { try tree?.close() }
  }

  var expected: [TreeRecord] { run.model(run.written).sorted() }

  static func path(_ name: String) -> String { directory + "/" + name }

  /// The only file whose name ends, or begins, so.
  func name(_ part: String) throws -> String {
    try #require(
      fileSystem.names(in: Self.directory).first { $0.hasSuffix(part) || $0.hasPrefix(part) })
  }

  /// The table with the most bytes of all that the manifest names at a level below 0.
  func largestTable() throws -> TableMetadata {
    let inspection = try StoreInspection(fileSystem.restart(), directory: Self.directory)
    return try #require(
      inspection.tables.filter { $0.level ?? 0 > 0 }.map(\.metadata)
        .max { $0.fileBytes < $1.fileBytes })
  }
}

extension MemoryFileSystem {
  /// Changes bytes of a file in place.
  func damage(_ path: String, at range: Range<Int>) {
    var bytes = bytes(of: path) ?? []
    for index in range.clamped(to: bytes.indices) { bytes[index] ^= 0x5a }
    setBytes(of: path, bytes)
  }

  /// What the verification finds.
  func problems(in directory: String = TreeRun.directory) throws -> [Finding] {
    var found: [Finding] = []
    let summary = try StoreVerification.run(
      self, directory: directory, report: { found.append($0) })
    #expect(summary.problemCount == found.count)
    return found
  }

  /// Every file but those in folders, by name.
  func allBytes(in directory: String = TreeRun.directory) -> [String: [UInt8]] {
    names(in: directory).reduce(into: [:]) { $0[$1] = bytes(of: directory + "/" + $1) }
  }

  func repair(
    in directory: String = TreeRun.directory, options: TreeOptions = .tiny, dryRun: Bool = false
  ) throws -> StoreRepair.Report {
    var settings = StoreRepair.Options()
    settings.tree = options
    settings.isDryRun = dryRun
    settings.storeID = StoreID(low: 3, high: 4)
    return try StoreRepair.run(self, directory: directory, options: settings)
  }

  /// The records of a store that must open.
  func records(options: TreeOptions = .tiny) throws -> [TreeRecord] {
    let tree = try LSMTree.open(restart(), directory: TreeRun.directory, options: options)
    let records = try tree.records().records
    for record in records { #expect(try tree.value(record.key).value == record.value) }
    try tree.close()
    return records
  }

  /// What a repaired store holds; it must be whole by every measure, and go on working.
  func repairedRecords(
    options: TreeOptions = .tiny, _ comment: @autoclosure () -> String = ""
  ) throws -> [TreeRecord] {
    let problems = try problems()
    #expect(problems.isEmpty, "\(comment()): \(problems.map(\.description))")
    let records = try records(options: options)
    let tree = try LSMTree.open(self, directory: TreeRun.directory, options: options)
    try tree.apply([.put([0x7e], [1]), .deleteRange([0x7e, 0], [0x7f])], sync: true)
    try tree.compact()
    #expect(try tree.records().records.filter { $0.key != [0x7e] } == records, "\(comment())")
    try tree.close()
    #expect(try self.problems().isEmpty, "\(comment()), after going on")
    return records
  }
}
