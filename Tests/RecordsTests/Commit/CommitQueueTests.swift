import Bytes
import Engine
import Records
import Synchronization
import TestSupport
import Testing

/// What the observer of a queue was told.
private final class Outcomes: Sendable {
  struct Outcome: Equatable {
    let ticket: CommitTicket
    let error: EngineError?

    var call: UInt64 { ticket.words.0 }
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

  mutating func didRefuse(_ call: CommitTicket, _ refusal: WriteRefusal, write: Int?) {
    fatalError("\(refusal)")
  }

  private func add(_ calls: [CommitTicket], _ error: EngineError?) {
    outcomes.all.withLock { all in
      all += calls.map { Outcomes.Outcome(ticket: $0, error: error) }
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

  // MARK: - Long writes

  /// A call of a source.
  private func ticket(_ call: UInt64, source: UInt64) -> CommitTicket {
    CommitTicket(words: (source, 0, UInt32(call)))
  }

  private func putShort(_ call: UInt64, source: UInt64) -> Bool {
    commits.enqueue(ticket(call, source: source), byteCount: 2) { $0.put([UInt8(call)], [1]) }
  }

  /// A long write of so many records whose check waits for the gate.
  private func putLong(_ call: UInt64, source: UInt64, records: Int, after check: Gate) -> Bool {
    commits.enqueueLong(ticket(call, source: source), byteCount: 100) { group in
      check.wait()
      for index in 0..<records { group.batch.put([UInt8(call), UInt8(index)], [1]) }
      return records > 0
    }
  }

  private var calls: [UInt32] { outcomes.all.withLock { $0.map { UInt32($0.ticket.words.2) } } }

  @Test func doesNotLetOthersWaitForALongWriteToBeChecked() async {
    let check = Gate()
    engine.open()
    #expect(putLong(1, source: 7, records: 3, after: check))
    #expect(putShort(2, source: 8))
    while outcomes.isEmpty { await Task.yield() }
    #expect(calls == [2])
    check.open()
    commits.stop()
    #expect(calls == [2, 1])
    #expect(engine.groups.withLock { $0 } == [1, 3])
  }

  @Test func commitsTheCallsOfASourceInTheirOrder() {
    let check = Gate()
    for round in 0..<5 as Range<UInt64> {
      #expect(putShort(10 * round + 1, source: 7))
      #expect(putLong(10 * round + 2, source: 7, records: 2, after: check))
      #expect(putShort(10 * round + 3, source: 7))
      #expect(putShort(10 * round + 4, source: 8))
      #expect(putLong(10 * round + 5, source: 8, records: Int(round % 2), after: check))
    }
    check.open()
    engine.open()
    commits.stop()
    let bySource = Dictionary(grouping: calls) { $0 % 10 < 4 ? 7 : 8 }
    #expect(bySource[7] == bySource[7]?.sorted())
    #expect(bySource[8] == bySource[8]?.sorted())
    // Three of the first source a round, and of the other one those that there was something of.
    #expect(bySource[7]?.count == 15 && bySource[8]?.count == 7)
  }

  @Test func takesTurnsBetweenLongAndShortWrites() {
    // The first one keeps the commit thread busy.
    #expect(putShort(1, source: 1))
    let large = [UInt8](repeating: 0, count: CommitQueue.groupBytes)
    for call in 2..<5 as Range<UInt64> {
      let isTaken = commits.enqueueLong(ticket(call, source: 7), byteCount: large.count) { group in
        group.batch.put([UInt8(call)], large)
        return true
      }
      #expect(isTaken)
    }
    #expect(putShort(5, source: 8))
    engine.open()
    commits.stop()
    #expect(calls.count == 5)
    // One long write at most comes before it.
    #expect((calls.firstIndex(of: 5) ?? 5) <= 2)
  }

  @Test func leavesRoomForShortWritesBesideLongOnes() {
    let check = Gate()
    let size = CommitQueue.maximumQueuedBytes / 8
    let taken = (0..<8 as Range<UInt64>).map { call in
      commits.enqueueLong(ticket(call, source: call), byteCount: size) { _ in
        check.wait()
        return false
      }
    }
    #expect(taken.contains(false))
    #expect(putShort(9, source: 9))
    check.open()
    engine.open()
    commits.stop()
    #expect(calls == [9])
  }
}
