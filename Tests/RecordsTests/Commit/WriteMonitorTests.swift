import Engine
import EngineRocksDB
import Glibc
import Logging
import Records
import Synchronization
import TestSupport
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

  @Test func stopsAnEngineWhoseStoreIsGone() async throws {
    let folder = try TemporaryFolder()
    let store = folder.path + "/store"
    mkdir(store, 0o755)
    for name in ["CURRENT", "000001.log"] { close(creat(store + "/" + name, 0o644)) }
    let engine = GatedEngine()
    let lines = Lines()
    let recorded = ChangeRecorder()
    let monitor = WriteMonitor(
      engine: engine, store: StoreWatch(store, EngineDescriptor.rocksDB.files),
      logger: Logger(label: "test") { _ in Handler(lines: lines) }
    ) { recorded.add($0) }
    monitor.start()
    rename(store, store + ".away")
    #expect(await recorded.next() == false)
    monitor.lookForTheLastTime()
    monitor.stop()
    let told = lines.lines.withLock { $0 }
    #expect(told.map(\.0) == [.critical])
    #expect(told.first?.2?.hasPrefix("\(store) was removed or renamed while") == true)
  }

  @Test func looksAtTheStoreWhenAServerEnds() throws {
    let folder = try TemporaryFolder()
    let store = folder.path + "/store"
    mkdir(store, 0o755)
    for name in ["CURRENT", "000001.log"] { close(creat(store + "/" + name, 0o644)) }
    let engine = GatedEngine()
    let monitor = WriteMonitor(
      engine: engine, store: StoreWatch(store, EngineDescriptor.rocksDB.files),
      logger: Logger(label: "test") { _ in
        Handler(lines: Lines())
      }
    ) { _ in }
    monitor.lookForTheLastTime()
    #expect(monitor.state == .open)
    unlink(store + "/CURRENT")
    monitor.lookForTheLastTime()
    #expect(!monitor.state.takesWrites)
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
