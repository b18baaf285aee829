import Bytes
import Engine
import Records
import Wire

// SAFETY: the query is a view of the request, which is lent until `call` returns; what goes on later has copies.

/// `GetXsByPk`: the records that a query names, as stored unless it says otherwise.
///
/// An answer is built without decoding a record: tag and length of the list's field, then the stored bytes. What is in
/// memory is answered on the event loop. A read that would touch the disk, or that is longer than ``loopBudget``, goes
/// on where it is on a storage thread, and sees the same moment there.
struct GetHandler: UnaryHandler {
  /// How much of a read is done on the event loop, which other calls wait for meanwhile: about 0.1 ms.
  static let loopBudget = ReadBudget(records: 512, bytes: 64 << 10)

  let reads: ModelReads

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(QueryError) {
      let query = try unsafe parseIndexQuery(request)
      if case .eq(let key) = query.expression, query.options.isPlain {
        return reads.point(key, .inList, context, &response) { _ in nil }
      }
      let limits = AnswerLimits(bytes: reads.maximumResponseBytes)
      var scan = try reads.store.scan(query, of: request, limits)
      return run(&scan, context, &response)
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  private func run(
    _ scan: inout RecordScan, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    let start = response.count
    do throws(EngineError) {
      let pause = try scan.run(
        tier: .memory, budget: Self.loopBudget, start: start, into: &response
      ) { false }
      switch pause {
      case .complete, .pageFull:
        scan.finishAnswer(pause, into: &response)
        return .done
      case .tooLarge: return .failed(reads.tooLarge(scan))
      case .cancelled: return .failed(.deadlineExceeded)
      case .wouldBlock, .budgetSpent:
        return goOn(scan, context, start, &response)
      }
    } catch {
      return .failed(reads.status(of: error))
    }
  }

  /// Has a storage thread read the rest. It goes on in the same memory: to copy the answer so far cost more than the
  /// hand-over.
  ///
  /// - Parameter response: is empty afterwards; before `start` it has gRPC's prefix, as every message of a completion.
  private func goOn(
    _ scan: RecordScan, _ context: CallContext, _ start: Int, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    var answer = ByteWriter()
    swap(&answer, &response)
    let unfinished = OwnedMessage(answer)
    return reads.threads.submit(context) { [reads] cancellation in
      var scan = scan
      var response = unfinished.take()
      do throws(EngineError) {
        let pause = try scan.run(
          tier: .any, budget: .unlimited, start: start, into: &response
        ) { cancellation.isCancelled }
        switch pause {
        case .complete, .pageFull: scan.finishAnswer(pause, into: &response)
        case .tooLarge: return .failed(reads.tooLarge(scan))
        case .cancelled, .wouldBlock, .budgetSpent: return .failed(.deadlineExceeded)
        }
      } catch {
        return .failed(reads.status(of: error))
      }
      return .message(OwnedMessage(response))
    }
  }
}
