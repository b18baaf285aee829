import Glibc

/// How much memory this process may use: the machine's, or less when one of its control groups has a limit (cgroups(7),
/// version 1 or 2). A container's limit is one of those.
package struct MemoryLimit: Equatable, Sendable {
  /// At least one page.
  package let bytes: Int
  /// Whether a control group sets it, and not the machine.
  package let isOfControlGroup: Bool

  /// Reads some files of /proc and /sys. What cannot be read sets no limit.
  package static func ofThisProcess() -> MemoryLimit {
    MemoryLimit(
      machineBytes: max(4096, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
    ) { path in
      try? SmallFile.read(path, limitBytes: 64 << 10) { $0 }.map {
        String(decoding: $0, as: UTF8.self)
      }
    }
  }

  /// - Parameter file: the text of a file; nil when there is none.
  package init(machineBytes: Int, file: (String) -> String?) {
    var limit: Int?
    for line in (file("/proc/self/cgroup") ?? "").split(separator: "\n") {
      // hierarchy:controllers:path; version 2 has hierarchy 0 and no controllers.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isVersion2 = parts[1].isEmpty
      guard isVersion2 || parts[1].split(separator: ",").contains("memory") else { continue }
      let roots =
        isVersion2 ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/memory"]
      let names = isVersion2 ? ["memory.max", "memory.high"] : ["memory.limit_in_bytes"]
      for root in roots {
        for group in Self.groups(of: parts[2]) {
          for name in names {
            guard let text = file("\(root)\(group)/\(name)"),
              let bytes = Int(text.filter { !$0.isWhitespace })
            else { continue }
            limit = min(limit ?? .max, bytes)
          }
        }
      }
    }
    let own = limit.map { max(4096, $0) } ?? .max
    isOfControlGroup = own < machineBytes
    bytes = min(own, machineBytes)
  }

  /// A group and all above it, of which each may have a limit. In a container the group's path may be one of the
  /// host's, which is not there, and the container's own group is the root.
  private static func groups(of path: Substring) -> [String] {
    var group = path.hasSuffix("/") ? path.dropLast() : path
    var groups: [String] = []
    while let end = group.lastIndex(of: "/") {
      groups.append(String(group))
      group = group[..<end]
    }
    return groups + [""]
  }
}
