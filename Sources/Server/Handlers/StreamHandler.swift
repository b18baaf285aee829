import Bytes
import Engine
import Records
import Schema
import Wire

/// `StreamXsByPk`: the records that a query names, in as many messages as it takes, all of one moment.
///
/// A message is made when the client has room for it, on a thread for streams. Each but the last says where a query
/// goes on after it. A stream without records has no message.
struct StreamHandler: ServerStreamHandler {
  /// Bytes of a message, or one record when that is larger.
  static let chunkBytes = 256 << 10

  let reads: ModelReads
  let server: GRPCServer
  let snapshots: StreamSnapshots

  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    guard request.count <= LongRequest.bytes else {
      guard let kept = reads.threads.keep(request) else { return .failed(.requestBufferFull) }
      return start(StreamedRead(), kept, context)
    }
    do throws(QueryError) {
      let scan = try reads.scan(request, chunkBytes: Self.chunkBytes)
      return start(StreamedRead(scan), nil, context)
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  private func start(
    _ read: StreamedRead, _ request: KeptRequest?, _ context: CallContext
  ) -> ServerStreamStart {
    snapshots.add(read)
    return .stream(
      RecordStream(
        read: read, request: request, reads: reads, server: server, token: context.token))
  }
}

/// One call of ``StreamHandler``.
private final class RecordStream: ServerStream {
  private let read: StreamedRead
  private let reads: ModelReads
  private let server: GRPCServer
  private let token: CallToken
  private let cancellation = CallCancellation()
  /// A long request that was not looked at yet: the thread that makes the first message does.
  private var request: KeptRequest?

  init(
    read: StreamedRead, request: KeptRequest?, reads: ModelReads, server: GRPCServer,
    token: CallToken
  ) {
    self.read = read
    self.request = request
    self.reads = reads
    self.server = server
    self.token = token
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    if let request {
      self.request = nil
      return submit { [reads] in reads.scan(request, chunkBytes: StreamHandler.chunkBytes) }
    }
    switch read.take() {
    case .ended: return .finished(nil)
    case .expired(let token): return .finished(StatusMapping.snapshotTooOld(pageToken: token))
    case .scan(let scan): return submit { .success(scan) }
    }
  }

  /// Has the next message made by a thread for streams.
  private func submit(
    _ scan: @escaping @Sendable () -> Result<RecordScan, RPCStatus>
  ) -> PullOutcome {
    let isTaken = reads.threads.submitForStream(cancellation) {
      [read, reads, server, token, cancellation] in
      var completions = server.completions()
      switch scan() {
      case .failure(let status):
        read.end()
        completions.complete(token, .streamFinish(status))
      case .success(let scan) where server.budgets.answers.isSpent:
        // There was memory when this was asked for; many streams may have asked at that time.
        read.giveBack(scan)
        completions.complete(token, .streamRetry)
      case .success(let scan):
        completions.complete(token, Self.chunk(scan, read, reads, cancellation))
      }
      completions.post()
    }
    return isTaken ? .pending : .finished(StatusMapping.readQueueFull)
  }

  /// The next message, or how the call ends.
  private static func chunk(
    _ scan: RecordScan, _ read: StreamedRead, _ reads: ModelReads, _ cancellation: CallCancellation
  ) -> Completions.Outcome {
    var scan = scan
    var response = ByteWriter()
    do throws(EngineError) {
      let pause = try scan.run(
        tier: .any, budget: .unlimited, start: 0, into: &response
      ) { cancellation.isCancelled }
      switch pause {
      case .complete, .pageFull:
        scan.finishAnswer(pause, into: &response)
        read.giveBack(pause == .complete ? nil : scan)
        return response.isEmpty
          ? .streamFinish(nil)
          : .streamMessage(OwnedMessage(response, countedBy: reads.threads.answers))
      case .tooLarge: return .streamFinish(reads.tooLarge(scan))
      case .corruptIndex: return .streamFinish(reads.corruptIndex(scan))
      case .cancelled, .wouldBlock, .budgetSpent: return .streamFinish(.deadlineExceeded)
      }
    } catch {
      return .streamFinish(reads.status(of: error))
    }
  }

  func cancel() {
    cancellation.cancel()
    read.end()
  }
}
