import Glibc
import LSM
import LSMTestSupport
import Testing

/// The model must be able to lose everything that a disk can lose, and nothing else.
@Suite("Memory file system") struct MemoryFileSystemTests {
  private func make(_ name: String, _ bytes: [UInt8], in fileSystem: MemoryFileSystem)
    throws -> any WritableFile
  {
    let file = try fileSystem.create(name)
    try append(bytes, to: file)
    return file
  }

  private func append(_ bytes: [UInt8], to file: any WritableFile) throws {
    try bytes.withUnsafeBytes { try file.append($0) }
  }

  /// The states a file has after many crashes.
  private func outcomes(
    of path: String, in fileSystem: MemoryFileSystem, rounds: UInt64 = 400
  ) -> Set<[UInt8]?> {
    Set((0..<rounds).map { fileSystem.crash(seed: $0).bytes(of: path) })
  }

  @Test func keepsWhatIsSynced() throws {
    let fileSystem = MemoryFileSystem()
    let file = try make("/a", Array(repeating: 7, count: 10_000), in: fileSystem)
    try file.sync()
    try fileSystem.syncDirectory("/")
    #expect(outcomes(of: "/a", in: fileSystem) == [Array(repeating: 7, count: 10_000)])
  }

  @Test func mayLoseTheNameOfASyncedFile() throws {
    let fileSystem = MemoryFileSystem()
    try make("/a", [1], in: fileSystem).sync()
    #expect(outcomes(of: "/a", in: fileSystem) == [nil, [1]])
  }

  @Test func mayLoseBlocksAndSectorsOneByOne() throws {
    let fileSystem = MemoryFileSystem()
    let file = try make("/a", [], in: fileSystem)
    try fileSystem.syncDirectory("/")
    try append([UInt8](repeating: 7, count: 8192), to: file)
    let found = outcomes(of: "/a", in: fileSystem, rounds: 2000).compactMap { $0 }
    #expect(found.contains([]))
    #expect(found.contains(Array(repeating: 7, count: 8192)))
    let first = [UInt8](repeating: 7, count: 4096)
    let zeros = [UInt8](repeating: 0, count: 4096)
    #expect(found.contains(first + zeros), "only the first block")
    #expect(found.contains(zeros + first), "only the second block")
    #expect(found.contains { Set($0.prefix(4096)).count == 2 }, "a torn block")
    #expect(found.contains { $0.count > 0 && $0.count < 8192 }, "a length between")
    #expect(found.contains { Set($0).count > 2 }, "old bytes of someone else")
  }

  @Test func keepsSyncedBytesOfADirtyBlock() throws {
    let fileSystem = MemoryFileSystem()
    let file = try make("/a", [1, 2, 3], in: fileSystem)
    try file.sync()
    try fileSystem.syncDirectory("/")
    try append([4, 5, 6], to: file)
    for found in outcomes(of: "/a", in: fileSystem) {
      #expect(found?.starts(with: [1, 2, 3]) == true)
    }
  }

  @Test func renamesInOneStepButNotDurably() throws {
    let fileSystem = MemoryFileSystem()
    try make("/a", [1], in: fileSystem).sync()
    try make("/b", [2], in: fileSystem).sync()
    try fileSystem.syncDirectory("/")
    try fileSystem.rename("/a", to: "/b")
    #expect(outcomes(of: "/b", in: fileSystem) == [[1], [2]])
    #expect(outcomes(of: "/a", in: fileSystem) == [nil, [1]])
    try fileSystem.syncDirectory("/")
    #expect(outcomes(of: "/b", in: fileSystem) == [[1]])
    #expect(outcomes(of: "/a", in: fileSystem) == [nil])
  }

  @Test func mayBringARemovedFileBack() throws {
    let fileSystem = MemoryFileSystem()
    try make("/a", [1], in: fileSystem).sync()
    try fileSystem.syncDirectory("/")
    try fileSystem.remove("/a")
    #expect(outcomes(of: "/a", in: fileSystem) == [nil, [1]])
  }

