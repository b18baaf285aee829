import LSM
import LSMTestSupport
import TestSupport
import Testing

/// Programs of appends, syncs and rotations, cut short at every place a power cut can strike.
///
/// A random round is replayed by its seed in `SEANDB_TEST_SEED`.
@Suite("Log crashes") struct LogCrashTests {
  private typealias Fixture = LogFixture

  fileprivate enum Step {
    case append(Int)
    case write
    case sync
    case rotate
    case close
  }

  private static let programs: [[Step]] = [
    [.append(10), .sync, .append(20), .sync, .append(30), .close],
    [.append(10), .write, .append(20), .write, .sync, .append(5), .rotate, .append(7), .sync],
    [
      .append(40_000), .append(3), .sync, .append(70_000), .rotate, .append(9), .rotate, .append(1),
    ],
    [.rotate, .rotate, .append(5000), .sync, .append(5000), .write, .append(5000), .close],
  ]

  private func run(_ program: [Step], on fileSystem: MemoryFileSystem) -> LogRun {
    var run = LogRun()
    run.go(program, on: fileSystem, after: nil, firstNumber: 1)
    return run
  }

  private func check(
    _ run: LogRun, _ fileSystem: MemoryFileSystem, _ comment: @autoclosure () -> String
  ) {
    do {
      let found = try Fixture.replay(fileSystem).entries
      let comment = comment()
      #expect(found.count >= run.synced, "\(comment): a synced record is lost")
      #expect(found.count <= run.appended.count, "\(comment)")
      #expect(found == Array(run.appended[..<min(found.count, run.appended.count)]), "\(comment)")
    } catch {
      Issue.record("\(comment()): \(error)")
    }
  }

  @Test(arguments: programs.indices)
  func keepsSyncedRecordsAtEveryCrashPoint(index: Int) throws {
    let complete = try Fixture.makeFileSystem()
    let before = complete.calls
    #expect(run(Self.programs[index], on: complete).failure == nil)
    for call in before...complete.calls {
      let fileSystem = try Fixture.makeFileSystem()
      fileSystem.die(afterCall: call)
      let run = run(Self.programs[index], on: fileSystem)
      check(run, fileSystem.restart(), "call \(call), killed")
      for seed in 0..<20 as Range<UInt64> {
        check(run, fileSystem.crash(seed: seed), "call \(call), seed \(seed)")
      }
    }
  }

  @Test(arguments: programs.indices, MemoryFileSystem.Fault.allCases)
  func keepsSyncedRecordsAfterEveryError(index: Int, fault: MemoryFileSystem.Fault) throws {
    let complete = try Fixture.makeFileSystem()
    let before = complete.calls
    _ = run(Self.programs[index], on: complete)
    for call in (before + 1)...complete.calls {
      let fileSystem = try Fixture.makeFileSystem()
      fileSystem.fail(call: call, fault)
      let run = run(Self.programs[index], on: fileSystem)
      // Without space for its seal a log ends before it.
      #expect(
        run.failure != nil || fault == .noSpace, "the error of call \(call) was swallowed")
      check(run, fileSystem.restart(), "call \(call), killed")
      for seed in 0..<5 as Range<UInt64> {
        check(run, fileSystem.crash(seed: seed), "call \(call), seed \(seed)")
      }
    }
  }

  /// An I/O error while reading is never taken for the end of a log.
  @Test(arguments: MemoryFileSystem.Fault.allCases)
  func reportsEveryErrorOfRecovery(fault: MemoryFileSystem.Fault) throws {
    let fileSystem = try Fixture.makeFileSystem()
    _ = run(Self.programs[2], on: fileSystem)
    let complete = fileSystem.restart()
    _ = try Fixture.replay(complete)
    for call in 1...complete.calls {
      let faulty = fileSystem.restart()
      faulty.fail(call: call, fault)
      #expect {
        try Fixture.replay(faulty)
      } throws: {
        ($0 as? LSMError)?.isCorruption == false
      }
    }
  }

  @Test func survivesRandomCrashes() throws {
    let first = SeededGenerator.drawnSeed()
    print("log crashes: SEANDB_TEST_SEED=\(first)")
    var torn = 0
    for round in 0..<2000 as Range<UInt64> {
      torn += try survive(seed: first &+ round) ? 1 : 0
    }
    // A test that never loses anything would prove nothing.
    #expect(torn > 200)
  }

  /// Two lives of a store, each ended by a crash; true when a crash took records.
  private func survive(seed: UInt64) throws -> Bool {
    var random = SeededGenerator(seed: seed)
    var fileSystem = try Fixture.makeFileSystem()
    var run = LogRun()
    run.preallocates = random.below(16) == 0
    var end: LogEnd?
    var nextNumber: FileNumber = 1
    var lost = false
    for life in 0..<2 {
      fileSystem.die(afterCall: fileSystem.calls + 1 + random.below(40))
      run.failure = nil
      run.go(randomProgram(&random), on: fileSystem, after: end, firstNumber: nextNumber)
      fileSystem =
        random.below(4) == 0 ? fileSystem.restart() : fileSystem.crash(seed: random.next())
      let comment = "seed \(seed), life \(life)"
      let (found, outcome) = try Fixture.replay(fileSystem)
      #expect(found.count >= run.synced, "\(comment): a synced record is lost")
      #expect(found == Array(run.appended.prefix(found.count)), "\(comment)")
      lost = lost || found.count < run.appended.count
      run.appended = found
      run.synced = found.count
      end = outcome.end
      let highest = (outcome.logs + outcome.unborn).max() ?? 0
      nextNumber = FileNumber(max(highest, nextNumber).rawValue + 10)
    }
    return lost
  }

  private func randomProgram(_ random: inout SeededGenerator) -> [Step] {
    (0..<(2 + random.below(12))).map { _ in
      switch random.below(10) {
      case 0..<5: .append(random.below(40) == 0 ? random.below(40_000) : random.below(300))
      case 5: .write
      case 6..<9: .sync
      default: .rotate
      }
    }
  }
}

/// Runs a program and remembers what was promised.
private struct LogRun {
  /// In this order.
  var appended: [LogFixture.Entry] = []
  /// So many of them were acknowledged as synced.
  var synced = 0
  var failure: (any Error)?
  var preallocates = false

  /// - Parameter firstNumber: of the first log; rotations count on from it.
  mutating func go(
    _ program: [LogCrashTests.Step], on fileSystem: MemoryFileSystem, after end: LogEnd?,
    firstNumber: FileNumber
  ) {
    do {
      var number = firstNumber.rawValue
      var writer = try make(fileSystem, number, end)
      for step in program {
        switch step {
        case .append(let count):
          let entry = LogFixture.entry(UInt64(appended.count) + 1, count: count)
          appended.append(entry)
          try LogFixture.append(entry, to: writer)
        case .write: try writer.write()
        case .sync:
          try writer.sync()
          synced = appended.count
        case .rotate:
          let end = try writer.finish()
          synced = appended.count
          number += 1
          writer = try make(fileSystem, number, end)
        case .close:
          _ = try writer.finish()
          synced = appended.count
        }
      }
    } catch {
      failure = error
    }
  }

  private func make(
    _ fileSystem: MemoryFileSystem, _ number: UInt64, _ end: LogEnd?
  ) throws -> LogWriter {
    try LogFixture.makeWriter(
      fileSystem, FileNumber(number), after: end, preallocates: preallocates)
  }
}
