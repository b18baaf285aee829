import Glibc
import Platform

/// A server that listens.
struct RunningServer: Sendable {
  let target: ServerTarget
  let address: SocketAddress
  /// What it writes to; nil for an external one.
  let directory: String?
  let process: ChildProcess?
  /// What each call is sent with.
  var authorization: String?

  func waitUntilItListens(timeoutSeconds: Double) throws {
    let end = MonotonicClock.now() + UInt64(timeoutSeconds * 1e9)
    while true {
      if let exit = process?.exit {
        throw process?.failure("ended (\(exit)) before it listened")
          ?? LoadFailure("\(target.rawValue) has ended")
      }
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(O_CLOEXEC), 0)
      defer { close(descriptor) }
      if address.connect(descriptor) { return }
      guard MonotonicClock.now() < end else {
        throw LoadFailure("\(target.rawValue) does not listen on \(address)")
      }
      usleep(2000)
    }
  }

  /// Ends it in the ordinary way.
  func stop() { process?.stop() }
}
