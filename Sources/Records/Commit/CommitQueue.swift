import Bytes
import Dispatch
package import Engine
import Platform
import Synchronization

// SAFETY: the executor's answers are lent until the observer returns, and not changed meanwhile.

/// The one way a write reaches the engine: calls queue their changes, one thread commits them in groups.
///
/// While one group is written and synced the next one gathers; there is no timer. Each group is one engine batch,
/// so one fsync pays for every call in it, and the observer is told of them together. A call's changes are never
/// split over two groups. Calls of one source are committed in their order; long writes take turns with the short ones
/// of others, see ``LongLane``.
///
/// Thread-safety: `enqueue` from any thread; `start` and `stop` once.
///
/// Durability: the observer hears of a commit only after the engine returned from `apply` with the
/// durability asked for.
package final class CommitQueue: Sendable {
  /// A group takes no more calls once it has this many bytes or calls; a call of this many bytes is alone in its group.
  package static let groupBytes = 4 << 20
  /// See ``groupBytes``.
  package static let groupCalls = 4096
  /// Changes waiting in memory; beyond it, calls are refused.
  package static let maximumQueuedBytes = 256 << 20

  let engine: any StorageEngine
  private let cache: RecordCache?
  private let durability: Durability
  let sweeper: RangeDeleteSweeper?
  private let mark: CommitMark?
  private let monitor: WriteMonitor?
  let state = Mutex(State())
  let wakeUp = DispatchSemaphore(value: 0)
  let checks = WriteChecks()
  private let reader: ParkedReader
  private let requests: RequestLog
  let feed: ChangeFeed
  private let maximumRecordBytes: Int
  /// By which records and request ids end.
  package let clock: DatabaseClock
  private let ended = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "commit")

  struct State {
    /// Short writes: the group that takes more, if one is open.
    var open: CommitGroup?
    /// And those that are full, which were opened before it.
    var full: [CommitGroup] = []
    /// How many groups of short writes were taken.
    var takenGroups = 0
    var long = LongLane()
    /// The commit thread has taken from there last.
    var wasLong = false
    /// An emptied group, for the next use of its memory.
    var spare: CommitGroup?
    var queuedBytes = 0
    var isIdle = true
    var isStopping = false
    /// Parked calls whose reads are done.
    var read: CommandList?
    /// Bytes of calls that are parked.
    var parkedBytes = 0
    /// Steps of builds and sweeps that wait for their turn.
    var steps: [CommitStep] = []
    /// The commit thread has done one last.
    var wasStep = false

    /// Calls were taken out of the parked ones; those that were parked again are counted anew.
    mutating func didUnpark(_ bytes: Int) {
      parkedBytes -= bytes
      queuedBytes -= bytes
    }

    var hasShort: Bool { open != nil || !full.isEmpty }
    /// How many groups of short writes there were, those that wait among them.
    var openedGroups: Int { takenGroups + full.count + (open == nil ? 0 : 1) }
  }

  /// - Parameters:
  ///   - cache: is told before and after each commit.
  ///   - mark: is told of each commit before its calls are answered.
  ///   - sweeper: is told of committed range deletes.
  ///   - monitor: is told when a commit failed.
  ///   - maximumRecordBytes: a record that an update makes may have so many.
  ///   - clock: by which records and request ids end.
  ///   - feed: gets the changes of models that are watched.
  package init(
    engine: any StorageEngine, cache: RecordCache? = nil, durability: Durability,
    mark: CommitMark? = nil, sweeper: RangeDeleteSweeper? = nil, monitor: WriteMonitor? = nil,
    maximumRecordBytes: Int = 4 << 20, clock: DatabaseClock = .system, feed: ChangeFeed = .none
  ) {
    self.engine = engine
    requests = RequestLog(engine: engine, clock: clock)
    reader = ParkedReader(engine: engine, requests: requests)
    self.cache = cache
    self.mark = mark
    self.sweeper = sweeper
    self.monitor = monitor
    self.durability = durability
    self.maximumRecordBytes = maximumRecordBytes
    self.clock = clock
    self.feed = feed
  }

  /// Queues the changes of one call; the observer hears later what has become of them.
  ///
  /// - Parameter append: writes the changes; runs at once, under the queue's lock: keep it short.
  /// - Returns: false, without running `append`, when the queue is full or stopping.
  package func enqueue(
    _ call: CommitTicket, byteCount: Int, _ append: (WriteBatch) -> Void
  ) -> Bool {
    take(call, byteCount: byteCount) { group in
      append(group.batch)
      group.calls.append(call)
    }
  }

  /// Queues the writes of one call that the commit thread executes.
  ///
  /// - Parameters:
  ///   - byteCount: about how many bytes the writes have.
  ///   - append: writes them; runs at once, under the queue's lock: keep it short.
  /// - Returns: as above.
  func enqueueCommands(
    _ call: CommitTicket, of store: ModelStore, byteCount: Int, _ append: (CommandList) -> Void
  ) -> Bool {
    take(call, byteCount: byteCount) { group in
      let list = group.listOfCommands()
      list.begin(call, of: store)
      append(list)
    }
  }

  @inline(__always)
  private func take(
    _ call: CommitTicket, byteCount: Int, _ append: (CommitGroup) -> Void
  ) -> Bool {
    let (isTaken, mustWake) = state.withLock { state -> (Bool, Bool) in
      // What is larger than the queue is taken when it is alone: it would never fit otherwise.
      let fits = state.queuedBytes == 0 || state.queuedBytes + byteCount <= Self.maximumQueuedBytes
      guard fits, !state.isStopping else { return (false, false) }
      let group =
        state.long.isEmpty || !state.long.holds(call.source)
        ? Self.openGroup(&state, byteCount) : state.long.openGroup(for: call, byteCount: byteCount)
      append(group)
      group.queuedBytes += byteCount
      state.queuedBytes += byteCount
      defer { state.isIdle = false }
      return (true, state.isIdle)
    }
    if mustWake { wakeUp.signal() }
    return isTaken
  }

  private static func openGroup(_ state: inout State, _ byteCount: Int) -> CommitGroup {
    if let open = state.open {
      if open.takes(byteCount) { return open }
      state.full.append(open)
    }
    let group = state.spare ?? CommitGroup()
    state.spare = nil
    state.open = group
    return group
  }

  /// Starts the commit thread.
  package func start(_ observer: some CommitObserver) {
    checks.start()
    reader.start { [self] list in
      let mustWake = state.withLock { state -> Bool in
        state.read = list
        defer { state.isIdle = false }
        return state.isIdle
      }
      if mustWake { wakeUp.signal() }
    }
    thread.start { [self] in run(observer) }
  }

  /// Commits what is queued, then ends the thread. Blocks until it is done.
  package func stop() {
    let mustWake = state.withLock { state -> Bool in
      state.isStopping = true
      defer { state.isIdle = false }
      return state.isIdle
    }
    checks.stop()
    if mustWake { wakeUp.signal() }
    ended.wait()
    thread.join()
    reader.stop()
  }

  private func run(_ observer: some CommitObserver) {
    var observer = observer
    var executor = WriteExecutor(
      engine: engine, requests: requests, changes: ChangeWriter(feed, clock: clock),
      maximumRecordBytes: maximumRecordBytes)
    var parked = ParkedCalls(reader)
    var emptied: CommitGroup?
    while true {
      let (turn, isStopping) = state.withLock { state -> (Turn?, Bool) in
        if state.spare == nil { swap(&state.spare, &emptied) }
        if let turn = Self.next(&state) { return (turn, false) }
        let isStopping = state.isStopping && state.long.isEmpty && state.parkedBytes == 0
        state.isIdle = !isStopping
        return (nil, isStopping)
      }
      switch turn {
      case .short(let group):
        commit(group, &executor, &parked, &observer)
        group.removeAll()
        emptied = group
      case .step(let step): run(step, &executor.changes)
      case .long(let groups):
        for other in groups.dropFirst() { groups[0].append(other) }
        commit(groups[0], &executor, &parked, &observer)
      case .read(let list):
        parked.begin(list)
        execute(list, CommitGroup(), &executor, &parked, &observer)
        parked.end()
        parked.send()
        state.withLock { $0.didUnpark(list.bytes.count) }
      case nil where isStopping:
        ended.signal()
        return
      case nil: wakeUp.wait()
      }
    }
  }

  /// What is committed together.
  private enum Turn {
    case short(CommitGroup)
    /// Of ``LongLane``; at least one.
    case long([CommitGroup])
    case step(CommitStep)
    /// Calls that were parked.
    case read(CommandList)
  }

  /// What is committed next, short and long writes in turn; nil when there is nothing, or only what is being checked.
  private static func next(_ state: inout State) -> Turn? {
    if let list = state.read {
      state.read = nil
      return .read(list)
    }
    if let step = state.steps.first, !state.wasStep || !state.hasShort {
      state.steps.removeFirst()
      state.wasStep = true
      return .step(step)
    }
    state.wasStep = false
    if !state.long.isEmpty, !state.wasLong || !state.hasShort {
      let groups = state.long.takeFirst(taken: state.takenGroups)
      if !groups.isEmpty {
        state.wasLong = true
        for group in groups { state.queuedBytes -= group.queuedBytes }
        return .long(groups)
      }
    }
    state.wasLong = false
    guard let group = takeShort(&state) else { return nil }
    state.takenGroups += 1
    state.queuedBytes -= group.queuedBytes
    return .short(group)
  }

  private static func takeShort(_ state: inout State) -> CommitGroup? {
    if !state.full.isEmpty { return state.full.removeFirst() }
    defer { state.open = nil }
    return state.open
  }

  /// Has the engine store a batch, and moves the mark on.
  private func apply(_ batch: WriteBatch) throws(EngineError) {
    try applyToEngine(batch, durability)
    mark?.record(engine, durability)
  }

  /// Has the engine store a batch, and tells the cache.
  func applyToEngine(_ batch: WriteBatch, _ durability: Durability) throws(EngineError) {
    guard let cache else { return try engine.apply(batch, durability: durability) }
    let mark = cache.willApply(batch)
    // Whether a batch that failed is there is not known: it was removed all the same.
    defer { cache.didApply(batch, mark) }
    try engine.apply(batch, durability: durability)
  }

  private func commit(
    _ group: CommitGroup, _ executor: inout WriteExecutor, _ parked: inout ParkedCalls,
    _ observer: inout some CommitObserver
  ) {
    if let commands = group.commands, !commands.isEmpty {
      return execute(commands, group, &executor, &parked, &observer)
    }
    commit(group.batch, group.calls, &observer)
  }

  private func commit(
    _ batch: WriteBatch, _ calls: [CommitTicket], _ observer: inout some CommitObserver
  ) {
    do throws(EngineError) {
      try apply(batch)
      observer.didCommit(calls)
    } catch {
      didFail(calls, error, &observer)
    }
    if batch.rangeDeleteCount > 0 { sweeper?.add(batch) }
  }

  private func didFail(
    _ calls: [CommitTicket], _ error: EngineError, _ observer: inout some CommitObserver
  ) {
    monitor?.look()
    observer.didFail(calls, error, since: monitor?.since)
  }

  /// Executes commands on top of what is in the batch, and commits both together. Changes that are as they are come
  /// first: those of models with indexes are never among them, and a call with a condition to another model sees what
  /// those of its group have changed.
  private func execute(
    _ commands: CommandList, _ group: CommitGroup, _ executor: inout WriteExecutor,
    _ parked: inout ParkedCalls, _ observer: inout some CommitObserver
  ) {
    let batch = group.batch
    var calls = ExecutedCalls()
    calls.plain = group.calls
    if commands.hasPlainModels {
      if batch.rangeDeleteCount > 0 {
        finish(batch, &calls, &executor, &observer)
      } else {
        executor.note(batch)
      }
    }
    var parkedBytes = 0
    for (index, call) in commands.calls.enumerated() {
      guard !parked.holds(call.ticket.source) else {
        parked.park(call, of: commands)
        parkedBytes += call.end - call.start
        continue
      }
      // A range is read in the engine, which has to have all that came before.
      let isRange = WriteExecutor.isRange(call, of: commands)
      if isRange || batch.byteCount > Self.executedBytes {
        finish(batch, &calls, &executor, &observer)
      }
      if !isRange { executor.lookAhead(commands, from: index) }
      let tier: ReadTier = call.timesParked < ParkedCalls.maximumTimes ? .memory : .any
      switch executor.execute(call, of: commands, into: batch, tier: tier) {
      case .done:
        if let answer = executor.answer {
          calls.answered.append(AnsweredCall(ticket: call.ticket, answer: answer))
        } else {
          calls.plain.append(call.ticket)
        }
      case .refused(let refusal):
        observer.didRefuse(call.ticket, refusal, write: executor.writeNumber)
      case .failed(let error): observer.didFail([call.ticket], error, since: monitor?.since)
      case .wouldBlock:
        parked.park(call, of: commands)
        parkedBytes += call.end - call.start
      }
      if isRange { finish(batch, &calls, &executor, &observer) }
    }
    finish(batch, &calls, &executor, &observer)
    if parkedBytes > 0 {
      state.withLock { state in
        state.parkedBytes += parkedBytes
        state.queuedBytes += parkedBytes
      }
    }
    parked.send()
  }

  /// Calls whose changes are in the batch.
  private struct ExecutedCalls {
    var plain: [CommitTicket] = []
    var answered: [AnsweredCall] = []

    mutating func removeAll() {
      plain.removeAll(keepingCapacity: true)
      answered.removeAll(keepingCapacity: true)
    }
  }

  /// A batch of executed calls is committed once it has so many bytes.
  private static let executedBytes = 16 << 20

  private func finish(
    _ batch: WriteBatch, _ calls: inout ExecutedCalls, _ executor: inout WriteExecutor,
    _ observer: inout some CommitObserver
  ) {
    do throws(EngineError) {
      // What changes nothing needs no commit.
      if !batch.isEmpty { try apply(batch) }
      executor.changes.didApply(true)
      if !calls.plain.isEmpty { observer.didCommit(calls.plain) }
      if !calls.answered.isEmpty {
        unsafe observer.didCommit(calls.answered, executor.answers.bytes)
      }
    } catch {
      executor.changes.didApply(false)
      didFail(calls.plain + calls.answered.map(\.ticket), error, &observer)
    }
    if batch.rangeDeleteCount > 0 { sweeper?.add(batch) }
    calls.removeAll()
    batch.clear()
    executor.didApply()
  }
}
