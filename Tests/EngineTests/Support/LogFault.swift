import Foundation

/// Makes the log writes or fsyncs of one open engine fail, by putting another file under the log's
/// descriptor.
enum LogFault {
  /// Every write to the log fails: the device is full.
  case writesFail
  /// Writes succeed and fsync does not: the device has none.
  case syncsFail

  private var device: String {
    switch self {
    case .writesFail: "/dev/full"
    case .syncsFail: "/dev/null"
    }
  }

  /// - Returns: the number of log files found open in `directory`.
  func strike(_ directory: String) throws -> Int {
    let directory = URL(fileURLWithPath: directory).resolvingSymlinksInPath().path
    var struck = 0
    for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      guard let descriptor = Int32(name),
        let target = try? FileManager.default.destinationOfSymbolicLink(
          atPath: "/proc/self/fd/\(name)"),
        target.hasPrefix(directory + "/"), target.hasSuffix(".log")
      else { continue }
      let fault = open(device, O_WRONLY | O_CLOEXEC)
      guard fault >= 0 else { continue }
      dup2(fault, descriptor)
      close(fault)
      struck += 1
    }
    return struck
  }
}
