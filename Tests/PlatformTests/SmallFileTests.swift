import Glibc
import Platform
import TestSupport
import Testing

@Suite("Small files") struct SmallFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func read(_ name: String, limitBytes: Int = 1 << 20) throws(FileFailure) -> [UInt8]? {
    try SmallFile.read(folder.path + "/" + name, limitBytes: limitBytes) { $0 }
  }

  private func replace(_ name: String, _ bytes: [UInt8]) throws(FileFailure) {
    try SmallFile.replace(name, in: folder.path, with: bytes) { $0 }
  }

  @Test(arguments: [0, 1, 64 << 10, (64 << 10) + 1, 200_000])
  func readsWhatWasWritten(byteCount: Int) throws {
    let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    try replace("a", bytes)
    #expect(try read("a") == bytes)
    #expect(try read("a", limitBytes: 100) == Array(bytes.prefix(100)))
  }

  @Test func aFileThatIsNotThereIsNil() throws {
    try folder.write("file", "")
    #expect(try read("nothing") == nil)
    #expect(try read("file/below") == nil)
  }

  @Test func refusesWhatIsNoFile() {
    let pipe = folder.path + "/pipe"
    mkfifo(pipe, 0o600)
    #expect(throws: FileFailure.notAFile(path: pipe)) { try read("pipe") }
    let itself = folder.path + "/."
    #expect(throws: FileFailure.notAFile(path: itself)) { try read(".") }
  }

  @Test func replacesAndLeavesNothingBeside() throws {
    try replace("a", [1, 2, 3])
    try replace("a", [4])
    #expect(try read("a") == [4])
    #expect(Folder.names(in: folder.path) == ["a"])
  }

  @Test func keepsTheOldFileWhenItCannotBeReplaced() throws {
    try replace("a", [1])
    let temporary = folder.path + "/a" + SmallFile.temporarySuffix
    mkdir(temporary, 0o755)
    #expect(throws: FileFailure.system(action: "write", path: temporary, code: EISDIR)) {
      try replace("a", [2])
    }
    #expect(try read("a") == [1])
  }

  @Test func takesTheTemporaryFileAwayWhenItCannotGetItsName() throws {
    try folder.write("a/inside", "")
    let path = folder.path + "/a"
    #expect(throws: FileFailure.system(action: "write", path: path, code: EISDIR)) {
      try replace("a", [2])
    }
    #expect(Folder.names(in: folder.path) == ["a"])
  }

  @Test func saysWhyAnOpenFileIsNotWritten() throws {
    let descriptor = open("/dev/full", O_WRONLY)
    defer { close(descriptor) }
    #expect(throws: SystemError.self) { try SmallFile.write([1], to: descriptor) }
    #expect(throws: SystemError.self) { try SmallFile.contents(of: descriptor) }
  }

  @Test func listsNames() throws {
    for name in ["b", "a", ".c"] { try folder.write(name, "") }
    #expect(Folder.names(in: folder.path) == [".c", "a", "b"])
    #expect(Folder.names(in: folder.path + "/a") == nil)
    #expect(errno == ENOTDIR)
  }

  @Test func syncsFoldersOnly() throws {
    try Folder.sync(folder.path) { $0 }
    let path = try folder.write("a", "")
    #expect(throws: FileFailure.system(action: "open", path: path, code: ENOTDIR)) {
      try Folder.sync(path) { $0 }
    }
  }
}
