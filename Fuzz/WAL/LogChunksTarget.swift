import LSM

/// One log of chunks with right checksums.
///
///     0   1 bit: with a predecessor, whose last sequence number follows in 8 bytes
///     1   steps, see LogScript
enum LogChunksTarget: FuzzTarget {
  static let name = "log-chunks"
  static let maximumBytes = 512
  private static let number: FileNumber = 12

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let hasPredecessor = input.byte() & 1 != 0
    var script = LogScript(
      number: number, store: LogFixture.store, stated: number,
      predecessor: hasPredecessor ? 11 : 0, length: 141,
      lastSequence: hasPredecessor ? input.number() : 0)
    script.run(&input)
    let reading = LogPromises.check(script.bytes, .log(number), store: LogFixture.store)
    let expected = script.expected
    require(reading.records == expected.records, "a reader shows the records up to the damage")
    require((reading.error != nil) == expected.isDamaged, "damage is told from a torn tail")
    guard let end = reading.end else { return }
    require(
      end.length == UInt64(expected.length) && reading.isSealed == expected.isSealed,
      "a log ends behind its last record or seal")
  }

  static func seeds() -> [[UInt8]] {
    LogSteps.all.map { [0] + $0 } + LogSteps.all.map { [1, 0, 0, 0, 0, 0, 0, 0, 9] + $0 }
  }
}

/// Steps of a LogScript that do what real logs do, and what happens to them.
enum LogSteps {
  static let all: [[UInt8]] = [
    [],
    // Records; a sync between; the seal.
    [0, 0, 5, 2, 0, 0, 9, 2, 4],
    // A sync, and then nothing but zeros.
    [0, 0, 5, 2, 0, 0, 9, 5, 0, 200],
    // A torn end, one that a later chunk promises, and one that it does not.
    [0, 0, 5, 2, 0, 0, 9, 7, 0, 2, 1],
    [0, 0, 5, 0, 0, 9, 7, 0, 2, 1, 2, 0, 0, 3],
    [0, 0, 5, 0, 0, 9, 7, 0, 2, 1, 0, 0, 3],
    // A record over three blocks.
    [0, 0xFF, 0xFF, 2, 0, 0x20, 0, 4],
    // Blocks that end in padding, without, and with the smallest chunk; the seal in the next block.
    [3, 30, 0, 0, 5, 4], [3, 0, 0, 0, 5, 4], [3, 31, 0, 0, 5, 4], [3, 20, 4],
    [3, 20, 2, 5, 0, 100],
    [3, 20, 6, 4, 1, 2, 3, 4],
    // Chunks by hand: full, first with middle and last, a wrong order, a wrong seal.
    [0x89, 3, 1, 2, 3, 0x91, 2, 4, 5, 0x19, 1, 6, 0x21, 1, 7], [0x19, 1, 6],
    [0x91, 1, 1, 0x89, 1, 1],
    [0x31, 1, 0, 0x0C],
    // A sync offset that goes back, and one that is ahead.
    [0, 0, 5, 2, 0, 0, 5, 0x0F, 0xF0, 0, 0, 5], [0, 0, 5, 2, 0x0F, 0x10, 0, 0, 5],
  ]
}
