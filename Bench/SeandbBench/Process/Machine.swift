import Glibc

/// The machine the figures come from.
struct Machine: Sendable {
  let cpuModel: String
  let coreCount: Int
  let memoryBytes: Int
  let kernel: String
  /// Load average of the last minute: what else runs on the machine.
  let load: String
  /// The type of the file system the engines write to.
  let fileSystem: String

  /// - Parameter directory: absolute; where the engines write.
  init(directory: String) {
    cpuModel =
      SystemFile.value(after: "model name", in: "/proc/cpuinfo").map(String.init) ?? "unknown"
    coreCount = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    memoryBytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    kernel = Self.firstWord(of: "/proc/sys/kernel/osrelease")
    load = Self.firstWord(of: "/proc/loadavg")
    fileSystem = Self.fileSystem(of: directory)
  }

  /// Whether an fsync costs nothing, so that figures of durable writes mean nothing.
  var keepsFilesInMemory: Bool { fileSystem == "tmpfs" }

  private static func firstWord(of path: String) -> String {
    let text = SystemFile.read(path) ?? ""
    return text.split { $0 == " " || $0 == "\n" }.first.map(String.init) ?? "unknown"
  }

  /// The type of the mount whose path is the longest beginning of `directory`.
  private static func fileSystem(of directory: String) -> String {
    var found = (length: -1, type: "unknown")
    for line in (SystemFile.read("/proc/self/mounts") ?? "").split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count > 2 else { continue }
      let point = fields[1] == "/" ? "/" : fields[1] + "/"
      if (directory + "/").hasPrefix(point), point.utf8.count >= found.length {
        found = (point.utf8.count, String(fields[2]))
      }
    }
    return found.type
  }
}
