import Bytes
import Engine
import Records
import Wire

// SAFETY: the query is a view of the request, which is lent until `call` returns; what goes on later has copies.

/// `GetXsByPk`: the records that a query names, as stored unless it says otherwise.
///
/// An answer is built without decoding a record: tag and length of the list's field, then the stored bytes. What is in
/// memory is answered on the event loop. A read that would touch the disk goes to a thread for short reads, and one
/// that is long goes on where it is on a thread for long ones: it sees the same moment there.
struct GetHandler: UnaryHandler {
  /// How much of a read is done on the event loop, which other calls wait for meanwhile: about 0.1 ms.
  static let loopBudget = ReadBudget(records: 512, bytes: 64 << 10, visitedBytes: 512 << 10)
  /// How much more is a short read: what other calls that need the disk may have to wait for, some milliseconds.
  static let shortBudget = ReadBudget(records: 4096, bytes: 1 << 20)

  let reads: ModelReads

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    guard request.count <= LongRequest.bytes else { return callLater(request, context) }
    do throws(QueryError) {
      if reads.index != nil || reads.store.hasColumns {
        switch try reads.exactPoint(request, context, &response) {
        case .ended(let outcome): return outcome
        case .notExact:
          var scan = try reads.scan(request)
          return run(&scan, context, &response)
        case .wouldBlock:
          return goOn(
            try reads.scan(request), isLong: false, context, response.count, &response)
        }
      }
      let query = try unsafe parseIndexQuery(request)
      if case .eq(let key) = query.expression, query.options.isPlain {
        return reads.point(key, .inList, context, &response)
      }
      let limits = AnswerLimits(bytes: reads.maximumResponseBytes)
      var scan = try reads.store.scan(query, of: request, limits)
      return run(&scan, context, &response)
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  /// Has a query parsed and answered on a thread for long reads: a list of many keys takes long to sort.
  @safe
  private func callLater(
    _ request: UnsafeRawBufferPointer, _ context: CallContext
  ) -> UnaryOutcome {
    guard let kept = reads.threads.keep(request) else { return .failed(.requestBufferFull) }
    return reads.threads.submitLong(context) { [reads] cancellation in
      switch reads.scan(kept) {
      case .failure(let status): .failed(status)
      case .success(let scan):
        RestOfRead(reads, scan, Completions.messageWriter(), Completions.prefixBytes)
          .finish(cancellation)
      }
    }
  }

  private func run(
    _ scan: inout RecordScan, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    let start = response.count
    // As for one record: what the threads would refuse may be in memory all the same.
    let tries = reads.scanTries[context.mayReadBlocks]
    guard tries.isDue || reads.threads.points.isFull else {
      return goOn(scan, isLong: false, context, start, &response)
    }
    do throws(EngineError) {
      let pause = try scan.run(
        tier: context.mayReadBlocks ? .pageCache : .memory, budget: Self.loopBudget, start: start,
        into: &response
      ) { false }
      context.charge(lookUps: scan.lookUps * reads.lookUpCost)
      if pause == .wouldBlock { tries.wouldBlock() } else { tries.succeeded() }
      switch pause {
      case .complete, .pageFull:
        scan.finishAnswer(pause, into: &response)
        return .done
      case .tooLarge: return .failed(reads.tooLarge(scan))
      case .corruptIndex: return .failed(reads.corruptIndex(scan))
      case .cancelled: return .failed(.deadlineExceeded)
      case .wouldBlock: return goOn(scan, isLong: false, context, start, &response)
      case .budgetSpent: return goOn(scan, isLong: true, context, start, &response)
      }
    } catch {
      return .failed(reads.status(of: error))
    }
  }

  /// Has another thread read the rest. It goes on in the same memory: to copy the answer so far cost more than the
  /// hand-over.
  ///
  /// - Parameter response: is empty afterwards; before `start` it has gRPC's prefix, as every message of a completion.
  private func goOn(
    _ scan: RecordScan, isLong: Bool, _ context: CallContext, _ start: Int,
    _ response: inout ByteWriter
  ) -> UnaryOutcome {
    var answer = ByteWriter()
    swap(&answer, &response)
    let rest = RestOfRead(reads, scan, answer, start)
    if isLong { return reads.threads.submitLong(context) { rest.finish($0) } }
    return reads.threads.submit(context) { cancellation in
      switch rest.run(Self.shortBudget, cancellation) {
      case .finished(let outcome): .finished(outcome)
      case .unfinished(let rest): .goOn { rest.finish($0) }
      }
    }
  }
}

/// A read that has begun, on its way from thread to thread. To be run once.
private struct RestOfRead: Sendable {
  let reads: ModelReads
  let scan: RecordScan
  let answer: OwnedMessage
  /// Where in `answer` its records begin.
  let start: Int

  init(_ reads: ModelReads, _ scan: RecordScan, _ answer: consuming ByteWriter, _ start: Int) {
    self.reads = reads
    self.scan = scan
    self.answer = OwnedMessage(answer, countedBy: reads.threads.answers)
    self.start = start
  }

  enum Outcome {
    case finished(Completions.Outcome)
    case unfinished(RestOfRead)
  }

  func finish(_ cancellation: CallCancellation) -> Completions.Outcome {
    switch run(.unlimited, cancellation) {
    case .finished(let outcome): outcome
    // Nothing is in the way of a read without a budget that may block.
    case .unfinished: .failed(.deadlineExceeded)
    }
  }

  func run(_ budget: ReadBudget, _ cancellation: CallCancellation) -> Outcome {
    var scan = scan
    var response = answer.take()
    do throws(EngineError) {
      let pause = try scan.run(tier: .any, budget: budget, start: start, into: &response) {
        cancellation.isCancelled
      }
      switch pause {
      case .complete, .pageFull: scan.finishAnswer(pause, into: &response)
      case .tooLarge: return .finished(.failed(reads.tooLarge(scan)))
      case .corruptIndex: return .finished(.failed(reads.corruptIndex(scan)))
      case .cancelled: return .finished(.failed(.deadlineExceeded))
      case .wouldBlock, .budgetSpent:
        return .unfinished(RestOfRead(reads, scan, response, start))
      }
    } catch {
      return .finished(.failed(reads.status(of: error)))
    }
    return .finished(.message(OwnedMessage(response, countedBy: reads.threads.answers)))
  }
}
