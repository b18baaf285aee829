import Bytes
import Logging
import NIOCore
import Platform
import Synchronization

/// What one event loop keeps: its connections, and the mailbox through which other threads complete calls.
///
/// Thread-safety: `post` may be called from any thread; everything else only on `eventLoop`.
// SAFETY of `@unchecked Sendable`: the mailbox is behind its mutex; the other stored properties are
// touched by the event loop's thread only (some check it by `assertInEventLoop`, in debug).
final class LoopContext: @unchecked Sendable {
  let index: UInt32
  let eventLoop: any EventLoop
  let budgets: MemoryBudgets
  let logger: Logger
  /// Whether each call is logged, which is asked once for each.
  let isTracing: Bool
  let hooks: CallHooks
  /// Whether anybody looks at each call, which the clock is read for.
  let watchesCalls: Bool
  let compression: LoopCompression
  /// Of nghttp2; nil takes each block from malloc, where a sanitizer sees it.
  let sessionMemory: SessionMemory?
  /// Bytes of nghttp2's frames that wait for the socket: of the connection that sends now.
  var output = ByteWriter()
  /// A connection sends now, see ``Connection/send(limit:)``.
  var isSending = false
  /// The calls that its connections may open.
  var calls: CallLease
  /// What the connections of all loops hold, see ``makeRoom()``.
  let holders: LargestHolders
  /// What was spent at the last look.
  var spentResources: Set<SharedResource> = []
  /// Its connections without calls.
  let idle = IdleConnections()
  private let mailbox = Mutex(Mailbox())

  private struct Mailbox {
    var completions = Completions.Bundle()
    var isScheduled = false
  }

  /// Memory for more of the mailbox than this is given back when it is emptied.
  private static let keptCompletions = 1024

  // Confined to the event loop.
  /// Set before the first connection.
  weak var clock: LoopClock?
  private var handlers: [ConnectionHandler?] = []
  private var generations: [UInt32] = []
  private var freeIndexes: [UInt32] = []
  private var dirty: [ConnectionHandler] = []
  /// What was taken out of the mailbox; its memory is the mailbox's again afterwards.
  private var taken = Completions.Bundle()
  private var deadlineTimer: Scheduled<Void>?
  private(set) var draining = false
  /// See ``CallContext/lookUpsPerRead``; below 0 none is left.
  var lookUpsLeft = CallContext.lookUpsPerRead

  init(
    index: UInt32, eventLoop: any EventLoop, budgets: MemoryBudgets, calls: CallLimit,
    holders: LargestHolders, hooks: CallHooks,
    compressionTurn: UInt64, logger: Logger, sessionMemory: SessionMemory?
  ) {
    self.index = index
    self.logger = logger
    self.sessionMemory = sessionMemory
    isTracing = logger.logLevel <= .trace
    self.hooks = hooks
    watchesCalls = isTracing || hooks.observer != nil
    self.eventLoop = eventLoop
    self.budgets = budgets
    self.calls = CallLease(calls)
    self.holders = holders
    compression = LoopCompression(budget: budgets.requests, turnNanoseconds: compressionTurn)
  }

  // MARK: - Connections (event loop)

  private(set) var connectionCount = 0 {
    didSet { openConnections.store(connectionCount, ordering: .sequentiallyConsistent) }
  }
  private let openConnections = Atomic<Int>(0)

  /// Whether there are connections to look after. Any thread.
  var hasConnections: Bool { openConnections.load(ordering: .sequentiallyConsistent) > 0 }

  /// Gives a new connection its place: `(index, generation)` for its calls' tokens.
  func register(_ handler: ConnectionHandler) -> (UInt32, UInt32) {
    eventLoop.assertInEventLoop()
    connectionCount += 1
    clock?.start()
    if let index = freeIndexes.popLast() {
      handlers[Int(index)] = handler
      generations[Int(index)] &+= 1
      return (index, generations[Int(index)])
    }
    handlers.append(handler)
    generations.append(0)
    return (UInt32(handlers.count - 1), 0)
  }

  func unregister(_ index: UInt32) {
    eventLoop.assertInEventLoop()
    connectionCount -= 1
    handlers[Int(index)] = nil
    freeIndexes.append(index)
  }

  func forEachHandler(_ body: (ConnectionHandler) -> Void) {
    for handler in handlers { if let handler { body(handler) } }
  }

  // MARK: - Completions

  /// Hands over completions of calls of this loop; one wake-up however many there are. Any thread.
  func post(_ completions: Completions.Bundle) { post { $0.append(completions) } }

  /// The same with one.
  func post(_ completion: Completions.Completion) { post { $0.others.append(completion) } }

  private func post(_ append: (inout Completions.Bundle) -> Void) {
    let mustWake = mailbox.withLock { mailbox in
      append(&mailbox.completions)
      defer { mailbox.isScheduled = true }
      return !mailbox.isScheduled
    }
    if mustWake { eventLoop.execute { self.drainMailbox() } }
  }

  private func drainMailbox() {
    mailbox.withLock { mailbox in
      mailbox.isScheduled = false
      swap(&mailbox.completions, &taken)
    }
    for completion in taken.others {
      guard let (handler, connection, slot) = find(completion.token) else { continue }
      if let outcome = completion.outcome {
        connection.complete(slot, outcome)
      } else {
        connection.takeTurn(slot)
      }
      markDirty(handler)
    }
    for token in taken.empty {
      guard let (handler, connection, slot) = find(token) else { continue }
      connection.complete(slot, .empty)
      markDirty(handler)
    }
    taken.removeAll(keepingAtMost: Self.keptCompletions)
    flushDirty()
  }

