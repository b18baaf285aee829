import Access
import Logging
import Platform
import Synchronization
import Wire

/// Takes an access file anew when it has changed, the whole of it or nothing; and ends the streams of tokens that
/// expire.
///
/// Looked at are the bytes: times of change lie. What has changed must be the same at the next look, a second later: so
/// a file that is being written is not taken by halves. ``lookNow()`` takes it at once.
///
/// Thread-safety: every call from any thread; `start` and `stop` once.
final class AccessFileWatch: Sendable {
  private struct State {
    /// What was last taken or refused; nil when it could not be read.
    var tried: [UInt8]?
    /// What was there at the last look, if it was something new.
    var seen: [UInt8]?
    /// What a log was last told.
    var trouble: String?
    var nextLook: UInt64 = 0
    var nextExpiration: Timestamp?
  }

  private let path: String
  /// In nanoseconds.
  private let interval: UInt64
  private let control: AccessControl
  private let server: GRPCServer
  private let logger: Logger
  /// Looks more often than the file is read, for tokens that expire.
  private let task: RepeatingTask
  /// Used by the task alone.
  private let state: Mutex<State>

  /// - Parameters:
  ///   - contents: of which the policy in force was made.
  ///   - milliseconds: from one look at the file to the next.
  init(
    _ path: String, contents: [UInt8], _ milliseconds: Int, control: AccessControl,
    server: GRPCServer, logger: Logger
  ) {
    self.path = path
    interval = UInt64(max(1, milliseconds)) * 1_000_000
    task = RepeatingTask(
      label: "access-file", everyMilliseconds: min(milliseconds, 1000))
    self.control = control
    self.server = server
    self.logger = logger
    state = Mutex(
      State(
        tried: contents, nextLook: MonotonicClock.now() &+ interval,
        nextExpiration: control.policy.nextExpiration(after: .coarse())))
  }

  func start() { task.start { [weak self] in self?.look() } }

  /// Takes the file now, whether it has changed or not. Does not wait for it.
  func lookNow() {
    task.perform { [weak self] in self?.read(isForced: true) }
  }

  func stop() { task.stop() }

  // MARK: - In the task

  private func look() {
    let now = MonotonicClock.now()
    let (isDue, hasExpired) = state.withLock { state in
      (
        state.seen != nil || now >= state.nextLook,
        state.nextExpiration.map { Timestamp.coarse() >= $0 } ?? false
      )
    }
    if isDue {
      state.withLock { $0.nextLook = now &+ interval }
      read(isForced: false)
    }
    if hasExpired { recheck() }
  }

  private func read(isForced: Bool) {
    let contents: [UInt8]
    do throws(AccessError) {
      contents = try AccessPolicy.contents(of: path)
    } catch {
      state.withLock {
        $0.tried = nil
        $0.seen = nil
      }
      return warn(error, isForced: isForced)
    }
    let mayTake = state.withLock { state -> Bool in
      if isForced || state.seen == contents {
        state.seen = nil
        state.tried = contents
        return true
      }
      state.seen = state.tried == contents ? nil : contents
      return false
    }
    if mayTake { take(contents, isForced: isForced) }
  }

  private func take(_ contents: [UInt8], isForced: Bool) {
    let previous = control.policy
    let policy: AccessPolicy
    do throws(AccessError) {
      policy = try AccessPolicy(contents, path: path, models: previous.models, previous: previous)
    } catch {
      return warn(error, isForced: isForced)
    }
    state.withLock { $0.trouble = nil }
    control.replace(policy)
    recheck()
    logger.notice(
      "the access file is in force", metadata: ["identities": "\(policy.principalCount)"])
    control.audit?.reloaded(identities: policy.principalCount)
  }

  private func warn(_ error: AccessError, isForced: Bool) {
    let trouble = "\(error)"
    let isNew = state.withLock { state in
      defer { state.trouble = trouble }
      return state.trouble != trouble
    }
    guard isNew || isForced else { return }
    for line in trouble.split(separator: "\n") {
      logger.warning("the access file is not taken, and what was in force stays: \(line)")
    }
    control.audit?.notReloaded(trouble)
  }

  /// Has every connection know the policy in force, and ends what it does not allow. Returns when that is done.
  private func recheck() {
    let next = control.policy.nextExpiration(after: .coarse())
    state.withLock { $0.nextExpiration = next }
    server.recheckCalls()
  }
}
