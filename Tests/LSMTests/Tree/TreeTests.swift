import LSM
import LSMTestSupport
import Testing

@Suite("Tree") struct TreeTests {
  static func key(_ number: Int) -> [UInt8] {
    let digits = String(number)
    return Array(("key" + String(repeating: "0", count: 6 - digits.count) + digits).utf8)
  }

  static func open(
    _ fileSystem: MemoryFileSystem, _ options: TreeOptions = .tiny
  ) throws -> LSMTree {
    try LSMTree.open(fileSystem, directory: TreeRun.directory, options: options)
  }

  // MARK: - Refusals

  @Test func refusesMalformedBatchesAndChangesNothing() throws {
    let fileSystem = MemoryFileSystem()
    let tree = try Self.open(fileSystem)
    try tree.apply([.put([1], [1])])
    let whole = Change.batch([.put([1], [2]), .delete([2]), .deleteRange([3], [4])])
    for count in whole.indices {
      _ = Array(whole[..<count]).withUnsafeBytes { bytes in
        #expect {
          try tree.apply(bytes, sync: false)
        } throws: { error in
          if case .malformedBatch? = error as? LSMError { true } else { false }
        }
      }
    }
    for damaged in [
      whole + [0x01], whole + [0x07, 0], Change.batch([.deleteRange([4], [3])]),
      Change.batch([.deleteRange([4], [4])]),
    ] {
      _ = damaged.withUnsafeBytes { bytes in
        #expect(throws: LSMError.self) { try tree.apply(bytes, sync: false) }
      }
    }
    #expect(try tree.records().records == [TreeRecord(key: [1], value: [1])])
    #expect(tree.failure == nil)
    try tree.close()
  }

  @Test func refusesKeysThatNoTableCanHold() throws {
    let tree = try Self.open(MemoryFileSystem())
    let key = [UInt8](repeating: 1, count: (1 << 24) + 1)
    let error = #expect(throws: LSMError.self) { try tree.apply([.put(key, [])]) }
    #expect(error == .tooLarge(bytes: key.count, limit: 1 << 24))
    #expect(tree.failure == nil)
    try tree.apply([.put([1], [1])], sync: true)
    try tree.close()
  }

  @Test func belongsToOneOwner() throws {
    let fileSystem = MemoryFileSystem()
    let tree = try Self.open(fileSystem)
    #expect(throws: LSMError.lockHeld(path: "/store/LOCK")) { try Self.open(fileSystem) }
    try tree.close()
    try Self.open(fileSystem).close()
  }

  @Test func makesNothingWhenToldSo() {
    var options = TreeOptions.tiny
    options.createIfMissing = false
    let fileSystem = MemoryFileSystem()
    #expect(throws: LSMError.self) { try Self.open(fileSystem, options) }
    options.isReadOnly = true
    #expect(throws: LSMError.self) { try Self.open(fileSystem, options) }
    #expect(fileSystem.names(in: "/").isEmpty)
  }

  // MARK: - Reading only

  @Test func readsADirectoryThatIsOpenElsewhere() throws {
    let fileSystem = MemoryFileSystem()
    let tree = try Self.open(fileSystem)
    for number in 0..<200 { try tree.apply([.put(Self.key(number), [UInt8(number)])]) }
    try tree.apply([.deleteRange(Self.key(10), Self.key(20))])
    let names = fileSystem.names(in: TreeRun.directory)
    var options = TreeOptions.tiny
    options.isReadOnly = true
    let reader = try Self.open(fileSystem, options)
    #expect(try reader.records().records == tree.records().records)
    for call in [
      { () throws in try reader.apply([.put([1], [1])]) }, { try reader.flush() },
      { try reader.compact() },
    ] {
      #expect(throws: LSMError.readOnly(path: TreeRun.directory)) { try call() }
    }
    try reader.close()
    #expect(fileSystem.names(in: TreeRun.directory) == names)
    try tree.close()
  }

  // MARK: - Damaged logs

  /// What an operator chooses who prefers an older state to none.
  @Test func endsAtTheFirstDamageWhenToldSo() throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1 << 20
    let tree = try Self.open(fileSystem, options)
    for number in 0..<50 { try tree.apply([.put(Self.key(number), [1])], sync: true) }
    try tree.close()
    let name = try #require(fileSystem.names(in: TreeRun.directory).first { $0.hasSuffix(".log") })
    let path = TreeRun.directory + "/" + name
    var bytes = try #require(fileSystem.bytes(of: path))
    bytes[bytes.count / 2] ^= 1
    fileSystem.setBytes(of: path, bytes)
    #expect {
      try Self.open(fileSystem.restart(), options)
    } throws: {
      ($0 as? LSMError)?.isCorruption == true
    }
    options.dropsDamagedLogTail = true
    let after = fileSystem.restart()
    let shorter = try Self.open(after, options)
    let count = try shorter.records().records.count
    #expect(count > 10 && count < 50)
    try shorter.apply([.put(Self.key(99), [9])], sync: true)
    try shorter.close()
    options.dropsDamagedLogTail = false
    let again = try Self.open(after.restart(), options)
    #expect(try again.records().records.count == count + 1)
    try again.close()
  }

  /// A log whose end is ahead of all that is there: the next write must not meet it.
  @Test func refusesALogThatCountsFurtherThanItsRecords() throws {
    let fileSystem = MemoryFileSystem()
    let tree = try Self.open(fileSystem)
    try tree.apply([.put([1], [1])], sync: true)
    try tree.flush()
    try tree.close()
    let name = try #require(fileSystem.names(in: TreeRun.directory).first { $0.hasSuffix(".log") })
    let number = FileNumber(try #require(UInt64(name.prefix(6))))
    try fileSystem.remove(TreeRun.directory + "/" + name)
    // The same log, made anew after changes that nobody has.
    let before = try LogWriter(
      fileSystem, directory: "/", name: .log(FileNumber(number.rawValue - 1)),
      store: StoreID(low: 1, high: 2), after: nil, preallocates: false)
    try [UInt8](repeating: 0, count: 4).withUnsafeBytes { try before.append($0, sequence: 99) }
    let writer = try LogWriter(
      fileSystem, directory: TreeRun.directory, name: .log(number),
      store: StoreID(low: 1, high: 2), after: try before.finish(), preallocates: false)
    _ = try writer.finish()
    #expect {
      try Self.open(fileSystem.restart())
    } throws: {
      ($0 as? LSMError)?.isCorruption == true
    }
  }

  // MARK: - Files

  /// A number under which a byte was written is never given out again.
  @Test func fileNumbersOnlyGrow() throws {
    let fileSystem = MemoryFileSystem()
    var highest = 0
    for life in 0..<5 {
      let tree = try Self.open(fileSystem)
      let numbers = fileSystem.names(in: TreeRun.directory)
        .compactMap { name in Int(name.filter(\.isNumber)) }
      let lowestNew = numbers.max() ?? 0
      #expect(lowestNew > highest)
      for number in 0..<40 { try tree.apply([.put(Self.key(number), [UInt8(life)])]) }
      try tree.flush()
      highest =
        fileSystem.names(in: TreeRun.directory)
        .compactMap { name in Int(name.filter(\.isNumber)) }.max() ?? 0
      if life % 2 == 0 { try tree.close() } else { try? tree.close() }
    }
  }

  @Test func beginsAManifestAnewWhenItHasGrown() throws {
    let fileSystem = MemoryFileSystem()
    var options = TreeOptions.tiny
    options.memtableSizeBytes = 1
    let tree = try Self.open(fileSystem, options)
    func manifest() -> String? {
      fileSystem.names(in: TreeRun.directory).first { $0.hasPrefix("MANIFEST") }
    }
    let first = manifest()
    // Long keys make long edits.
    for number in 0..<400 {
      let key = [UInt8](repeating: UInt8(number % 50), count: 2000)
      try tree.apply([.put(key, [UInt8(truncatingIfNeeded: number)])])
    }
    #expect(manifest() != first)
    #expect(fileSystem.names(in: TreeRun.directory).filter { $0.hasPrefix("MANIFEST") }.count == 1)
    let records = try tree.records().records
    #expect(records.count == 50)
    try tree.close()
    let again = try Self.open(fileSystem.restart(), options)
    #expect(try again.records().records == records)
    try again.close()
  }
}
