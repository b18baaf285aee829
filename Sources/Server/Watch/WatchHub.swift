import Bytes
import Dispatch
import Engine
import Glibc
import Logging
import Platform
import Records
import Schema
import Synchronization
import Wire

// SAFETY: the system reads a time of our own, within the call.

/// Serves all calls that watch, from one thread, and trims what is kept of changes.
///
/// A call is *pulled*: it waits here only while its client has room for a message. After a commit the thread reads what
/// is new, once for all calls that are at the same place, and hands each its message. No call has a queue: one whose
/// client is slow reads the log where it is when its client is ready, and is told when that is not kept any more.
///
/// After a round the thread rests three times as long as it took, and as it takes to send what it has made, so that
/// calls that watch leave most of the machine to those that write, however many they are.
///
/// Thread-safety: any thread; `start` and `stop` once, in this order.
final class WatchHub: Sendable {
  private static let restFactor: UInt64 = 3
  /// What is written meanwhile is told in one message: a wake-up for each group would cost writers a third.
  private static let shortestRest: UInt64 = 1_000_000
  private static let longestRest: UInt64 = 500_000_000
  /// What it takes the event loops and the system to send a byte, about, in nanoseconds.
  private static let sendingTime: UInt64 = 2
  /// Messages of all calls have so many bytes, about.
  private static let heldBytes = 64 << 20
  private static let smallestMessageBytes = 4 << 10
  /// Between looks at what is old, and at calls that nothing happens for.
  private static let interval = DispatchTimeInterval.seconds(1)
  private static let trimInterval: UInt64 = 1_000_000_000
  /// A call hears so often how far it is while nothing happens.
  private static let progressInterval: UInt64 = 10_000_000_000
  /// Between removals of changes that are not kept, unless they are many.
  private static let removalInterval: UInt64 = 600_000_000_000

  private struct State {
    var waiting: [Watcher] = []
    /// The thread has something to look at.
    var isWoken = false
    var isStopping = false
    /// Calls that took a moment, whose records they are given first.
    var holders: [Holder] = []
  }

  private struct Holder {
    weak var watcher: Watcher?
  }

