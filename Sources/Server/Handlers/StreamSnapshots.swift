import Platform
import Records
import Synchronization

/// The read of one stream, between its messages.
///
/// Thread-safety: any thread. Whoever takes the scan has it alone until it is given back.
final class StreamedRead: Sendable {
  enum Taken {
    case scan(RecordScan)
    /// All messages were made, or nobody wants them any more.
    case ended
    /// The moment is not kept any more; the next page begins after this token. Nil before the first message.
    case expired(pageToken: String?)
  }

  private enum State {
    case waiting(RecordScan)
    case running
    /// Expired while a message was being made.
    case runningExpired
    case expired(pageToken: String?)
    case ended
  }

  private let state: Mutex<State>
  /// When it began, by ``MonotonicClock``.
  let began = MonotonicClock.now()

  init(_ scan: RecordScan) { state = Mutex(.waiting(scan)) }

  /// One whose scan is still to be made, with the first message, and then given back.
  init() { state = Mutex(.running) }

  /// For the making of one message.
  func take() -> Taken {
    state.withLock { state in
      switch state {
      case .waiting(let scan):
        state = .running
        return .scan(scan)
      case .expired(let token): return .expired(pageToken: token)
      case .running, .runningExpired, .ended: return .ended
      }
    }
  }

  /// - Parameter scan: nil after the last message.
  func giveBack(_ scan: RecordScan?) {
    state.withLock { state in
      switch (state, scan) {
      case (.running, let scan?): state = .waiting(scan)
      case (.runningExpired, let scan?): state = .expired(pageToken: scan.nextPageToken)
      default: state = .ended
      }
    }
  }

  /// Lets the moment go, which keeps what was overwritten since on the disk.
  func expire() {
    state.withLock { state in
      switch state {
      case .waiting(let scan): state = .expired(pageToken: scan.nextPageToken)
      case .running: state = .runningExpired
      case .runningExpired, .expired, .ended: break
      }
    }
  }

  func end() { state.withLock { $0 = .ended } }

  var isEnded: Bool {
    state.withLock { state in
      switch state {
      case .expired, .ended: true
      case .waiting, .running, .runningExpired: false
      }
    }
  }
}

/// Ends what streams hold of the store when they take too long: a client that stops reading must not keep what was
/// overwritten since on the disk for ever.
///
/// Thread-safety: `add` from any thread; `start` and `stop` once.
final class StreamSnapshots: Sendable {
  private struct Read {
    weak var read: StreamedRead?
  }

  private let maximumSeconds: Int
  private let reads = Mutex<[Read]>([])
  private let task = RepeatingTask(label: "stream-snapshots", everyMilliseconds: 1000)

  /// - Parameter maximumSeconds: how old the moment of a stream may grow.
  init(maximumSeconds: Int) { self.maximumSeconds = maximumSeconds }

  func add(_ read: StreamedRead) { reads.withLock { $0.append(Read(read: read)) } }

  func start() { task.start { [weak self] in self?.look() } }

  func stop() { task.stop() }

  private func look() {
    // A machine may have started less than that ago: no difference of the two is a time.
    let (now, longest) = (MonotonicClock.now(), UInt64(maximumSeconds) &* 1_000_000_000)
    let expired = reads.withLock { reads in
      reads.removeAll { $0.read?.isEnded ?? true }
      return reads.compactMap(\.read).filter { now - $0.began > longest }
    }
    for read in expired { read.expire() }
  }
}
