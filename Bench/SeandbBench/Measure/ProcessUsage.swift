import Glibc

// SAFETY: the usage is lent to the system call until that returns.

/// What this process has used since it started, all threads of it.
struct ProcessUsage {
  /// User and system time.
  let cpuSeconds: Double
  /// Bytes handed to the disk's page cache, whether the kernel has written them yet or not.
  let writtenBytes: UInt64

  static func now() -> ProcessUsage {
    var usage = rusage()
    unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return ProcessUsage(
      cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
      writtenBytes: SystemFile.number(after: "write_bytes:", in: "/proc/self/io") ?? 0)
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1e6
  }

  /// The most memory that was resident since ``resetPeak()``.
  static var peakResidentBytes: UInt64 {
    (SystemFile.number(after: "VmHWM:", in: "/proc/self/status") ?? 0) << 10
  }

  /// Makes the memory of now the peak. Where the kernel does not allow it, the peak stays that of the process.
  static func resetPeak() { SystemFile.write("5", to: "/proc/self/clear_refs") }
}