  private let feed: ChangeFeed
  private let commits: CommitQueue
  private let engine: any StorageEngine
  private let server: GRPCServer
  private let clock: DatabaseClock
  private let maximumMomentSeconds: UInt64
  private let logger: Logger
  /// Calls that are under way.
  private let watcherCount = Atomic<Int>(0)
  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "watch")
  private let loading = WorkerThread(name: "watch-count")

  init(
    feed: ChangeFeed, commits: CommitQueue, engine: any StorageEngine, server: GRPCServer,
    maximumMomentSeconds: Int, logger: Logger
  ) {
    self.feed = feed
    self.commits = commits
    self.engine = engine
    self.server = server
    self.maximumMomentSeconds = UInt64(maximumMomentSeconds)
    self.logger = logger
    clock = commits.clock
  }

  /// Begins to serve, when a model is watched. After the start of the commit thread.
  func start() {
    guard !feed.all.isEmpty else { return }
    feed.whenCommitted { [self] in wake() }
    thread.start { [self] in run() }
    loading.start { [self] in load() }
  }

  /// Ends the thread. Blocks until then.
  func stop() {
    state.withLock { $0.isStopping = true }
    wakeUp.signal()
    thread.join()
    loading.join()
    feed.whenCommitted(nil)
  }

  /// Makes a call.
  func watcher(_ reader: ChangeReader, of store: ModelStore, _ token: CallToken) -> Watcher {
    watcherCount.add(1, ordering: .relaxed)
    return Watcher(reader, of: store, token) { [weak self] in
      self?.watcherCount.subtract(1, ordering: .relaxed)
    }
  }

  /// Bytes of a message: as all calls may hold one that is not sent yet, smaller ones when they are many.
  private var messageBytes: Int {
    let share = Self.heldBytes / max(1, watcherCount.load(ordering: .relaxed))
    return min(ChangeReader.messageBytes, max(Self.smallestMessageBytes, share))
  }

  /// Has the next message of a call made.
  func wait(_ watcher: Watcher) {
    state.withLock { $0.waiting.append(watcher) }
    wake()
  }

  private func wake() {
    let mustSignal = state.withLock { state in
      guard !state.waiting.isEmpty, !state.isWoken else { return false }
      state.isWoken = true
      return true
    }
    if mustSignal { wakeUp.signal() }
  }

  // MARK: - The thread

  private func run() {
    var removed: [UInt32: UInt64] = [:]
    var trimmed: UInt64 = 0
    while true {
      let (waiting, isStopping) = state.withLock { state in
        state.isWoken = false
        defer { state.waiting = [] }
        return (state.waiting, state.isStopping)
      }
      if isStopping { return }
      let began = MonotonicClock.now()
      if began - trimmed > Self.trimInterval {
        trim(&removed)
        letMomentsGo()
        trimmed = began
      }
      let newest = feed.revision
      let (left, bytes) = serve(waiting, newest)
      if !left.isEmpty { state.withLock { $0.waiting += left } }
      if !waiting.isEmpty {
        let took = MonotonicClock.now() - began + UInt64(bytes) * Self.sendingTime
        let rest = max(took * Self.restFactor, Self.shortestRest)
        self.rest(nanoseconds: min(rest, Self.longestRest))
      }
      // A commit that came while nobody was waiting has woken nobody.
      if !left.isEmpty, feed.revision != newest { continue }
      _ = wakeUp.wait(timeout: .now() + Self.interval)
    }
  }

  /// Calls that wait meanwhile are served afterwards.
  private func rest(nanoseconds: UInt64) {
    var time = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
    unsafe nanosleep(&time, nil)
  }

  private var isStopping: Bool { state.withLock { $0.isStopping } }

  /// Counts what earlier processes have left, which takes as long as it takes to read it.
  private func load() {
    for log in feed.all {
      do throws(EngineError) {
        try feed.load(log, engine) { isStopping }
      } catch {
        logger.error("kept changes cannot be read", metadata: ["error": "\(error)"])
      }
    }
  }

  private func trim(_ removed: inout [UInt32: UInt64]) {
    let now = MonotonicClock.now()
    for log in feed.all {
      guard let dropped = log.trim(now: clock.date()) else { continue }
      let last = removed[log.prefix.model] ?? 0
      let isDue = last == 0 || now - last > Self.removalInterval
      guard isDue || dropped.bytes > log.removedBytes else { continue }
      removed[log.prefix.model] = now
      commits.remove(dropped, of: log)
    }
  }

  /// A client that stops reading must not keep what was overwritten since on the disk for ever.
  private func letMomentsGo() {
    let now = MonotonicClock.now()
    let limit = maximumMomentSeconds.multipliedReportingOverflow(by: 1_000_000_000)
    let longest = limit.overflow ? .max : limit.partialValue
    let holders = state.withLock { $0.holders }
    let left = holders.filter { $0.watcher?.letMomentGo(now, after: longest) == false }
    // Only this thread adds some.
    state.withLock { $0.holders = left }
  }

  /// One message of several calls that are at the same place.
  private struct Made {
    let before: ChangeReader
    let after: ChangeReader
    let outcome: ChangeReader.Outcome
    let bytes: [UInt8]
  }

  /// - Returns: those that wait on, and how many bytes the others were given.
  private func serve(
    _ waiting: [Watcher], _ newest: UInt64
  ) -> (left: [Watcher], bytes: Int) {
    var left: [Watcher] = []
    var bytes = 0
    var made: [Made] = []
    var completions = server.completions()
    let now = MonotonicClock.now()
    for watcher in waiting where !watcher.cancellation.isCancelled {
      guard !server.budgets.answers.isSpent else {
        left.append(watcher)
        continue
      }
      if let answer = next(watcher, newest, now, &made, &bytes) {
        completions.complete(watcher.token, answer)
      } else {
        left.append(watcher)
      }
    }
    completions.post()
    return (left, bytes)
  }

  /// What a call is told; nil for nothing yet.
  private func next(
    _ watcher: Watcher, _ newest: UInt64, _ now: UInt64, _ made: inout [Made], _ bytes: inout Int
  ) -> Completions.Outcome? {
    watcher.withReader { reader, moment, told in
      if reader.needsMoment {
        do throws(EngineError) {
          let taken = try commits.moment()
          reader.begin(taken.snapshot, at: taken.revision)
        } catch {
          return .streamFinish(
            StatusMapping.status(ofRead: error, model: watcher.store.model.fullName))
        }
        moment = now
        state.withLock { $0.holders.append(Holder(watcher: watcher)) }
      } else if moment == .max {
        return .streamFinish(StatusMapping.watchTooSlow)
      }
      var response = ByteWriter()
      let outcome: ChangeReader.Outcome
      if let same = made.first(where: { $0.before.readsLike(reader) }) {
        reader = same.after
        outcome = same.outcome
        response.append(same.bytes)
      } else {
        let before = reader
        do throws(EngineError) {
          outcome = try reader.read(
            through: newest, messageBytes: messageBytes, into: &response)
        } catch {
          return .streamFinish(
            StatusMapping.status(ofRead: error, model: watcher.store.model.fullName))
        }
        if before.isShared {
          made.append(
            Made(before: before, after: reader, outcome: outcome, bytes: response.array()))
        }
      }
      switch outcome {
      case .compacted(let oldest): return .streamFinish(StatusMapping.compacted(oldest: oldest))
      case .caughtUp:
        guard now - told > Self.progressInterval else { return nil }
        reader.appendProgress(to: &response)
      case .message: break
      }
      told = now
      // What counts is how long the client takes for a message.
      if reader.holdsMoment { moment = now }
      bytes += response.count
      return .streamMessage(OwnedMessage(response, countedBy: server.budgets.answers))
    }
  }
}

