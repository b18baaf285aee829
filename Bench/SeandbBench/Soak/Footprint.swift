import Glibc

// SAFETY: the path ends with NUL; the folder is closed once, after the last entry, and an entry is not looked into.

/// What a store and its process take, now and at most.
struct Footprint {
  private let directory: String
  private(set) var diskBytes: UInt64 = 0
  private(set) var memoryBytes: UInt64 = 0
  private(set) var openFiles: UInt64 = 0
  private var peak: (disk: UInt64, memory: UInt64, files: UInt64) = (0, 0, 0)

  init(directory: String) { self.directory = directory }

  mutating func sample() {
    diskBytes = ScratchDirectory.allocatedBytes(of: directory)
    memoryBytes = (SystemFile.number(after: "VmRSS:", in: "/proc/self/status") ?? 0) << 10
    openFiles = Self.count("/proc/self/fd")
    peak = (max(peak.disk, diskBytes), max(peak.memory, memoryBytes), max(peak.files, openFiles))
  }

  private static func count(_ directory: String) -> UInt64 {
    guard let stream = unsafe opendir(directory) else { return 0 }
    defer { unsafe closedir(stream) }
    var count: UInt64 = 0
    while unsafe readdir(stream) != nil { count += 1 }
    return count
  }

  var text: String {
    "disk \(diskBytes >> 20) MiB, memory \(memoryBytes >> 20) MiB, open files \(openFiles)"
  }

  var peakText: String {
    "disk \(peak.disk >> 20) MiB, memory \(peak.memory >> 20) MiB, open files \(peak.files)"
  }
}
