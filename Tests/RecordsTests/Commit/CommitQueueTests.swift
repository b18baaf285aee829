import Bytes
import Engine
import Records
import Synchronization
import Testing

/// What the observer of a queue was told.
private final class Outcomes: Sendable {
  struct Outcome: Equatable {
    let call: UInt64
    let error: EngineError?
  }

  let all = Mutex<[Outcome]>([])

  var isEmpty: Bool { all.withLock { $0.isEmpty } }

  func outcome(of call: UInt64) -> Outcome? { all.withLock { $0.first { $0.call == call } } }
}

private struct Observer: CommitObserver {
  let outcomes: Outcomes

  mutating func didCommit(_ calls: [CommitTicket]) { add(calls, nil) }

  mutating func didFail(_ calls: [CommitTicket], _ error: EngineError, since: String?) {
    add(calls, error)
  }

  private func add(_ calls: [CommitTicket], _ error: EngineError?) {
    outcomes.all.withLock { all in
      all += calls.map { Outcomes.Outcome(call: $0.words.0, error: error) }
    }
  }
}

@Suite("Commit queue") final class CommitQueueTests {
  private let engine = GatedEngine()
  private let outcomes = Outcomes()
  private let commits: CommitQueue
  private var lastCall: UInt64 = 0

  init() {
    commits = CommitQueue(engine: engine, durability: .sync)
    commits.start(Observer(outcomes: outcomes))
  }

  /// Queues one put for each of `count` calls.
  /// - Returns: the calls that were taken.
  private func put(_ count: Int, byteCount: Int = 2) -> [UInt64] {
    (0..<count).compactMap { index in
      lastCall += 1
      let call = lastCall
      let key = [UInt8(truncatingIfNeeded: index)] + [UInt8](repeating: 1, count: byteCount - 1)
      let isTaken = commits.enqueue(CommitTicket(words: (call, 0, 0)), byteCount: byteCount) {
        $0.put(key, key)
      }
      return isTaken ? call : nil
    }
  }

  private func allSucceeded(_ calls: [UInt64]) -> Bool {
    calls.allSatisfy { call in outcomes.outcome(of: call).map { $0.error == nil } ?? false }
  }

  @Test func tellsOnlyAfterTheEngineHasTheWrite() throws {
    let calls = put(3)
    #expect(outcomes.isEmpty)
    engine.open()
    commits.stop()
    #expect(calls.count == 3 && allSucceeded(calls))
    #expect(try engine.value(forKey: [2, 1]) == [2, 1])
  }

  @Test func gathersWhatWaitsIntoOneBatch() {
    let calls = put(200)
    engine.open()
    commits.stop()
    let groups = engine.groups.withLock { $0 }
    #expect(groups.reduce(0, +) == 200)
    // The first group holds what came before the commit thread looked; all else waited for it.
    #expect(groups.count <= 2)
    #expect(allSucceeded(calls))
  }

  @Test func tellsInTheOrderOfTheCalls() {
    let calls = put(50) + put(50)
    engine.open()
    commits.stop()
    #expect(outcomes.all.withLock { $0.map(\.call) } == calls)
  }

  @Test(arguments: [
    EngineError.readOnly(reason: "fsync failed"),
    .io(.init(operation: .apply, directory: "d", detail: "EIO")), .tooLarge(bytes: 11, limit: 10),
  ])
  func tellsEveryCallOfAGroupThatItFailed(_ error: EngineError) {
    engine.fail(with: error)
    let calls = put(5)
    engine.open()
    commits.stop()
    #expect(calls.count == 5)
    for call in calls { #expect(outcomes.outcome(of: call)?.error == error) }
  }

  @Test func givesALargeCallABatchOfItsOwn() {
    // The first one keeps the commit thread busy.
    var calls = put(1) + put(2)
    calls += put(1, byteCount: CommitQueue.groupBytes)
    calls += put(2)
    engine.open()
    commits.stop()
    #expect(engine.groups.withLock { $0 }.suffix(2) == [1, 2])
    #expect(allSucceeded(calls))
  }

  @Test func refusesWhatWouldNotFit() {
    // The first is taken whatever its size; the commit thread has it, or it waits.
    let size = CommitQueue.maximumQueuedBytes / 2 + 1
    let calls = (0..<4).map { _ in
      commits.enqueue(CommitTicket(words: (1, 0, 0)), byteCount: size) { $0.put([1], [1]) }
    }
    #expect(calls.first == true && calls.contains(false))
    engine.open()
    commits.stop()
  }

  @Test func commitsWhatIsQueuedWhenItStopsAndThenTakesNoMore() {
    let calls = put(10)
    engine.open()
    commits.stop()
    #expect(calls.count == 10 && allSucceeded(calls))
    #expect(put(1).isEmpty)
  }
}
