import Bytes
import Platform

// SAFETY: bytes are lent by the caller until the return. Those of a message that is whole are the inflater's, and are
// there until `finish`, which whoever asked for them calls before another message is begun.

/// What an event loop compresses and decompresses with: one context of zlib for each direction, made when it is first
/// needed, and a bound on the time that they take.
///
/// A loop inflates for ``turnNanoseconds`` at a time. A message that needs longer, and those that come when that time
/// is spent, wait in a queue. Its first one is gone on with in each of the loop's *turns*; between them other work is
/// done. An answer is sent as it is when the time is spent: compressing it is the server's free choice.
///
/// Thread-safety: confined to the event loop.
final class LoopCompression {
  /// What came of a message.
  @safe
  enum Inflation {
    /// Valid until ``finish()``, which is to be called.
    case whole(UnsafeRawBufferPointer)
    case failed(RPCStatus)
    /// The call is in the queue, and gets a turn.
    case later
  }

  private let budget: MemoryBudget
  private let turnNanoseconds: UInt64
  private var inflater: GzipInflater?
  private var deflater: GzipDeflater?

  /// The calls that wait, from `firstWaiting` on. The message under way is of the first one, or of the call that
  /// ``inflate(_:for:limit:held:)`` is asked for.
  private var queue: [CallToken] = []
  private var firstWaiting = 0
  /// Some of a message is inflated, and not all.
  private var isUnderWay = false
  /// What the message under way counts for in the budget.
  private var countedBytes = 0
  /// Whose message it is: the index of its connection.
  private var owner: UInt32 = 0
  /// A call is given its turn right now.
  private var isInTurn = false
  private var hasUsedTurn = false

  private var windowBegan: UInt64 = 0
  private var spentNanoseconds: UInt64 = 0

  /// Compressed answers: larger ones would hold the loop for too long, in smaller ones is little to gain.
  static let answerBytes = (1 << 10) + 1...1 << 19
  /// zlib's fastest: the next ones cost a loop much more for a few bytes less.
  private static let answerLevel: Int32 = 1
  private static let retainedBytes = 64 << 10
  private var scratch = ByteWriter()

  /// - Parameters:
  ///   - budget: what inflated bytes count in.
  ///   - turnNanoseconds: how long a loop compresses or inflates before it does something else.
  init(budget: MemoryBudget, turnNanoseconds: UInt64) {
    self.budget = budget
    self.turnNanoseconds = turnNanoseconds
  }

  // MARK: - Requests

  /// The first of the calls that wait.
  var first: CallToken? { firstWaiting < queue.count ? queue[firstWaiting] : nil }

  /// Inflates a call's message, or as much of it as there is time for.
  ///
  /// - Parameters:
  ///   - message: the same bytes each time that it is called for this message.
  ///   - limit: the bytes that it may become.
  ///   - held: what the call's connection holds of the budget without them.
  func inflate(
    _ message: UnsafeRawBufferPointer, for token: CallToken, limit: Int, held: Int
  ) -> Inflation {
    let isFirst = first == token
    guard isFirst && isInTurn || first == nil && hasTime() else {
      if !isFirst { queue.append(token) }
      return .later
    }
    hasUsedTurn = true
    let inflater = self.inflater ?? GzipInflater()
    self.inflater = inflater
    if !isUnderWay { inflater.begin() }
    isUnderWay = true
    owner = token.connection
    while true {
      let began = MonotonicClock.now()
      let step = inflater.step(message, limit: limit)
      spentNanoseconds += MonotonicClock.now() - began
      let hasMemory = count(inflater.heldBytes, held: held)
      switch step {
      case _ where !hasMemory: return fail(.requestBufferFull)
      case .tooLarge: return fail(Self.tooLarge(limit))
      case .malformed: return fail(Self.malformed)
      case .whole: return unsafe .whole(inflater.inflated)
      case .more where isTimeSpent:
        if !isFirst { queue.append(token) }
        return .later
      case .more: break
      }
    }
  }

  /// What the message under way counts for, if it is of a call of this connection.
  func heldBytes(ofConnection index: UInt32) -> Int { owner == index ? countedBytes : 0 }

