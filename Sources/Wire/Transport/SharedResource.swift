import Synchronization

/// What all connections share, and one of them may hold too much of.
enum SharedResource: Int, CaseIterable {
  /// Bytes of requests that are not whole, or wait.
  case requests
  /// Bytes of answers that were not taken.
  case answers
  /// Calls.
  case calls
}

/// How much the largest holder of each event loop has, so that loops know whose connection is the largest of all.
///
/// Thread-safety: every call from any thread.
final class LargestHolders: Sendable {
  private let held: Mutex<[[Int]]>

  init(loopCount: Int) {
    held = Mutex(
      Array(repeating: Array(repeating: 0, count: loopCount), count: SharedResource.allCases.count))
  }

  /// Says what a loop's largest holder has.
  ///
  /// - Returns: the most that a connection of another loop had when that last said so.
  func exchange(_ resource: SharedResource, loop: UInt32, _ largest: Int) -> Int {
    held.withLock { held in
      held[resource.rawValue][Int(loop)] = largest
      return held[resource.rawValue].enumerated().reduce(0) {
        $1.offset == Int(loop) ? $0 : max($0, $1.element)
      }
    }
  }
}
