import LSM
import LSMTestSupport
import Testing

/// Every byte of every file of a small store, flipped, one at a time: the same answer, or an error that
/// names a file. Never another answer, never a trap.
@Suite("Damaged store") struct TreeDamageTests {
  private static func key(_ number: Int) -> [UInt8] { Array("key\(number)".utf8) }

  /// A store with tables on two levels, range tombstones, and records in the log.
  private static func makeStore(closed: Bool) throws -> (MemoryFileSystem, TreeRun) {
    let fileSystem = MemoryFileSystem()
    var run = TreeRun()
    run.options.memtableSizeBytes = 600
    var steps: [TreeStep] = (0..<12).map {
      .write([.put(key($0), [UInt8](repeating: UInt8($0), count: 30))], sync: true)
    }
    steps += [.compact([], nil), .write([.deleteRange(key(3), key(5))], sync: true), .flush]
    steps += (0..<3).map { .write([.put(key(20 + $0), [UInt8($0)])], sync: true) }
    let tree = run.go(steps, on: fileSystem)
    #expect(run.failure == nil)
    if closed { try tree?.close() }
    return (fileSystem, run)
  }

  /// Everything a reader can ask of the store; nil when it says that a file is damaged.
  private static func readAll(_ fileSystem: MemoryFileSystem, _ run: TreeRun) throws
    -> [TreeRecord]?
  {
    do throws(LSMError) {
      let tree = try LSMTree.open(fileSystem, directory: TreeRun.directory, options: run.options)
      let records = try tree.records().records
      for record in records { #expect(try tree.value(record.key).value == record.value) }
      for number in 0..<25 {
        let value = try tree.value(key(number)).value
        #expect(value == records.first { $0.key == key(number) }?.value)
      }
      try tree.compact()
      #expect(try tree.records().records == records)
      try tree.close()
      return records
    } catch {
      switch error {
      case .corruption(let damage):
        #expect(damage.path.hasPrefix(TreeRun.directory + "/"))
      case .poisoned(let cause): #expect(cause.isCorruption, "\(cause)")
      case .unsupportedFormat(let path, _): #expect(path.hasPrefix(TreeRun.directory + "/"))
      default: throw error
      }
      return nil
    }
  }

  /// After a clean close every byte counts.
  @Test func everyFlippedByteOfAClosedStoreIsFoundOrHarmless() throws {
    let (store, run) = try Self.makeStore(closed: true)
    let expected = run.model(run.written).sorted()
    #expect(try Self.readAll(store.restart(), run) == expected)
    var found = 0
    var count = 0
    for name in store.names(in: TreeRun.directory) {
      let path = TreeRun.directory + "/" + name
      let whole = store.bytes(of: path) ?? []
      for place in whole.indices {
        let damaged = store.restart()
        var bytes = whole
        bytes[place] ^= UInt8(1 << (place % 8))
        damaged.setBytes(of: path, bytes)
        let answer = try Self.readAll(damaged, run)
        #expect(answer == nil || answer == expected, "byte \(place) of \(name)")
        found += answer == nil ? 1 : 0
        count += 1
      }
    }
    // Only bytes that nothing depends on may go unnoticed: zeros written ahead, seals.
    #expect(found * 10 > count * 9, "\(found) of \(count)")
  }

  /// Without a close the last records of a log look like a torn write when they are damaged; everything
  /// before them must still be there.
  @Test func damageToAStoreThatDiedLosesNothingButTheLastGroup() throws {
    let (store, run) = try Self.makeStore(closed: false)
    let states = (0...run.batches.count).map { run.model($0).sorted() }
    let lastSynced = run.batches.count - 1
    for name in store.names(in: TreeRun.directory) {
      let path = TreeRun.directory + "/" + name
      let whole = store.bytes(of: path) ?? []
      for place in whole.indices {
        let damaged = store.restart()
        var bytes = whole
        bytes[place] ^= UInt8(1 << (place % 8))
        damaged.setBytes(of: path, bytes)
        guard let answer = try Self.readAll(damaged, run) else { continue }
        #expect(
          states[lastSynced...].contains(answer), "byte \(place) of \(name) changed the answer")
      }
    }
  }

  @Test func everyMissingFileIsNamed() throws {
    let (store, run) = try Self.makeStore(closed: true)
    for name in store.names(in: TreeRun.directory) where name != "LOCK" {
      let damaged = store.restart()
      try damaged.remove(TreeRun.directory + "/" + name)
      let error = #expect(throws: LSMError.self) {
        try LSMTree.open(damaged, directory: TreeRun.directory, options: run.options)
      }
      guard case .corruption(let damage)? = error else {
        Issue.record("\(name): \(String(describing: error))")
        continue
      }
      #expect(damage.path == TreeRun.directory + "/" + name)
      #expect(damage.kind == .missing)
    }
  }
}
