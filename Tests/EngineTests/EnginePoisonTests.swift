import Engine
import Glibc
import Testing

@Suite("Engines after a failed write")
struct EnginePoisonTests {
  static let engines = EngineUnderTest.allCases.filter(\.keepsData)

  @Test(arguments: engines, [LogFault.writesFail, .syncsFail])
  func takesNoMoreWritesAndGoesOnReading(kind: EngineUnderTest, fault: LogFault) throws {
    let fixture = try EngineFixture(kind)
    defer { fixture.remove() }
    let engine = fixture.engine
    try engine.put(Record("a", "1"), durability: .sync)
    let snapshot = try engine.snapshot()
    #expect(try fault.strike(fixture.path) == 1)

    let first = #expect(throws: EngineError.self) {
      try engine.put(Record("b", "2"), durability: .sync)
    }
    switch (fault, first) {
    case (.writesFail, .noSpace(let failure)), (.syncsFail, .io(let failure)):
      #expect(failure.operation == .apply)
      #expect(failure.directory == fixture.path)
    default: Issue.record("\(String(describing: first))")
    }

    for durability in [Durability.sync, .buffered] {
      let later = #expect(throws: EngineError.self) {
        try engine.put(Record("c", "3"), durability: durability)
      }
      guard case .readOnly(let reason) = later else {
        Issue.record("\(String(describing: later))")
        continue
      }
      #expect(reason.contains(kind == .lsm ? "cannot " : "IO error"))
      #expect(engine.writeState() == .refused(reason: reason))
    }
    #expect(throws: EngineError.self) { try engine.flush() }
    #expect(throws: EngineError.self) { try engine.compact(nil) }
    #expect(try engine.statistics().readOnlyReason != nil)

    #expect(try engine.records() == [Record("a", "1")])
    #expect(try engine.value("a") == "1")
    #expect(try engine.records(snapshot: snapshot) == [Record("a", "1")])
    _ = try engine.snapshot()

    // What was acknowledged is there after the next open, and writes are taken again.
    try fixture.reopen()
    #expect(try fixture.engine.value("a") == "1")
    try fixture.engine.put(Record("d", "4"), durability: .sync)
    #expect(try fixture.engine.value("d") == "4")
  }

  @Test(arguments: EngineUnderTest.allCases)
  func takesNoMoreWritesWhenItIsToldSo(kind: EngineUnderTest) throws {
    let fixture = try kind.makeFixture()
    defer { fixture.remove() }
    let engine = fixture.engine
    try engine.put(Record("a", "1"), durability: .sync)
    engine.refuseWrites("the store is gone")
    engine.refuseWrites("and another reason")
    for _ in 0..<2 {
      #expect(throws: EngineError.readOnly(reason: "the store is gone")) {
        try engine.put(Record("b", "2"), durability: .sync)
      }
      #expect(engine.writeState() == .refused(reason: "the store is gone"))
    }
    #expect(try engine.records() == [Record("a", "1")])
    try engine.close()
    engine.refuseWrites("it is closed")
  }

  @Test(arguments: engines) func closeReportsAFailedLastSync(kind: EngineUnderTest) throws {
    let fixture = try EngineFixture(kind)
    defer { fixture.remove() }
    try fixture.engine.put(Record("a", "1"), durability: .buffered)
    #expect(try LogFault.syncsFail.strike(fixture.path) == 1)
    #expect(throws: EngineError.self) { try fixture.engine.close() }
    #expect(throws: EngineError.closed) { _ = try fixture.engine.value("a") }
  }

  /// A flush that nobody waits for may fail while a server ends, after it has looked for the last time.
  @Test func closeReportsAFailureThatNoWriteWasTold() throws {
    let fixture = try EngineFixture(.lsm)
    defer { fixture.remove() }
    try fixture.engine.put(Record("a", "1"), durability: .buffered)
    #expect(try LogFault.syncsFail.strike(fixture.path) == 1)
    #expect(throws: EngineError.self) { try fixture.engine.flush() }
    let error = #expect(throws: EngineError.self) { try fixture.engine.close() }
    guard case .readOnly(let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("cannot sync"))
  }

  @Test func namesWhatACheckpointThatWasCutShortHasLeft() throws {
    let fixture = try EngineFixture(.lsm)
    defer { fixture.remove() }
    try fixture.engine.put(Record("a", "1"), durability: .sync)
    let target = fixture.directory.path("checkpoint")
    try fixture.engine.checkpoint(to: target)
    let whole = #expect(throws: EngineError.self) { try fixture.engine.checkpoint(to: target) }
    #expect("\(String(describing: whole))".contains("name a new directory"))
    unlink(target + "/CURRENT")
    let cut = #expect(throws: EngineError.self) { try fixture.engine.checkpoint(to: target) }
    #expect("\(String(describing: cut))".contains("cut short; remove it, then try again"))
  }
}
