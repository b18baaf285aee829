/// A mutex for a whole course of actions, I/O among them, as against ``Monitor``, which guards data.
final class Turnstile: Sendable {
  private let mutex = PosixMutex()

  /// Runs `body` while no other thread runs one.
  @inline(__always)
  func pass<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    mutex.lock()
    defer { mutex.unlock() }
    return try body()
  }
}
