import Glibc
import Logging
import Platform
import Synchronization
import Wire

/// Keeps the certificate of a running server the one in its files: looks at them from time to time, and says what is
/// wrong with them.
///
/// It compares what the files hold, as the time of their last change says less: it may be the same, or another one,
/// for what a program has put in their place.
///
/// Thread-safety: every call from any thread; `start` and `stop` once.
final class CertificateWatch: Sendable {
  let identity: TLSIdentity
  private let files: TLSFiles
  /// How long files must hold the same that have changed: whoever writes them may not be through.
  private let settleMicroseconds: UInt32
  private let logger: Logger
  private let task: RepeatingTask
  private let state = Mutex(State())

  private struct State {
    /// Of the last look: the same words are logged once.
    var lastRefusal: TLSError?
    /// The day, counted from 1970, on which the log had the last words on a certificate that ends soon.
    var lastWarningDay: Int64 = 0
    var whenTaken: @Sendable () -> Void = {}
  }

  /// How many days before its end the log begins to speak of it.
  static let warningDays = 14

  /// Loads the files. Blocks on disk I/O.
  init(_ files: TLSFiles, _ milliseconds: Int, _ logger: Logger) throws(ServerError) {
    do throws(TLSError) {
      identity = try TLSIdentity(files)
    } catch {
      throw .tls(error)
    }
    self.files = files
    self.logger = logger
    task = RepeatingTask(label: "certificates", everyMilliseconds: milliseconds)
    settleMicroseconds = UInt32(min(max(1, milliseconds), 1000) * 1000)
    if files.isKeyOpenToOthers {
      logger.warning(
        "every user of this machine can read the key of the certificate; take that from them: chmod 600",
        metadata: ["key": "\(files.key)"])
    }
    warnOfEnd()
  }

  /// - Parameter whenTaken: is told, on a thread of its own, when other files are in force, before the log is.
  func start(whenTaken: @escaping @Sendable () -> Void = {}) {
    state.withLock { $0.whenTaken = whenTaken }
    task.start { [weak self] in self?.look() }
  }

  func stop() { task.stop() }

  /// Has the files looked at now, and taken as they are. Returns at once.
  func reload() {
    task.perform { [self] in
      let outcome = identity.reload()
      if outcome == .unchanged { logger.notice("the certificate is the one in its files already") }
      state.withLock { $0.lastRefusal = nil }
      tell(outcome)
    }
  }

  private func look() {
    tell(identity.reload(settle: { usleep(settleMicroseconds) }))
    warnOfEnd()
  }

  private func tell(_ outcome: TLSIdentity.Reload) {
    switch outcome {
    case .unchanged: state.withLock { $0.lastRefusal = nil }
    case .unsettled: break
    case .taken(let facts):
      state.withLock {
        $0.lastRefusal = nil
        $0.lastWarningDay = 0
      }
      state.withLock { $0.whenTaken }()
      logger.notice(
        "new connections get the new certificate",
        metadata: ["certificate": "\(files.certificate)", "until": "\(facts.lastDay)"])
      warnOfEnd()
    case .refused(let error):
      let isNew = state.withLock { state in
        defer { state.lastRefusal = error }
        return state.lastRefusal != error
      }
      guard isNew else { return }
      logger.warning(
        "the certificate's files have changed, and cannot be used; the one from before stays",
        metadata: ["reason": "\(error)"])
    }
  }

  /// Once a day.
  private func warnOfEnd() {
    let now = Timestamp.coarse()
    let today = now.seconds / 86_400
    let facts = identity.facts
    let left = facts.daysLeft(now: now)
    guard left < Self.warningDays else { return }
    let isNew = state.withLock { state in
      defer { state.lastWarningDay = today }
      return state.lastWarningDay != today
    }
    guard isNew else { return }
    logger.warning(
      left < 0
        ? "the certificate has expired: clients refuse it; renew it"
        : "the certificate ends in \(left) days; renew it",
      metadata: ["certificate": "\(files.certificate)", "until": "\(facts.lastDay)"])
  }
}
