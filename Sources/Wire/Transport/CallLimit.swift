import Synchronization

/// How many calls all connections together may have open, in blocks that event loops lease: a call is counted by its
/// loop alone, and loops meet once in a block.
///
/// Thread-safety: every call from any thread.
package final class CallLimit: Sendable {
  private let limit: Int
  /// What a connection may have open at most.
  let callsPerConnection: Int
  /// Calls of a lease.
  let block: Int
  private let leased = Atomic<Int>(0)
  private let refused = Atomic<Bool>(false)

  /// - Parameters:
  ///   - limit: at least 1.
  ///   - callsPerConnection: what a connection may have open, however many others have.
  package init(_ limit: Int, callsPerConnection: Int) {
    self.limit = limit
    self.callsPerConnection = callsPerConnection
    block = max(1, min(32, limit / 64))
  }

  /// Calls that were not leased to a loop.
  var free: Int { max(0, limit - leased.load(ordering: .relaxed)) }

  /// Leases a block; false when there are no calls left.
  func lease() -> Bool {
    guard leased.wrappingAdd(block, ordering: .relaxed).newValue <= limit else {
      leased.wrappingSubtract(block, ordering: .relaxed)
      return false
    }
    return true
  }

  /// Gives a block back.
  func giveBack() { leased.wrappingSubtract(block, ordering: .relaxed) }

  /// A call was refused that was not one of too many of its connection's.
  func noteRefusal() { refused.store(true, ordering: .relaxed) }

  /// Whether calls have to end so that others can begin.
  var isShort: Bool { refused.load(ordering: .relaxed) }

  /// How many calls have to end for an eighth to be free; at least one.
  var wanted: Int { max(1, leased.load(ordering: .relaxed) - (limit - limit / 8)) }

  /// Calls were ended, or none could be.
  func didMakeRoom() { refused.store(false, ordering: .relaxed) }
}

/// The calls that an event loop may open without asking the other loops.
///
/// Thread-safety: confined to the event loop.
struct CallLease {
  let limit: CallLimit
  private var left = 0
  /// How many calls a connection may have open: as many as are free, so that there is always room for connections with
  /// fewer; and some in any case.
  private(set) var share: Int

  /// What a connection may have open even if hardly any are free.
  private static let smallestShare = 32

  init(_ limit: CallLimit) {
    self.limit = limit
    share = limit.callsPerConnection
  }

  /// Takes a call; false when there is none left for a connection that has `open` calls.
  @inline(__always)
  mutating func take(open: Int) -> Bool {
    guard open < share else { return mayHaveMore(open) && takeOne() }
    return takeOne()
  }

  @inline(__always)
  private mutating func takeOne() -> Bool {
    if left == 0 {
      guard lease() else { return false }
    }
    left &-= 1
    return true
  }

  /// Gives calls back.
  @inline(__always)
  mutating func giveBack(_ calls: Int) {
    left &+= calls
    if left >= 2 * limit.block { giveBlocksBack() }
  }

  private mutating func lease() -> Bool {
    defer { findShare() }
    guard limit.lease() else {
      limit.noteRefusal()
      return false
    }
    left = limit.block
    return true
  }

  private mutating func giveBlocksBack() {
    while left >= 2 * limit.block {
      left -= limit.block
      limit.giveBack()
    }
    findShare()
  }

  /// The share is found anew when a block is leased or given back: others may have given some back since.
  private mutating func mayHaveMore(_ open: Int) -> Bool {
    findShare()
    return open < share
  }

  private mutating func findShare() {
    share = min(limit.callsPerConnection, max(Self.smallestShare, limit.free))
  }
}
