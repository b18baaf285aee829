import Bytes
import Engine
import Records
import Schema
import Wire

// SAFETY: the query is a view of the request, which is lent until `start` returns; a scan has copies.

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
    do throws(QueryError) {
      let query = try unsafe parseIndexQuery(request)
      try query.options.refuseForStream()
      let scan = try reads.store.scan(
        query, of: request,
        AnswerLimits(bytes: reads.maximumResponseBytes, chunkBytes: Self.chunkBytes))
      let read = StreamedRead(scan)
      snapshots.add(read)
      return .stream(
        RecordStream(read: read, reads: reads, server: server, token: context.token))
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }
}

/// One call of ``StreamHandler``.
private final class RecordStream: ServerStream {
  private let read: StreamedRead
  private let reads: ModelReads
  private let server: GRPCServer
  private let token: CallToken
  private let cancellation = CallCancellation()

  init(read: StreamedRead, reads: ModelReads, server: GRPCServer, token: CallToken) {
    self.read = read
    self.reads = reads
    self.server = server
    self.token = token
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    let scan: RecordScan
    switch read.take() {
    case .ended: return .finished(nil)
    case .expired(let token): return .finished(StatusMapping.snapshotTooOld(pageToken: token))
    case .scan(let taken): scan = taken
    }
    let isTaken = reads.threads.submitForStream(cancellation) {
      [read, reads, server, token, cancellation] in
      var completions = server.completions()
      if server.budgets.answers.isSpent {
        // There was memory when this was asked for; many streams may have asked at that time.
        read.giveBack(scan)
        completions.complete(token, .streamRetry)
      } else {
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