  /// Ends the message under way, and gives back its memory.
  func finish() {
    inflater?.end()
    isUnderWay = false
    count(0)
  }

  private func fail(_ status: RPCStatus) -> Inflation {
    finish()
    return .failed(status)
  }

  /// Counts what is held; false when it has grown and there is no room for it.
  @discardableResult
  private func count(_ bytes: Int, held: Int = 0) -> Bool {
    guard bytes != countedBytes else { return true }
    if bytes > countedBytes && budget.isSpent(for: held + countedBytes) {
      budget.noteRefusal(of: held + countedBytes)
      return false
    }
    budget.add(bytes - countedBytes)
    countedBytes = bytes
    return true
  }

  private static let malformed = RPCStatus(
    .internal, reason: "MALFORMED_COMPRESSION",
    "the compressed message is not one whole gzip stream, or is damaged; send it again, or uncompressed"
  )

  private static func tooLarge(_ limit: Int) -> RPCStatus {
    RPCStatus(
      .resourceExhausted, reason: "REQUEST_TOO_LARGE",
      "the request message has more than \(limit) bytes when it is decompressed; send less in one call or raise --max-request-size",
      metadata: [("limitBytes", String(limit))])
  }

  // MARK: - Turns

  /// Gives the calls that wait their turns, until the time is spent. At least one gets on.
  ///
  /// - Parameter goOn: has the call of a token, if it is there still, ask for its message again.
  func giveTurns(_ goOn: (CallToken) -> Void) {
    windowBegan = MonotonicClock.now()
    spentNanoseconds = 0
    while let token = first {
      isInTurn = true
      hasUsedTurn = false
      goOn(token)
      isInTurn = false
      // It is done, or gone, or waits for something else first: then it begins anew.
      let needsMoreTime = hasUsedTurn && isUnderWay
      if !needsMoreTime { removeFirst() }
      if isTimeSpent { return }
    }
  }

  private func removeFirst() {
    if isUnderWay { finish() }
    firstWaiting += 1
    if firstWaiting == queue.count {
      queue.removeAll()
      firstWaiting = 0
    } else if firstWaiting > 64 && firstWaiting * 2 > queue.count {
      queue.removeFirst(firstWaiting)
      firstWaiting = 0
    }
  }

  private var isTimeSpent: Bool { spentNanoseconds >= turnNanoseconds }

  /// Whether there is time for a message that comes outside of the turns: half of it, taken together, is theirs.
  private func hasTime() -> Bool {
    let now = MonotonicClock.now()
    if now >= windowBegan &+ 2 &* turnNanoseconds && turnNanoseconds > 0 {
      windowBegan = now
      spentNanoseconds = 0
    }
    return !isTimeSpent
  }

  // MARK: - Answers

  /// Compresses the last message of an answer, whose prefix is at `start` and says its length. It is left as it is when
  /// it would not become smaller, is large, or there is no time.
  ///
  /// - Parameter isAsked: its handler wants it so: then small ones are compressed too, and the time is taken.
  func compress(_ answer: inout ByteWriter, at start: Int, isAsked: Bool = false) {
    let messageStart = start + MessagePrefix.byteCount
    let count = answer.count - messageStart
    guard count <= Self.answerBytes.upperBound,
      isAsked || count >= Self.answerBytes.lowerBound && hasTime()
    else { return }
    let deflater = self.deflater ?? GzipDeflater(level: Self.answerLevel)
    self.deflater = deflater
    let began = MonotonicClock.now()
    let message = unsafe UnsafeRawBufferPointer(rebasing: answer.bytes[messageStart...])
    let isSmaller = deflater.deflate(message, into: &scratch)
    spentNanoseconds += MonotonicClock.now() - began
    if isSmaller {
      answer.truncate(to: start)
      MessagePrefix.append(compressed: scratch.count, to: &answer)
      unsafe answer.append(scratch.bytes)
      // What is not sent yet counts by its bytes: it may not hold many more.
      if answer.capacity > max(2 * answer.count, CallSlot.retainedBytes) {
        answer.shrink()
      }
    }
    scratch.removeAll(keepingAtMost: Self.retainedBytes)
  }
}
