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
  /// Those of streams, apart: a hundred streams ask for a message each at one time, and a look-up is not to wait for
  /// all of them.
  private let streamThreads: NIOThreadPool
  private let queued = Atomic<Int>(0)
  private let server: GRPCServer

  init(threadCount: Int, streamThreadCount: Int, server: GRPCServer) {
    threads = NIOThreadPool(numberOfThreads: threadCount)
    streamThreads = NIOThreadPool(numberOfThreads: streamThreadCount)
    self.server = server
    threads.start()
    streamThreads.start()
  }

  /// Runs `read` on a storage thread and completes the call with what it returns; not at all when nobody
  /// waits for it any more by then. `read` is told by the cancellation when that happens meanwhile.
  func submit(
    _ context: CallContext,
    _ read: @escaping @Sendable (CallCancellation) -> Completions.Outcome
  ) -> UnaryOutcome {
    let cancellation = CallCancellation()
    let token = context.token
    let isTaken = submit(to: threads, cancellation) { [server] in
      var completions = server.completions()
      completions.complete(
        token,
        server.budgets.answers.isSpent
          ? .failed(.answerMemoryFull) : read(cancellation))
      completions.post()
    }
    return isTaken ? .cancellable(cancellation) : .failed(StatusMapping.readQueueFull)
  }

  /// Runs `work`, which makes one message of a stream, on a thread for streams, unless it is cancelled by then.
  ///
  /// - Returns: false when too many reads wait; `work` is not run then.
  func submitForStream(
    _ cancellation: CallCancellation, _ work: @escaping @Sendable () -> Void
  ) -> Bool {
    submit(to: streamThreads, cancellation, work)
  }

  private func submit(
    to threads: NIOThreadPool, _ cancellation: CallCancellation,
    _ work: @escaping @Sendable () -> Void
  ) -> Bool {
    guard queued.wrappingAdd(1, ordering: .relaxed).newValue <= Self.queuedReads else {
      queued.wrappingSubtract(1, ordering: .relaxed)
      return false
    }
    threads.submit { [self] _ in
      defer { queued.wrappingSubtract(1, ordering: .relaxed) }
      if !cancellation.isCancelled { work() }
    }
    return true
  }

  /// Waits for the reads under way. Blocks.
  func stop() {
    for pool in [threads, streamThreads] { try? pool.syncShutdownGracefully() }
  }
}
