import Glibc
import LSM
import LSMTestSupport
import Testing

/// What both file systems must do alike, and what only the real one can show.
@Suite("File systems") struct FileSystemTests {
  enum Kind: CaseIterable { case posix, memory }

  /// A file system and an empty directory in it; the directory is removed with the fixture.
  final class Fixture {
    let fileSystem: any FileSystem
    let directory: String

    init(_ kind: Kind) throws {
      switch kind {
      case .memory:
        fileSystem = MemoryFileSystem()
        directory = "/db"
        try fileSystem.createDirectory(directory)
      case .posix:
        fileSystem = POSIXFileSystem()
        var template = Array("/tmp/seandb-test-XXXXXX".utf8CString)
        directory = String(cString: try #require(mkdtemp(&template)))
      }
    }

    deinit {
      guard fileSystem is POSIXFileSystem else { return }
      if let names = try? fileSystem.list(directory) {
        for name in names { unlink(directory + "/" + name) }
        for name in names { rmdir(directory + "/" + name) }
      }
      rmdir(directory)
    }

    func path(_ name: String) -> String { directory + "/" + name }

    func write(_ name: String, _ text: String) throws {
      let file = try fileSystem.create(path(name))
      try Array(text.utf8).withUnsafeBytes { try file.append($0) }
      try file.sync()
      try file.close()
    }

    func read(_ name: String) throws -> String {
      String(decoding: try fileSystem.contents(of: path(name), limit: 1 << 20), as: UTF8.self)
    }
  }

  @Test(arguments: Kind.allCases)
  func writesAndReadsBack(kind: Kind) throws {
    let fixture = try Fixture(kind)
    let file = try fixture.fileSystem.create(fixture.path("a"))
    for text in ["one", "", "two"] {
      try Array(text.utf8).withUnsafeBytes { try file.append($0) }
    }
    #expect(file.size == 6)
    try file.sync()
    try file.close()
    try file.close()
    #expect(try fixture.read("a") == "onetwo")
    #expect(throws: LSMError.closed(path: fixture.path("a"))) { try file.sync() }
  }

  @Test(arguments: Kind.allCases)
  func refusesAReadAfterTheEnd(kind: Kind) throws {
    let fixture = try Fixture(kind)
    try fixture.write("a", "12345")
    let file = try fixture.fileSystem.open(fixture.path("a"))
    #expect(file.size == 5)
    var buffer = [UInt8](repeating: 0, count: 3)
    for offset: UInt64 in [3, 5, 6, .max - 1, .max, 1 << 63] {
      #expect {
        try buffer.withUnsafeMutableBytes { bytes in
          try file.read(into: bytes, at: offset)
        }
      } throws: {
        ($0 as? LSMError)?.isCorruption == true
      }
    }
    try buffer.withUnsafeMutableBytes { bytes in
      try file.read(into: bytes, at: 2)
    }
    #expect(buffer == Array("345".utf8))
    file.close()
  }

  @Test(arguments: Kind.allCases)
  func neverReplacesAFileByCreating(kind: Kind) throws {
    let fixture = try Fixture(kind)
    try fixture.write("a", "old")
    #expect(
      throws: LSMError.alreadyExists(.init(.create, path: fixture.path("a"), code: EEXIST))
    ) { try fixture.fileSystem.create(fixture.path("a")) }
    #expect(throws: LSMError.notFound(.init(.open, path: fixture.path("b"), code: ENOENT))) {
      try fixture.fileSystem.open(fixture.path("b"))
    }
  }

  @Test(arguments: Kind.allCases)
  func renamesLinksAndRemoves(kind: Kind) throws {
    let fixture = try Fixture(kind)
    let fileSystem = fixture.fileSystem
    try fixture.write("a", "1")
    try fixture.write("b", "2")
    try fileSystem.link(fixture.path("a"), to: fixture.path("c"))
    try fileSystem.rename(fixture.path("a"), to: fixture.path("b"))
    try fileSystem.syncDirectory(fixture.directory)
    #expect(try fileSystem.list(fixture.directory).sorted() == ["b", "c"])
    #expect(try fixture.read("b") == "1")
    #expect(throws: LSMError.alreadyExists(.init(.link, path: fixture.path("c"), code: EEXIST))) {
      try fileSystem.link(fixture.path("b"), to: fixture.path("c"))
    }
    try fileSystem.remove(fixture.path("b"))
    #expect(try fixture.read("c") == "1")
    #expect(try !fileSystem.exists(fixture.path("b")))
    #expect(throws: LSMError.notFound(.init(.remove, path: fixture.path("b"), code: ENOENT))) {
      try fileSystem.remove(fixture.path("b"))
    }
  }

  @Test(arguments: Kind.allCases)
  func makesADirectoryOnce(kind: Kind) throws {
    let fixture = try Fixture(kind)
    try fixture.fileSystem.createDirectory(fixture.path("sub"))
    #expect(try fixture.fileSystem.list(fixture.path("sub")).isEmpty)
    #expect(throws: LSMError.self) { try fixture.fileSystem.createDirectory(fixture.path("sub")) }
    #expect(throws: LSMError.self) { try fixture.fileSystem.create(fixture.path("no/file")) }
    #expect(throws: LSMError.self) { try fixture.fileSystem.list(fixture.path("no")) }
  }

  @Test(arguments: Kind.allCases)
  func locksOnce(kind: Kind) throws {
    let fixture = try Fixture(kind)
    let path = fixture.path("LOCK")
    do {
      let lock = try fixture.fileSystem.lock(path)
      #expect(throws: LSMError.lockHeld(path: path)) { try fixture.fileSystem.lock(path) }
      withExtendedLifetime(lock) {}
    }
    _ = try fixture.fileSystem.lock(path)
  }

  @Test(arguments: Kind.allCases)
  func overwritesPreallocatedZeros(kind: Kind) throws {
    let fixture = try Fixture(kind)
    let file = try fixture.fileSystem.create(fixture.path("a"))
    try file.preallocate(8)
    #expect(file.size == 0)
    try Array("xyz".utf8).withUnsafeBytes { try file.append($0) }
    try file.preallocate(6)
    try file.sync()
    try fixture.fileSystem.sync(fixture.path("a"))
    #expect(file.size == 3)
    #expect(try fixture.read("a") == "xyz\0\0\0\0\0\0")
    try file.close()
  }

  @Test(arguments: Kind.allCases)
  func installsAFileOverAnother(kind: Kind) throws {
    let fixture = try Fixture(kind)
    for (number, text) in [(1, "old"), (2, "new")] as [(FileNumber, String)] {
      try Array(text.utf8).withUnsafeBytes { bytes in
        try fixture.fileSystem.installFile(
          .current, in: fixture.directory, temporary: number, bytes)
      }
      #expect(try fixture.read("CURRENT") == text)
    }
    #expect(try fixture.fileSystem.list(fixture.directory) == ["CURRENT"])
  }

  @Test func refusesAFileOverTheLimit() throws {
    let fixture = try Fixture(.memory)
    try fixture.write("a", "12345")
    #expect(throws: LSMError.self) {
      try fixture.fileSystem.contents(of: fixture.path("a"), limit: 4)
    }
  }

  /// A write to a full device is an error of its own kind.
  @Test func tellsAFullDisk() throws {
    let failure = LSMError.Failure(.write, path: "/dev/full", code: ENOSPC)
    #expect(
      LSMError.noSpace(failure).description
        == "cannot write /dev/full: No space left on device; free space")
  }
}