  @Test func losesADirectoryWithAllThatIsInIt() throws {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory("/d")
    try make("/d/a", [1], in: fileSystem).sync()
    try fileSystem.syncDirectory("/d")
    #expect(outcomes(of: "/d/a", in: fileSystem) == [nil, [1]])
    try fileSystem.syncDirectory("/")
    #expect(outcomes(of: "/d/a", in: fileSystem) == [[1]])
  }

  @Test func pretendsToBeCleanAfterAFailedSync() throws {
    let fileSystem = MemoryFileSystem()
    let file = try make("/a", [1], in: fileSystem)
    try file.sync()
    try fileSystem.syncDirectory("/")
    try append([2], to: file)
    fileSystem.fail(call: fileSystem.calls + 1, .lostSync)
    #expect(throws: LSMError.self) { try file.sync() }
    try file.sync()
    #expect(fileSystem.restart().bytes(of: "/a") == [1, 2])
    #expect(outcomes(of: "/a", in: fileSystem) == [[1]])
  }

  @Test func leavesHalfARecordWhenTheDiskIsFull() throws {
    let fileSystem = MemoryFileSystem()
    let file = try fileSystem.create("/a")
    fileSystem.fail(call: 2, .noSpace)
    #expect(throws: LSMError.noSpace(.init(.write, path: "/a", code: ENOSPC))) {
      try append([1, 2, 3, 4], to: file)
    }
    #expect(fileSystem.bytes(of: "/a") == [1, 2])
  }

  @Test func failsAndYetDoesIt() throws {
    let fileSystem = MemoryFileSystem()
    fileSystem.fail(call: 1, .deniedAfterwards)
    #expect(throws: LSMError.self) { try fileSystem.create("/a") }
    #expect(fileSystem.bytes(of: "/a") == [])
    #expect(fileSystem.hitFaults == 1)
  }

  @Test func refusesEveryCallOfADeadProcess() throws {
    let fileSystem = MemoryFileSystem()
    let file = try make("/a", [1], in: fileSystem)
    fileSystem.die(afterCall: fileSystem.calls)
    #expect(throws: LSMError.self) { try append([2], to: file) }
    #expect(throws: LSMError.self) { try fileSystem.exists("/a") }
    #expect(try fileSystem.restart().exists("/a"))
  }

  @Test func crashesAlikeFromTheSameSeed() throws {
    let fileSystem = MemoryFileSystem()
    for index in 0..<20 {
      let file = try make("/\(index)", Array(repeating: UInt8(index), count: 9000), in: fileSystem)
      if index % 2 == 0 { try file.sync() }
    }
    for seed in 0..<20 as Range<UInt64> {
      let one = fileSystem.crash(seed: seed)
      let other = fileSystem.crash(seed: seed)
      #expect(one.names(in: "/") == other.names(in: "/"))
      for name in one.names(in: "/") {
        #expect(one.bytes(of: "/" + name) == other.bytes(of: "/" + name))
      }
    }
  }

  /// An installed file is whole after a crash at any call, whatever the coins say.
  @Test func installsOldOrNewAtEveryCrashPoint() throws {
    func program(_ fileSystem: MemoryFileSystem) throws {
      try [UInt8](repeating: 2, count: 5000).withUnsafeBytes { bytes in
        try fileSystem.installFile(.current, in: "/", temporary: 2, bytes)
      }
    }
    let old = [UInt8](repeating: 1, count: 5000)
    let new = [UInt8](repeating: 2, count: 5000)
    for call in 0...6 {
      let fileSystem = MemoryFileSystem()
      fileSystem.setBytes(of: "/CURRENT", old)
      fileSystem.die(afterCall: call)
      let isDone = (try? program(fileSystem)) != nil
      for found in outcomes(of: "/CURRENT", in: fileSystem, rounds: 50) {
        #expect(found == new || (found == old && !isDone), "call \(call)")
      }
      #expect(isDone == (call == 6))
    }
  }
}