/// A call that watches.
///
/// Thread-safety: the hub's thread and the call's loop, in turn; the cancellation, any thread.
final class Watcher: Sendable {
  private struct State {
    var reader: ChangeReader
    /// When the last message of the records that come first was made; the highest value once their moment was let go.
    var moment: UInt64 = 0
    /// When the last message was made.
    var told: UInt64
  }

  let token: CallToken
  let store: ModelStore
  let cancellation = CallCancellation()
  private let state: Mutex<State>
  private let atEnd: @Sendable () -> Void

  /// - Parameter atEnd: called once, when nobody has it any more.
  init(
    _ reader: ChangeReader, of store: ModelStore, _ token: CallToken,
    atEnd: @escaping @Sendable () -> Void
  ) {
    self.token = token
    self.atEnd = atEnd
    self.store = store
    state = Mutex(State(reader: reader, told: MonotonicClock.now()))
  }

  deinit { atEnd() }

  func withReader(
    _ body: (inout ChangeReader, _ moment: inout UInt64, _ told: inout UInt64)
      -> Completions.Outcome?
  ) -> Completions.Outcome? {
    state.withLock { body(&$0.reader, &$0.moment, &$0.told) }
  }

  func appendStart(to response: inout ByteWriter) {
    state.withLock { $0.reader.appendStart(to: &response) }
  }

  /// Lets go what it holds of the store if its client takes longer than that for a message; its call ends with its next
  /// message then.
  ///
  /// - Returns: whether it holds nothing any more.
  func letMomentGo(_ now: UInt64, after longest: UInt64) -> Bool {
    state.withLock { state in
      guard state.reader.holdsMoment else { return true }
      guard now > state.moment, now - state.moment > longest else { return false }
      state.reader.end()
      state.moment = .max
      return true
    }
  }
}
