import Glibc
import Platform
import Testing

@Suite struct FileTroubleTests {
  @Test(arguments: [
    (
      EACCES,
      "Permission denied. Give this user the right to it (chmod, chown), or name another path"
    ),
    (EROFS, "Read-only file system. Mount the file system for writing, or name another path"),
    (ENAMETOOLONG, "File name too long. Name a shorter path"),
    (ENOSPC, "No space left on device. Free space"),
    (EMFILE, "Too many open files. Raise the limit of open files (ulimit -n)"),
    (EIO, "Input/output error. Check the disk"),
    (ENOENT, "No such file or directory. Check the path"),
    (ENOTDIR, "Not a directory. Name a path that leads through folders only"),
  ])
  func saysWhatHappenedAndWhatToDo(code: Int32, sentences: String) {
    #expect(FileTrouble.sentences(for: code, at: "/nowhere/at/all") == sentences)
  }

  @Test func namesTheFileThatIsNoFolder() {
    #expect(
      FileTrouble.sentences(for: ENOTDIR, at: "/dev/null/x/y")
        == "/dev/null is a file, not a directory. Name another path")
  }

  @Test func aPlaceThatIsNoLinkHasNoTarget() {
    #expect(FileTrouble.target(ofLink: "/dev/null") == nil)
    #expect(FileTrouble.target(ofLink: "/nowhere") == nil)
    #expect(FileTrouble.target(ofLink: "/proc/self") == "\(getpid())")
  }
}
