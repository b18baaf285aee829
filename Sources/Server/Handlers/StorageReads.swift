import Engine
import NIOPosix
import Wire

/// Threads for reads that block: the disk, or many records.
///
/// Look-ups of single records, other short reads, long reads and streams have threads of their own each: a look-up that
/// needs the disk waits for other look-ups alone.
///
/// Thread-safety: `submit` from any thread; `stop` once.
final class StorageReads: Sendable {
  /// Look-ups of single records, which are most reads, have threads that do many at once.
  let points: PointReadQueue
  private let threads: NIOThreadPool
  private let longThreads: NIOThreadPool
  /// A hundred streams ask for a message each at one time.
  private let streamThreads: NIOThreadPool
  private let queued = QueuedReads()
  private let server: GRPCServer

  /// What counts the answers that are made and not sent yet.
  var answers: MemoryBudget { server.budgets.answers }

  /// Copies a long request; nil when the memory for requests is spent.
  @safe
  func keep(_ request: UnsafeRawBufferPointer) -> KeptRequest? {
    let budget = server.budgets.requests
    return budget.isSpent ? nil : KeptRequest(request, countedBy: budget)
  }

  /// What a short read came to.
  enum Step {
    case finished(Completions.Outcome)
    /// It is a long one, and goes on as this.
    case goOn(@Sendable (CallCancellation) -> Completions.Outcome)
  }

  /// - Parameters:
  ///   - threadCount: for look-ups of single records, once more for other short reads, and for long ones.
  ///   - maximumResponseBytes: of an answer to a look-up.
  init(
    engine: any StorageEngine, threadCount: Int, streamThreadCount: Int, maximumResponseBytes: Int,
    server: GRPCServer
  ) {
    points = PointReadQueue(
      engine: engine, threadCount: threadCount, maximumResponseBytes: maximumResponseBytes,
      answers: server.budgets.answers, queued: queued)
    threads = NIOThreadPool(numberOfThreads: threadCount)
    longThreads = NIOThreadPool(numberOfThreads: threadCount)
    streamThreads = NIOThreadPool(numberOfThreads: streamThreadCount)
    self.server = server
    for pool in [threads, longThreads, streamThreads] { pool.start() }
    points.start(server.completions())
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
          queued.addTaken()
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
    guard queued.add() else { return false }
    run(on: threads, cancellation, work)
    return true
  }

  /// - Precondition: `queued` counts it.
  private func run(
    on threads: NIOThreadPool, _ cancellation: CallCancellation,
    _ work: @escaping @Sendable () -> Void
  ) {
    threads.submit { [self] _ in
      defer { queued.remove(1) }
      if !cancellation.isCancelled { work() }
    }
  }

  /// Waits for the reads under way. Blocks.
  func stop() {
    points.stop()
    // What a short read hands over is taken as long as the threads for long ones are there.
    for pool in [threads, longThreads, streamThreads] { try? pool.syncShutdownGracefully() }
  }
}
