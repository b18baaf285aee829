import Dispatch
import Engine
import Platform
import Synchronization

// SAFETY: keys lie in a writer that is not changed while they are looked up.

/// Calls whose execution needs what is not in memory: a thread of their own reads it, so that the commit thread never
/// waits for the disk, and they are executed then.
///
/// Calls of one source stay in their order: those that come after a parked one are parked after it.
///
/// Thread-safety: the commit thread's, but for what says otherwise.
struct ParkedCalls: ~Copyable {
  /// A call that was parked so often reads where it is: a cache that loses what was read must not keep it for ever.
  static let maximumTimes = 2

  private var waiting = CommandList()
  /// How many calls of each source are parked.
  private var held: [CommitTicket.Source: Int] = [:]
  private var isReading = false
  /// While calls are executed that were parked: those that were parked after them, and the sources of those that are
  /// parked again.
  private var later: CommandList?
  private var parkedAgain: Set<CommitTicket.Source> = []
  private let reader: ParkedReader

  init(_ reader: ParkedReader) { self.reader = reader }

  /// Whether a call has to follow others of its source.
  func holds(_ source: CommitTicket.Source) -> Bool {
    if later != nil { return parkedAgain.contains(source) }
    return !held.isEmpty && held[source] != nil
  }

  /// Adds a call of `list` at the end.
  mutating func park(_ call: CommandList.Call, of list: CommandList) {
    waiting.append(call, of: list, timesParked: call.timesParked + 1)
    held[call.ticket.source, default: 0] += 1
    if later != nil { parkedAgain.insert(call.ticket.source) }
  }

  /// Has the thread read what the calls need, unless it is at work.
  mutating func send() {
    guard !isReading, !waiting.isEmpty else { return }
    isReading = true
    reader.read(waiting)
    waiting = CommandList()
  }

  /// The thread has read what these calls need: they are executed now, before any that was parked after them.
  mutating func begin(_ list: CommandList) {
    isReading = false
    later = waiting
    waiting = CommandList()
    for call in list.calls {
      let left = (held[call.ticket.source] ?? 1) - 1
      held[call.ticket.source] = left == 0 ? nil : left
    }
  }

  /// They were executed, or parked again.
  mutating func end() {
    if let later { waiting.append(later) }
    later = nil
    parkedAgain.removeAll()
  }
}

/// The thread that reads what parked calls need.
///
/// Thread-safety: `read` from one thread; `start` and `stop` once.
final class ParkedReader: Sendable {
  private struct State {
    var list: CommandList?
    var isStopping = false
  }

  private let engine: any StorageEngine
  private let requests: RequestLog
  private let state = Mutex(State())
  private let wakeUp = DispatchSemaphore(value: 0)
  private let thread = WorkerThread(name: "write-reads")

  init(engine: any StorageEngine, requests: RequestLog) {
    self.engine = engine
    self.requests = requests
  }

  /// - Parameter done: gets each list when it was read, on the thread.
  func start(_ done: @escaping @Sendable (CommandList) -> Void) {
    thread.start { [self] in
      while true {
        wakeUp.wait()
        let (list, isStopping) = state.withLock { state in
          defer { state.list = nil }
          return (state.list, state.isStopping)
        }
        if let list {
          read(keysOf: list)
          done(list)
        } else if isStopping {
          return
        }
      }
    }
  }

  func read(_ list: CommandList) {
    state.withLock { $0.list = list }
    wakeUp.signal()
  }

  func stop() {
    state.withLock { $0.isStopping = true }
    wakeUp.signal()
    thread.join()
  }

  private func read(keysOf list: CommandList) {
    let keys = list.storedKeys(requests)
    let stored = StoredKeys(ascending: keys)
    stored.withKeys(first: keys.count, fromEnd: false) { keys in
      // What cannot be read is told to the call when it is executed.
      _ = try? engine.get(keys, snapshot: nil, tier: .any) { _, _ in .next }
    }
  }
}
