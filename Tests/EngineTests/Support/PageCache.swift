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
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return !hasAnyPage(descriptor)
  }()

  /// Has the system drop what it holds of files that nobody has mapped. It keeps a page that a processor has just
  /// worked with, so that it is asked until none is left.
  static func forget(_ paths: [String]) throws {
    for path in paths {
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      try #require(descriptor >= 0)
      defer { close(descriptor) }
      // What is not on the disk yet is kept.
      try #require(fsync(descriptor) == 0)
      var attempts = 0
      repeat {
        attempts += 1
        try #require(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0)
        sched_yield()
      } while hasAnyPage(descriptor) && attempts < 10_000
    }
  }

  private static func hasAnyPage(_ descriptor: Int32) -> Bool {
    let bytes = Int(lseek(descriptor, 0, SEEK_END))
    guard bytes > 0 else { return false }
    let address = mmap(nil, bytes, PROT_READ, MAP_SHARED, descriptor, 0)
    defer { _ = munmap(address, bytes) }
    var states = [UInt8](repeating: 0, count: (bytes + 4095) / 4096)
    return mincore(address, bytes, &states) == 0 && states.contains { $0 & 1 == 1 }
  }
}
