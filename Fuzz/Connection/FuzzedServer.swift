import Bytes
import NIOCore
import NIOEmbedded
import Platform
import Wire

/// One connection of a server that has a method of each kind, and what has to be true of it whatever comes.
///
/// Limits are small, so that short inputs reach them.
final class FuzzedServer {
  /// The largest request message, also after it was inflated.
  static let requestBytes = 4096
  static let streams = 8
  private static let requestMemory = 32 << 10
  private static let answerMemory = 64 << 10
  /// What an answer may be beside the bytes that a handler made: status, metadata, frames.
  private static let outputPerByte = 256

  let calls = FuzzedCalls()
  private let gate = FuzzedGate()
  private let loop = EmbeddedEventLoop()
  private var connection: InMemoryConnection?
  private var budgets: MemoryBudgets?
  private var output = OutputCheck(streams: UInt32(FuzzedServer.streams))
  private var receivedBytes = 0
  /// Nanoseconds by which the connection's clock is ahead.
  private var aheadNanoseconds: UInt64 = 0

  /// - Parameters:
  ///   - compresses: answers, for clients that take gzip.
  ///   - hasShortTurns: a piece of a compressed message at a time.
  init(compresses: Bool = false, hasShortTurns: Bool = false) {
    var configuration = WireConfiguration(loopCount: 1)
    configuration.maximumRequestBytes = Self.requestBytes
    configuration.maximumConcurrentStreams = Self.streams
    configuration.maximumHeaderListBytes = 2048
    configuration.streamWindowBytes = 8192
    configuration.connectionWindowBytes = 65535
    configuration.maximumAssembledBytes = 16 << 10
    configuration.maximumRequestMemoryBytes = Self.requestMemory
    configuration.maximumAnswerMemoryBytes = Self.answerMemory
    configuration.compressesAnswers = compresses
    // Never by the clock: an input does the same each time.
    configuration.compressionTurn = hasShortTurns ? 0 : 3_600_000_000_000
    configuration.lifetime.maximumIdle = 60_000_000_000
    configuration.lifetime.maximumAge = 600_000_000_000
    configuration.lifetime.ageGrace = 10_000_000_000
    connection = InMemoryConnection(
      eventLoop: loop, configuration: configuration,
      unary: [
        ("/f.S/Echo", EchoMethod(calls: calls)), ("/f.S/Refuse", RefuseMethod(calls: calls)),
        ("/f.S/Later", LaterMethod(calls: calls)),
      ], streaming: [("/f.S/Chat", ChatMethod(calls: calls))],
      serverStreams: [("/f.S/Pages", PagesMethod(calls: calls))],
      metadata: ["/f.S/Echo": ["x-a", "x-b-bin"]],
      hooks: CallHooks(gate: gate, observer: calls, keptMetadata: ["x-c"]))
    budgets = connection?.budgets
  }

  /// Whether the server has ended the connection.
  var isFinished: Bool { connection?.isFinished ?? true }

  // MARK: - Steps

  /// Bytes of the client, as one read of the socket.
  func receive(_ bytes: [UInt8]) {
    guard let connection, !connection.isFinished else { return }
    receivedBytes += bytes.count
    connection.receive(bytes)
    loop.run()
    checkMemory()
  }

  /// The socket takes what there is; what was sent.
  @discardableResult
  func send() -> [UInt8] {
    guard let connection else { return [] }
    let sent = connection.send()
    loop.run()
    output.take(sent)
    require(
      output.byteCount <= 65536 + Self.outputPerByte * receivedBytes + 2 * calls.writtenBytes,
      "the output is bounded by what came and what was answered")
    checkMemory()
    return sent
  }

  /// Some time passes, of deadlines, turns and lifetimes.
  func wait(milliseconds: UInt64, isReading: Bool = true, isWriting: Bool = true) {
    guard let connection else { return }
    aheadNanoseconds += milliseconds * 1_000_000
    let now = MonotonicClock.now() + aheadNanoseconds
    loop.advanceTime(by: .milliseconds(Int64(min(milliseconds, 1000))))
    connection.expireCalls(now: now)
    connection.look(now: now, isReading: isReading, isWriting: isWriting)
    loop.run()
    checkMemory()
  }

  /// Another thread completes a call that waits for it; one that is long gone if there is none.
  func complete(_ choice: UInt8, _ how: UInt8, _ bytes: [UInt8]) {
    guard let connection else { return }
    calls.complete(choice, how, bytes, connection.completions())
    loop.run()
  }

  func drain() { connection?.beginDrain() }

  /// Other rules of who may do what.
  func changeRules() {
    gate.changeRules()
    connection?.recheckCalls()
    loop.run()
  }

  /// The socket is gone: nothing is left of what the connection held.
  func close() {
    connection = nil
    // What a loop has inflated of a message whose call is gone is given back in its next turn.
    loop.advanceTime(by: .seconds(1))
    try? loop.syncShutdownGracefully()
    require(budgets?.requests.usedBytes == 0, "no request is left")
    require(budgets?.answers.usedBytes == 0, "no answer is left")
    calls.checkEnd()
  }

  private func checkMemory() {
    guard let budgets else { return }
    let (requests, answers) = (budgets.requests.usedBytes, budgets.answers.usedBytes)
    require(requests >= 0 && answers >= 0, "no more is given back than was taken")
    // Beyond a limit is what was allowed just below it: a frame or a message.
    require(requests <= Self.requestMemory + (16 << 10) + Self.requestBytes, "requests are bounded")
    require(
      answers <= Self.answerMemory + (64 << 10) + FuzzedCalls.messageBytes, "answers are bounded")
  }
}

/// Lets calls run or not by the first byte of their `authorization`.
final class FuzzedGate: CallGate, ConnectionGate {
  // SAFETY of `nonisolated(unsafe)`: libFuzzer's only thread is the only one.
  private nonisolated(unsafe) var refused: UInt32 = 1
  private nonisolated(unsafe) var next: UInt32 = 1

  func prepare(_ methods: [CallMethod]) {}

  func makeConnectionGate() -> any ConnectionGate { self }

  func peerBecame(_ peer: PeerIdentity) {}

  func caller(_ value: UnsafeRawBufferPointer, isRepeated: Bool) -> UInt32 {
    isRepeated ? 1 : UInt32(value.first ?? 0) & 3
  }

  func refusal(method: Int, caller: UInt32) -> RPCStatus? {
    caller == refused
      ? RPCStatus(.permissionDenied, reason: "NOT_ALLOWED", "method \(method) is not allowed") : nil
  }

  func refresh() { refused = next }

  func changeRules() { next = (next + 1) & 3 }
}
