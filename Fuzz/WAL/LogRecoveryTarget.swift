import LSM
import LSMTestSupport

/// Recovery over several logs of chunks with right checksums.
///
///     0   the oldest log that is needed, 0 for none
///     1   logs, each
///         0   number
///         1   2 bits: the predecessor: none, the log before as it is, any, the log before with another end
///             1 bit: the header states another number
///             1 bit: bytes instead of a header
///         2   for any or another end: number, length (2 bytes), last sequence number, 1 byte each
///         6   steps, see LogScript, up to 0xFF
enum LogRecoveryTarget: FuzzTarget {
  static let name = "log-recovery"
  static let maximumBytes = 768
  private static let maximumLogs = 8

  private struct Outcome: Equatable {
    var entries: [LogFixture.Entry] = []
    var outcome: LogRecovery.Outcome?
    var error: LSMError?
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let first = Int(input.byte())
    let fileSystem = LogPromises.makeFileSystem()
    var written: [LogFixture.Entry] = []
    var before: LogScript?
    var numbers: Set<FileNumber> = []
    while !input.isEmpty, numbers.count < maximumLogs {
      let script = script(&input, after: before)
      fileSystem.setBytes(of: LogFixture.path(script.number), script.bytes)
      numbers.insert(script.number)
      written += script.expected.records.map {
        LogFixture.Entry(sequence: $0.sequence, bytes: $0.bytes)
      }
      before = script
    }
    check(
      fileSystem, from: first == 0 ? nil : FileNumber(UInt64(first)), written: Set(written),
      next: FileNumber((numbers.max()?.rawValue ?? 0) + 1))
  }

  private static func script(_ input: inout FuzzInput, after before: LogScript?) -> LogScript {
    let number = FileNumber(UInt64(input.byte()))
    let control = input.byte()
    var predecessor: FileNumber = 0
    var length: UInt64 = 0
    var lastSequence: UInt64 = 0
    if let before, control & 1 != 0 {
      let expected = before.expected
      predecessor = before.number
      length = UInt64(expected.length)
      lastSequence = expected.lastSequence
    }
    if control & 2 != 0 {
      let stated = FileNumber(UInt64(input.byte()))
      if control & 1 == 0 { predecessor = stated }
      length = UInt64(input.word())
      lastSequence = UInt64(input.byte())
    }
    var script = LogScript(
      number: number, store: LogFixture.store,
      stated: control & 4 == 0 ? number : FileNumber(number.rawValue + 1),
      predecessor: predecessor, length: length, lastSequence: lastSequence)
    script.run(&input)
    if control & 8 != 0 { script.tearHeader() }
    return script
  }

  private static func check(
    _ fileSystem: MemoryFileSystem, from first: FileNumber?, written: Set<LogFixture.Entry>,
    next: FileNumber
  ) {
    let found = replay(fileSystem, from: first)
    require(replay(fileSystem, from: first) == found, "recovery changes nothing")
    for (before, after) in zip(found.entries, found.entries.dropFirst()) {
      require(before.sequence < after.sequence, "records ascend over all logs")
    }
    require(written.isSuperset(of: found.entries), "recovery shows what was written")
    guard let outcome = found.outcome else { return }
    require(
      outcome.end?.lastSequence ?? 0 >= found.entries.last?.sequence ?? 0,
      "the end is not before the last record")
    // The next start goes on behind what was found; the one after it must find both.
    guard outcome.end?.lastSequence != .max else { return }
    let entry = LogFixture.Entry(
      sequence: (outcome.end?.lastSequence ?? 0) + 1, bytes: [1, 2, 3])
    do {
      let writer = try LogFixture.makeWriter(fileSystem, next, after: outcome.end)
      try LogFixture.append(entry, to: writer)
      try writer.sync()
    } catch {
      return require(false, "a log follows what was recovered: \(error)")
    }
    let again = replay(fileSystem, from: first)
    require(again.error == nil, "a store opens again: \(String(describing: again.error))")
    require(again.entries == found.entries + [entry], "a later log adds its records")
  }

  private static func replay(_ fileSystem: MemoryFileSystem, from first: FileNumber?) -> Outcome {
    var found = Outcome()
    do throws(LSMError) {
      found.outcome = try LogRecovery.replay(
        fileSystem, directory: LogFixture.directory, store: LogFixture.store, from: first
      ) { (_, record) throws(LSMError) in
        found.entries.append(
          LogFixture.Entry(sequence: record.sequence, bytes: Array(record.bytes)))
      }
    } catch {
      LogPromises.check(error)
      found.error = error
    }
    return found
  }

  static func seeds() -> [[UInt8]] {
    var seeds: [[UInt8]] = [[0]]
    for steps in LogSteps.all {
      seeds.append([0, 3, 0] + steps)
      seeds.append([3, 3, 0] + steps + [0xFF, 5, 1, 0, 0, 7, 2, 0, 0, 3, 4])
      seeds.append([0, 3, 0, 0, 0, 7, 4, 0xFF, 5, 1] + steps + [0xFF, 9, 1, 0, 0, 7])
      seeds.append([5, 3, 0, 0, 0, 7, 4, 0xFF, 5, 1] + steps + [0xFF, 9, 8])
      seeds.append([0, 3, 0] + steps + [0xFF, 5, 3, 0, 0, 90, 1, 0, 0, 7])
      seeds.append([0, 3, 2, 2, 0, 100, 9] + steps + [0xFF, 5, 5])
    }
    return seeds
  }
}
