import NIOPosix
import Synchronization
import Wire

/// Threads for reads that block: the disk, or many records.
///
/// Long reads have threads of their own, and so have streams: a look-up that needs the disk waits for other short reads
/// alone.
///
/// Thread-safety: `submit` from any thread; `stop` once.
final class StorageReads: Sendable {
  /// Reads waiting or running; beyond it, calls are refused.
  static let queuedReads = 8192

  private let threads: NIOThreadPool
  private let longThreads: NIOThreadPool
  /// A hundred streams ask for a message each at one time.
  private let streamThreads: NIOThreadPool
  private let queued = Atomic<Int>(0)
  private let server: GRPCServer

  /// What counts the answers that are made and not sent yet.
  var answers: MemoryBudget { server.budgets.answers }

  /// What a short read came to.
  enum Step {
    case finished(Completions.Outcome)
    /// It is a long one, and goes on as this.
    case goOn(@Sendable (CallCancellation) -> Completions.Outcome)
  }

  /// - Parameter threadCount: for short reads, and once more for long ones.
  init(threadCount: Int, streamThreadCount: Int, server: GRPCServer) {
    threads = NIOThreadPool(numberOfThreads: threadCount)
    longThreads = NIOThreadPool(numberOfThreads: threadCount)
    streamThreads = NIOThreadPool(numberOfThreads: streamThreadCount)
    self.server = server
    for pool in [threads, longThreads, streamThreads] { pool.start() }
  }

  /// Runs `read` on a thread for short reads and completes the call with what it comes to; not at all when nobody
  /// waits for it any more by then. `read` is told by the cancellation when that happens meanwhile.
  func submit(
    _ context: CallContext, _ read: @escaping @Sendable (CallCancellation) -> Step
  ) -> UnaryOutcome {
    let cancellation = CallCancellation()
    let token = context.token
    let isTaken = submit(to: threads, cancellation) { [self] in
      completeUnlessSpent(token) {
        switch read(cancellation) {
        case .finished(let outcome): return outcome
        case .goOn(let rest):
          // It was taken once, and is refused for its memory alone.
          queued.wrappingAdd(1, ordering: .relaxed)
          run(on: longThreads, cancellation) { [self] in
            completeUnlessSpent(token) { rest(cancellation) }
          }
          return nil
        }
      }
    }
    return isTaken ? .cancellable(cancellation) : .failed(StatusMapping.readQueueFull)
  }

  /// The same on a thread for long reads.
  func submitLong(
    _ context: CallContext,
    _ read: @escaping @Sendable (CallCancellation) -> Completions.Outcome
  ) -> UnaryOutcome {
    let cancellation = CallCancellation()
    let token = context.token
    let isTaken = submit(to: longThreads, cancellation) { [self] in
      completeUnlessSpent(token) { read(cancellation) }
    }
    return isTaken ? .cancellable(cancellation) : .failed(StatusMapping.readQueueFull)
  }

  /// Completes a call with what `make` gives, unless that is nil. While the memory for answers is spent none is made.
  private func completeUnlessSpent(_ token: CallToken, _ make: () -> Completions.Outcome?) {
    guard let outcome = answers.isSpent ? .failed(.answerMemoryFull) : make() else { return }
    var completions = server.completions()
    completions.complete(token, outcome)
    completions.post()
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
    run(on: threads, cancellation, work)
    return true
  }

  /// - Precondition: `queued` counts it.
  private func run(
    on threads: NIOThreadPool, _ cancellation: CallCancellation,
    _ work: @escaping @Sendable () -> Void
  ) {
    threads.submit { [self] _ in
      defer { queued.wrappingSubtract(1, ordering: .relaxed) }
      if !cancellation.isCancelled { work() }
    }
  }

  /// Waits for the reads under way. Blocks.
  func stop() {
    // What a short read hands over is taken as long as the threads for long ones are there.
    for pool in [threads, longThreads, streamThreads] { try? pool.syncShutdownGracefully() }
  }
}
