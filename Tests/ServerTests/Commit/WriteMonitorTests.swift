import Engine
import Logging
import Server
import Synchronization
import Testing

@Suite("Write monitor") struct WriteMonitorTests {
  /// Lines as a log handler gets them.
  private final class Lines: Sendable {
    let lines = Mutex<[(Logger.Level, String, String?)]>([])
  }

  private struct Handler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.lines.withLock {
        $0.append((event.level, "\(event.message)", event.metadata?["cause"].map { "\($0)" }))
      }
    }
  }

  @Test func tellsEachChangeOnceWithItsCause() {
    let engine = GatedEngine()
    let lines = Lines()
    let recorded = ChangeRecorder()
    let monitor = WriteMonitor(
      engine: engine, logger: Logger(label: "test") { _ in Handler(lines: lines) }
    ) { recorded.add($0) }
    monitor.look()
    engine.say(.refused(reason: "the disk is gone"))
    monitor.look()
    engine.say(.refused(reason: "the disk is still gone"))
    monitor.look()
    monitor.look()
    #expect(recorded.all == [false])
    #expect(monitor.state == .refused(reason: "the disk is gone"))
    #expect(monitor.since.hasSuffix(" UTC"))
    let told = lines.lines.withLock { $0 }
    #expect(told.count == 1)
    #expect(told.first?.0 == .critical)
    #expect(told.first?.2 == "the disk is gone")
  }

  @Test func looksByItselfAndTellsTheEndOfAPause() async {
    let engine = GatedEngine()
    let lines = Lines()
    let recorded = ChangeRecorder()
    let monitor = WriteMonitor(
      engine: engine, logger: Logger(label: "test") { _ in Handler(lines: lines) }
    ) { recorded.add($0) }
    monitor.start()
    engine.say(.paused(reason: "no room"))
    #expect(await recorded.next() == false)
    engine.say(.open)
    #expect(await recorded.next() == true)
    monitor.stop()
    #expect(lines.lines.withLock { $0.map(\.0) } == [.error, .notice])
  }
}

/// Changes that a monitor told, in order.
private final class ChangeRecorder: Sendable {
  private let seen = Mutex<[Bool]>([])
  private let stream: AsyncStream<Bool>
  private let continuation: AsyncStream<Bool>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  var all: [Bool] { seen.withLock { $0 } }

  func add(_ isOpen: Bool) {
    seen.withLock { $0.append(isOpen) }
    continuation.yield(isOpen)
  }

  func next() async -> Bool? { await stream.first { _ in true } }
}
