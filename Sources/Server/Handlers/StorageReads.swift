import NIOPosix
import Synchronization
import Wire

/// Threads for reads that block: the disk, or many records.
///
/// Thread-safety: `submit` from any thread; `stop` once.
final class StorageReads: Sendable {
  /// Reads waiting or running; beyond it, calls are refused.
  static let queuedReads = 8192

  private let threads: NIOThreadPool
  private let queued = Atomic<Int>(0)
  private let server: GRPCServer

  init(threadCount: Int, server: GRPCServer) {
    threads = NIOThreadPool(numberOfThreads: threadCount)
    self.server = server
    threads.start()
  }

  /// Runs `read` on a storage thread and completes the call with what it returns; not at all when the
  /// call's deadline has passed by then.
  /// - Returns: false when the queue is full.
  func submit(_ context: CallContext, _ read: @escaping @Sendable () -> Completions.Outcome) -> Bool
  {
    guard queued.wrappingAdd(1, ordering: .relaxed).newValue <= Self.queuedReads else {
      queued.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    threads.submit { [self] _ in
      defer { queued.wrappingSubtract(1, ordering: .relaxed) }
      guard context.deadline > MonotonicClock.now() else { return }
      var completions = server.completions()
      completions.complete(context.token, read())
      completions.post()
    }
    return true
  }

  /// Waits for the reads under way. Blocks.
  func stop() { try? threads.syncShutdownGracefully() }
}