  /// The call that a token names, unless it is gone.
  @inline(__always)
  func find(
    _ token: CallToken
  ) -> (
    handler: ConnectionHandler, connection: Connection, slot: SlotReference
  )? {
    guard Int(token.connection) < handlers.count, let handler = handlers[Int(token.connection)],
      generations[Int(token.connection)] == token.connectionGeneration,
      let connection = handler.connection,
      let slot = connection.liveSlot(token.slot, token.generation)
    else { return nil }
    return (handler, connection, slot)
  }

  /// Runs `body`, which reads what is confined to the loop.
  func onLoop<R>(_ body: () -> R) -> R {
    eventLoop.preconditionInEventLoop()
    return body()
  }

  /// Flushes a connection once the one that sends now has done so.
  func flushLater(_ handler: ConnectionHandler) {
    markDirty(handler)
    eventLoop.execute { self.flushDirty() }
  }

  private func markDirty(_ handler: ConnectionHandler) {
    guard !handler.isDirty else { return }
    handler.isDirty = true
    dirty.append(handler)
  }

  private func flushDirty() {
    for handler in dirty {
      handler.isDirty = false
      handler.flush()
    }
    dirty.removeAll(keepingCapacity: true)
  }

  // MARK: - Memory for answers (event loop)

  /// Streams that are pulled when there is memory for answers, in the order in which they came.
  private var waiting: [CallToken] = []
  private var isWaiting = false

  /// Gives a stream its turn when there is memory for answers again.
  func giveTurnWhenMemoryIsFree(_ token: CallToken) {
    eventLoop.assertInEventLoop()
    waiting.append(token)
    // Streams that ended while they waited leave their tokens behind.
    if waiting.count > 2 * waitingAfterSweep + 64 {
      waiting.removeAll { find($0) == nil }
      waitingAfterSweep = waiting.count
    }
    waitForMemory()
  }

  private var waitingAfterSweep = 0

  private func waitForMemory() {
    guard !isWaiting else { return }
    isWaiting = true
    budgets.answers.whenNotSpent { [weak self] in
      guard let self else { return }
      eventLoop.execute { self.giveTurns() }
    }
  }

  private func giveTurns() {
    isWaiting = false
    let tokens = waiting
    waiting = []
    var next = 0
    while next < tokens.count && !budgets.answers.isSpent {
      if let (handler, connection, slot) = find(tokens[next]) {
        connection.takeTurn(slot)
        markDirty(handler)
      }
      next += 1
    }
    // Those that had no turn stay in front of those that want another one.
    waiting = tokens[next...] + waiting
    flushDirty()
    if !waiting.isEmpty { waitForMemory() }
  }

  // MARK: - Turns (event loop)

  /// Between two turns, so that sockets are looked at in between: a task that follows at once would come before them.
  private static let turnPause = TimeAmount.microseconds(100)

  /// Runs `body` once the sockets have been looked at.
  func afterOthers(_ body: @escaping () -> Void) {
    eventLoop.assumeIsolated().scheduleTask(in: Self.turnPause, body)
  }

  // MARK: - Compressed messages (event loop)

  private var hasCompressionTurns = false

  /// Gives turns to the calls whose messages wait to be inflated.
  func giveCompressionTurnsSoon() {
    guard !hasCompressionTurns else { return }
    hasCompressionTurns = true
    afterOthers { self.giveCompressionTurns() }
  }

  private func giveCompressionTurns() {
    hasCompressionTurns = false
    compression.giveTurns { token in
      guard let (handler, connection, slot) = find(token) else { return }
      connection.takeTurn(slot)
      markDirty(handler)
    }
    flushDirty()
    if compression.first != nil { giveCompressionTurnsSoon() }
  }

  // MARK: - Who may do what (event loop)

  /// Has all calls looked at again by the gate.
  func recheckCalls() {
    forEachHandler { handler in
      handler.connection?.recheckCalls()
      handler.flush()
    }
  }

  // MARK: - Deadlines (event loop)

  /// Deadlines are looked at in steps of this length.
  private static let deadlineStep = TimeAmount.milliseconds(5)

  /// Starts the deadline timer unless it runs.
  // The timer keeps this object: a weak reference would make each count of its references slower for good.
  func watchDeadlines() {
    guard deadlineTimer == nil else { return }
    deadlineTimer = eventLoop.scheduleTask(in: Self.deadlineStep) { self.checkDeadlines() }
  }

  /// Stops the timer, which keeps this object: for an event loop that goes on without it.
  func stopTimer() { deadlineTimer?.cancel() }

  private func checkDeadlines() {
    deadlineTimer = nil
    let now = MonotonicClock.now()
    var isNeeded = false
    forEachHandler { handler in
      guard let connection = handler.connection, connection.callsWithDeadline > 0 else { return }
      connection.expireCalls(now: now)
      handler.flush()
      isNeeded = isNeeded || connection.callsWithDeadline > 0
    }
    if isNeeded { watchDeadlines() }
  }

  // MARK: - Looking after connections (event loop)

  /// What ``LoopClock`` has done twice a second.
  func lookAfterConnections() {
    let now = MonotonicClock.now()
    forEachHandler { $0.look(now: now) }
    makeRoom()
  }

  // MARK: - Draining (event loop)

  func beginDrain() {
    draining = true
    forEachHandler { $0.beginDrain() }
  }

  /// Ends the connections whose clients have neither sent nor taken anything of their calls for `grace` nanoseconds.
  func endStalled(grace: UInt64) {
    let now = MonotonicClock.now()
    forEachHandler { handler in
      guard let connection = handler.connection, connection.callCount > 0,
        connection.isStalled(now: now, grace: grace)
      else { return }
      handler.closeNow()
    }
  }

  func closeAll() {
    forEachHandler { $0.closeNow() }
  }
}
