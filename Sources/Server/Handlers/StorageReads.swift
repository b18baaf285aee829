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

  /// Runs `read` on a storage thread and completes the call with what it returns; not at all when nobody
  /// waits for it any more by then. `read` is told by the cancellation when that happens meanwhile.
  func submit(
    _ context: CallContext,
    _ read: @escaping @Sendable (CallCancellation) -> Completions.Outcome
  ) -> UnaryOutcome {
    guard queued.wrappingAdd(1, ordering: .relaxed).newValue <= Self.queuedReads else {
      queued.wrappingSubtract(1, ordering: .relaxed)
      return .failed(StatusMapping.readQueueFull)
    }
    let cancellation = CallCancellation()
    threads.submit { [self] _ in
      defer { queued.wrappingSubtract(1, ordering: .relaxed) }
      guard !cancellation.isCancelled else { return }
      var completions = server.completions()
      completions.complete(
        context.token,
        server.budgets.answers.isSpent
          ? .failed(.answerMemoryFull) : read(cancellation))
      completions.post()
    }
    return .cancellable(cancellation)
  }

  /// Waits for the reads under way. Blocks.
  func stop() { try? threads.syncShutdownGracefully() }
}
