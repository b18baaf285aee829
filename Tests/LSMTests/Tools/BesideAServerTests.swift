import Foundation
import LSM
import LSMTestSupport
import Synchronization
import Testing

/// What looks at a store while a server writes to it must never call it damaged.
@Suite("Beside a running server") struct BesideAServerTests {
  private final class Progress: Sendable {
    let isDone = Atomic<Bool>(false)
  }

  @Test func nothingIsDamagedThatOnlyChanges() async throws {
    let directory = NSTemporaryDirectory() + "lsm-beside-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var options = TreeOptions.tiny
    options.backgroundThreads = 2
    options.memtableSizeBytes = 4 << 10
    options.tableBytes = 8 << 10
    options.storeID = nil
    let tree = try LSMTree.open(POSIXFileSystem(), directory: directory, options: options)
    try tree.apply([.put([0], [0])])
    let progress = Progress()
    let (looks, mostLooks) = (15, 60)
    let reading = options
    let through = try await withThrowingTaskGroup(of: Int.self) { group in
      group.addTask {
        var number = 0
        while !progress.isDone.load(ordering: .acquiring) {
          try tree.apply([.put(TreeTests.key(number % 100), [UInt8](repeating: 1, count: 200))])
          number += 1
        }
        return 0
      }
      group.addTask {
        defer { progress.isDone.store(true, ordering: .releasing) }
        var (count, through) = (0, 0)
        // On a busy machine the writer is ahead of many looks in a row: it is looked at until one comes through.
        while count < looks || (through == 0 && count < mostLooks) {
          through += try Self.look(directory, reading) ? 1 : 0
          count += 1
        }
        return through
      }
      return try await group.reduce(0, +)
    }
    // It may be too fast at times, and says so; but not always.
    #expect(through > 0, "none of \(mostLooks) looks")
    try tree.close()
  }

  /// False when the store changed too fast.
  private static func look(_ directory: String, _ options: TreeOptions) throws -> Bool {
    let fileSystem = POSIXFileSystem()
    do throws(LSMError) {
      let inspection = try StoreInspection(fileSystem, directory: directory)
      #expect(inspection.findings.isEmpty, "\(inspection.findings)")
      for log in inspection.logs where log.isNeeded {
        do throws(LSMError) {
          try FileInspection.log(fileSystem, directory: directory, log.number) { item in
            if case .damage(let finding) = item { Issue.record("\(finding)") }
          }
        } catch .notFound {}
      }
      let finding = FileInspection.manifest(fileSystem, directory: directory) { _, _ in }
      if let finding, !finding.what.contains("changes faster") { Issue.record("\(finding)") }
      let summary = try StoreVerification.run(
        fileSystem, directory: directory, report: { Issue.record("\($0)") })
      #expect(summary.problemCount == 0)
      var reading = options
      reading.isReadOnly = true
      reading.createIfMissing = false
      let reader = try LSMTree.open(fileSystem, directory: directory, options: reading)
      #expect(reader.lastSequence > 0)
      try reader.close()
      return true
    } catch .changing {
      return false
    }
  }

  @Test func countsTheRecordsThatAReaderSees() throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    let tree = try TreeTests.open(fileSystem, options)
    for number in 0..<200 { try tree.apply([.put(TreeTests.key(number), [1])]) }
    func count() throws -> UInt64? {
      try StoreVerification.run(
        fileSystem.restart(), directory: TreeRun.directory, report: { Issue.record("\($0)") }
      ).liveRecordCount
    }
    #expect(try count() == 200)
    try tree.flush()
    for number in 50..<60 { try tree.apply([.delete(TreeTests.key(number))]) }
    try tree.apply([.deleteRange(TreeTests.key(100), TreeTests.key(150)), .put([1], [1])])
    #expect(try count() == 141)
    try tree.close()
    #expect(try count() == 141)
  }
}
