import Dispatch
import Logging
import Platform
import Synchronization
import Wire

/// What happened that somebody may have to answer for: a JSON object a line, appended to a file.
///
/// Never a token, a key or a value. What strangers can cause at will is bounded: beyond
/// ``maximumLinesPerSecond`` such lines are only counted, and the count is a line. Lines are written by a thread of its
/// own, so that nobody waits for the disk.
///
/// Thread-safety: every call from any thread.
final class AuditLog: Sendable {
  /// Of refusals.
  static let maximumLinesPerSecond = 100
  /// Lines that wait for the disk; more are only counted.
  private static let maximumWaiting = 10_000

  private struct State {
    var second: UInt64 = 0
    var linesOfSecond = 0
    var leftOut = 0
    var waiting: [[UInt8]] = []
    var isScheduled = false
  }

  private let path: String
  private let logger: Logger
  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "audit")
  private let file: Mutex<Int32>
  private let hasFailed = Atomic(false)

  /// Opens the file, or makes it, for its owner alone.
  init(path: String, logger: Logger) throws(ServerError) {
    self.path = path
    self.logger = logger
    file = Mutex(try Self.open(path))
  }

  private static func open(_ path: String) throws(ServerError) -> Int32 {
    try SmallFile.openToAppend(path) { failure in
      guard case .system(_, _, let code) = failure else {
        return ServerError.noAuditLog(path: path, detail: "it is no file. Name a file")
      }
      return ServerError.noAuditLog(path: path, detail: FileTrouble.sentences(for: code, at: path))
    }
  }

  deinit { SmallFile.close(file.withLock { $0 }) }

  // MARK: - What happened

  /// A call was not let in.
  func refused(_ status: RPCStatus, who: String?, from peer: PeerIdentity?) {
    record("refused", isBounded: true) {
      [
        ("reason", .string(status.reason)), ("who", .optional(who)),
        ("from", .optional(peer?.address)),
      ]
        + status.metadata.map { ($0.key, .string($0.value)) }
    }
  }

  /// Records were deleted that the request did not name one by one.
  ///
  /// - Parameter keys: which expression named them.
  func deletedRange(ofModel model: String, keys: String, who: String?, from peer: PeerIdentity?) {
    record("range-delete", isBounded: false) {
      [
        ("who", .optional(who)), ("from", .optional(peer?.address)), ("model", .string(model)),
        ("keys", .string(keys)),
      ]
    }
  }

  /// The access file was taken anew.
  func reloaded(identities: Int) {
    record("reload", isBounded: false) { [("identities", .integer(identities))] }
  }

  /// The access file was not taken.
  func notReloaded(_ trouble: String) {
    record("reload-failed", isBounded: false) { [("trouble", .string(trouble))] }
  }

  // MARK: - Lines

  private func record(
    _ event: String, isBounded: Bool, _ members: () -> [(String, JSONValue)]
  ) {
    let second = Self.second()
    let mayWrite = state.withLock { state -> Bool in
      if state.second != second {
        state.second = second
        state.linesOfSecond = 0
        Self.countLeftOut(&state)
      }
      guard state.waiting.count < Self.maximumWaiting,
        !isBounded || state.linesOfSecond < Self.maximumLinesPerSecond
      else {
        state.leftOut += 1
        return false
      }
      if isBounded { state.linesOfSecond += 1 }
      return true
    }
    if mayWrite {
      let line = Self.line(event, members())
      state.withLock { $0.waiting.append(line) }
    }
    schedule(after: mayWrite ? .nanoseconds(0) : .seconds(1))
  }

  private static func second() -> UInt64 { MonotonicClock.now() / 1_000_000_000 }

  private static func countLeftOut(_ state: inout State) {
    guard state.leftOut > 0 else { return }
    state.waiting.append(line("left-out", [("lines", .integer(state.leftOut))]))
    state.leftOut = 0
  }

  private static func line(_ event: String, _ members: [(String, JSONValue)]) -> [UInt8] {
    let all: [(String, JSONValue)] =
      [("time", .string(Timestamp.coarse().text)), ("event", .string(event))] + members
    return Array((JSONValue.members(all.map { (name: $0.0, value: $0.1) }).text + "\n").utf8)
  }

  private func schedule(after delay: DispatchTimeInterval) {
    let mustSchedule = state.withLock { state in
      defer { state.isScheduled = true }
      return !state.isScheduled
    }
    guard mustSchedule else { return }
    queue.asyncAfter(deadline: .now() + delay) { [weak self] in self?.write() }
  }

  // MARK: - On the queue

  /// - Parameter isLast: what was left out is told now, also when its second is not over.
  private func write(isLast: Bool = false) {
    let (lines, isHeldBack) = state.withLock { state in
      // The second whose lines are left out may have more of them.
      let isHeldBack = !isLast && state.leftOut > 0 && state.second == Self.second()
      if !isHeldBack { Self.countLeftOut(&state) }
      defer {
        state.waiting = []
        state.isScheduled = false
      }
      return (state.waiting, isHeldBack)
    }
    if isHeldBack { schedule(after: .seconds(1)) }
    let bytes = Array(lines.joined())
    guard !bytes.isEmpty else { return }
    do throws(SystemError) {
      try file.withLock { (file) throws(SystemError) in try SmallFile.write(bytes, to: file) }
      hasFailed.store(false, ordering: .relaxed)
    } catch {
      guard !hasFailed.exchange(true, ordering: .relaxed) else { return }
      logger.error(
        "the audit log cannot be written, and lines of it are lost: \(FileTrouble.sentences(for: error.code, at: path))"
      )
    }
  }

  /// Opens the file anew, after somebody has moved it away.
  func reopen() {
    queue.async { [self] in
      do throws(ServerError) {
        let new = try Self.open(path)
        SmallFile.close(
          file.withLock { file in
            defer { file = new }
            return file
          })
      } catch {
        logger.warning("\(error); the old file is written on")
      }
    }
  }

  /// Writes what waits, and how much was left out so far.
  func flush() {
    queue.sync { write(isLast: true) }
  }
}
