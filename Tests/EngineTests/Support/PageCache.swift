import Glibc
import Testing

/// The page cache of the operating system.
enum PageCache {
  /// Whether the file system of the tests' directories keeps files elsewhere as well: not one in memory.
  static let canForget: Bool = {
    guard let directory = try? TemporaryDirectory() else { return false }
    defer { directory.remove() }
    let path = directory.path("file")
    do {
      try TestFile.write([UInt8](repeating: 1, count: 64 << 10), to: path)
      try forget([path])
    } catch {
      return false
    }
    return !hasFirstPage(path)
  }()

  /// Has the system drop what it holds of files that nobody has mapped.
  static func forget(_ paths: [String]) throws {
    for path in paths {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      try #require(descriptor >= 0)
      defer { close(descriptor) }
      // What is not on the disk yet is kept.
      try #require(fsync(descriptor) == 0)
      try #require(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
    }
  }

  private static func hasFirstPage(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    let address = mmap(nil, 4096, PROT_READ, MAP_SHARED, descriptor, 0)
    defer { _ = munmap(address, 4096) }
    var state: UInt8 = 0
    return mincore(address, 4096, &state) == 0 && state & 1 == 1
  }
}
