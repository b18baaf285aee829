import Platform

/// What decides how long a connection lives; ``Connection`` carries it out.
///
/// Reads and writes of the socket only set marks here. The loop's timer looks at them, twice a second.
struct ConnectionLifetime {
  /// What a PING of ours is for. Its answer says so, and up to which answer the client has read.
  enum PingPurpose: UInt32 {
    case keepalive = 1
    case drain = 2
  }

  /// Something came from the client since the last look.
  private(set) var hasHeard = false
  /// Bytes that came, and that went to the socket.
  private(set) var heardBytes = 0
  var sentBytes = 0
  /// How fast they move.
  var requestRate = RateLimit()
  var answerRate = RateLimit()
  /// Whether anything ever came.
  private(set) var hasEverHeard = false
  /// A call began since the last look.
  var hasBegunCalls = false
  /// Calls were under way at the last look, or between it and the one before.
  var hadCalls = false

  var opening: OpeningLimit
  /// Whether the client has acknowledged our SETTINGS.
  var hasAcknowledged = false
  /// Resets by the client of calls that still run.
  var resets = LeakyBucket(capacity: 2000, leakPerSecond: 500)
  /// Streams that were reset for what the client did wrong.
  var errors = LeakyBucket(capacity: 200, leakPerSecond: 20)
  /// Frames of the client that carry nothing.
  var frames = FrameBudget()
  /// A call was reset whose client does not take its answer.
  var hasResetSlowAnswer = false
  /// When the connection was last looked after.
  var lookedAt: UInt64

  var strikes = PingStrikes()
  var keepalive: Keepalive
  var age: ConnectionAge
  var drain = ConnectionDrain()
  /// Writes of answers to the socket.
  private var answerWrites: UInt32 = 0
  /// Those before a PING that was answered.
  private var readWrites: UInt32 = 0

  init(_ limits: LifetimeLimits, now: UInt64) {
    opening = OpeningLimit(now: now)
    lookedAt = now
    keepalive = Keepalive(
      time: limits.keepaliveTime, timeout: limits.keepaliveTimeout, now: now)
    let isAging = limits.maximumAge != .max
    age = ConnectionAge(
      idle: limits.maximumIdle, age: limits.maximumAge,
      grace: limits.ageGrace,
      jitter: isAging ? Double.random(in: 0.9...1.1) : 1, now: now)
  }

  /// Bytes came from the client.
  @inline(__always)
  mutating func heard(_ bytes: Int) {
    hasHeard = true
    heardBytes &+= bytes
  }

  /// Frames of answers were handed to the socket.
  @inline(__always)
  mutating func answered() {
    answerWrites &+= 1
    strikes.answered()
  }

  /// Whether the client may not have read all of its answers yet.
  var mayBeUnread: Bool { answerWrites != readWrites }

  /// What a PING carries.
  func pingData(_ purpose: PingPurpose) -> UInt64 {
    UInt64(purpose.rawValue) << 32 | UInt64(answerWrites)
  }

  /// Takes the answer to a PING; nil when it is none of ours.
  mutating func pingAnswered(_ data: UInt64) -> PingPurpose? {
    guard let purpose = PingPurpose(rawValue: UInt32(truncatingIfNeeded: data >> 32)) else {
      return nil
    }
    readWrites = UInt32(truncatingIfNeeded: data)
    return purpose
  }

  /// The client has read all of its answers.
  mutating func didReadAll() { readWrites = answerWrites }

  /// Takes the marks; whether the client was heard since the last look.
  mutating func takeHeard() -> Bool {
    defer { hasHeard = false }
    if hasHeard { hasEverHeard = true }
    return hasHeard
  }

  mutating func takeBegunCalls() -> Bool {
    defer { hasBegunCalls = false }
    return hasBegunCalls
  }
}
