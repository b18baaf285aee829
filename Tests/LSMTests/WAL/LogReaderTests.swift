import LSM
import LSMTestSupport
import Testing

@Suite("Log reader") struct LogReaderTests {
  private typealias Fixture = LogFixture

  /// Two logs: three synced records and one seal in the first; two records in the second, synced one by
  /// one, and its seal when `sealed`.
  private func makeStore(sealed: Bool) throws -> (MemoryFileSystem, [Fixture.Entry]) {
    let fileSystem = try Fixture.makeFileSystem()
    let entries = (1...5).map { Fixture.entry($0, count: 20 + Int($0)) }
    let first = try Fixture.makeWriter(fileSystem, 3)
    for entry in entries[..<3] { try Fixture.append(entry, to: first) }
    let second = try Fixture.makeWriter(fileSystem, 5, after: try first.finish())
    for entry in entries[3...] {
      try Fixture.append(entry, to: second)
      try second.sync()
    }
    if sealed { _ = try second.finish() }
    return (fileSystem, entries)
  }

  private func change(
    _ path: String, in fileSystem: MemoryFileSystem, _ body: (inout [UInt8]) -> Void
  )
    throws
  {
    var bytes = try #require(fileSystem.bytes(of: path))
    body(&bytes)
    fileSystem.setBytes(of: path, bytes)
  }

  @Test func readsAChainOfLogs() throws {
    let (fileSystem, entries) = try makeStore(sealed: true)
    let (found, outcome) = try Fixture.replay(fileSystem, from: 3)
    #expect(found == entries)
    #expect(outcome.logs == [3, 5])
    #expect(outcome.end?.lastSequence == 5)
    #expect(try Fixture.replay(fileSystem, from: 5).entries == Array(entries[3...]))
  }

  @Test func findsNothingInAnEmptyStore() throws {
    let (entries, outcome) = try Fixture.replay(try Fixture.makeFileSystem())
    #expect(entries.isEmpty)
    #expect(outcome.end == nil && outcome.logs.isEmpty && outcome.unborn.isEmpty)
  }

  /// A log that was closed answers the same or names the damage, whichever byte changes.
  @Test(arguments: [UInt8(0x01), 0x80, 0xff])
  func noticesEveryChangedByteOfClosedLogs(mask: UInt8) throws {
    let (fileSystem, entries) = try makeStore(sealed: true)
    var errors = 0
    var bytes = 0
    for number in [3, 5] as [FileNumber] {
      let path = Fixture.path(number)
      let whole = try #require(fileSystem.bytes(of: path))
      bytes += whole.count
      for index in whole.indices {
        try change(path, in: fileSystem) { $0[index] ^= mask }
        do {
          #expect(try Fixture.replay(fileSystem, from: 3).entries == entries, "\(path) \(index)")
        } catch let error as LSMError {
          errors += 1
          guard case .corruption(let damage) = error else {
            Issue.record("\(path) \(index): \(error)")
            continue
          }
          #expect(damage.offset <= index || damage.kind == .missing)
          #expect(damage.path == path || damage.kind == .missing)
        }
        fileSystem.setBytes(of: path, whole)
      }
    }
    // Only the last log's own seal, 31 bytes, may be lost without a word: all records are there.
    #expect(errors == bytes - 31)
  }

  /// Of a log that a crash cut short, only the last group synced may be taken for torn.
  @Test func losesAtMostTheLastGroupOfAnOpenLog() throws {
    let (fileSystem, entries) = try makeStore(sealed: false)
    let path = Fixture.path(5)
    let whole = try #require(fileSystem.bytes(of: path))
    var shorter = 0
    for index in whole.indices {
      try change(path, in: fileSystem) { $0[index] ^= 0x10 }
      do {
        let found = try Fixture.replay(fileSystem, from: 3).entries
        shorter += found.count < entries.count ? 1 : 0
        #expect(found.count >= 4 && found == Array(entries[..<found.count]), "\(index)")
      } catch let error as LSMError {
        #expect(error.isCorruption, "\(index): \(error)")
      }
      fileSystem.setBytes(of: path, whole)
    }
    #expect(shorter == 23 + 8 + 25)
  }

  @Test func cutsNothingSilentlyButTheEnd() throws {
    let (fileSystem, entries) = try makeStore(sealed: true)
    for number in [3, 5] as [FileNumber] {
      let path = Fixture.path(number)
      let whole = try #require(fileSystem.bytes(of: path))
      for length in whole.indices {
        fileSystem.setBytes(of: path, Array(whole[..<length]))
        do {
          let found = try Fixture.replay(fileSystem, from: 3).entries
          #expect(
            number == 5 && found == Array(entries[..<found.count]), "\(path) cut at \(length)")
        } catch let error as LSMError {
          #expect(error.isCorruption, "\(path) cut at \(length): \(error)")
        }
      }
      fileSystem.setBytes(of: path, whole)
    }
  }

  @Test func namesAMissingLog() throws {
    let (fileSystem, _) = try makeStore(sealed: true)
    let missing = LSMError.corruption(.init(path: Fixture.path(3), offset: 0, .missing))
    try fileSystem.remove(Fixture.path(3))
    #expect(throws: missing) { try Fixture.replay(fileSystem, from: 3) }
    #expect(throws: missing) { try Fixture.replay(fileSystem) }
    #expect(try Fixture.replay(fileSystem, from: 5).entries.count == 2)
    try fileSystem.remove(Fixture.path(5))
    #expect(throws: LSMError.corruption(.init(path: Fixture.path(5), offset: 0, .missing))) {
      try Fixture.replay(fileSystem, from: 5)
    }
  }

  @Test func refusesALogOfAnotherStore() throws {
    let (fileSystem, _) = try makeStore(sealed: true)
    #expect(
      throws: LSMError.corruption(
        .init(path: Fixture.path(3), offset: 0, .foreign(field: "the log")))
    ) {
      try LogRecovery.replay(
        fileSystem, directory: Fixture.directory, store: StoreID(low: 1, high: 2), from: 3
      ) { (_, _) throws(LSMError) in }
    }
  }

  @Test func refusesALogUnderAnotherNumber() throws {
    let (fileSystem, _) = try makeStore(sealed: true)
    fileSystem.setBytes(of: Fixture.path(7), try #require(fileSystem.bytes(of: Fixture.path(5))))
    #expect(
      throws: LSMError.corruption(
        .init(
          path: Fixture.path(7), offset: 0,
          .value(field: "the log number", expected: 7, actual: 5)))
    ) { try Fixture.replay(fileSystem) }
  }

  /// "No file" has the number 0: a log of that name would be in no chain, and nobody writes one.
  @Test func passesOverALogWithTheNumberOfNone() throws {
    let (fileSystem, entries) = try makeStore(sealed: true)
    var bytes = try #require(fileSystem.bytes(of: Fixture.path(5)))
    for index in 0..<8 { bytes[23 + 24 + index] = 0 }
    let context = Fixture.store.context(of: 0)
    let checksum = bytes[8..<79].withUnsafeBytes { XXH64.hash($0, seed: context) }
    withUnsafeBytes(of: checksum.littleEndian) { bytes.replaceSubrange(0..<8, with: $0) }
    fileSystem.setBytes(of: Fixture.path(0), bytes)
    #expect(try Fixture.replay(fileSystem).entries == entries)
    try fileSystem.remove(Fixture.path(3))
    try fileSystem.remove(Fixture.path(5))
    #expect(try Fixture.replay(fileSystem).entries.isEmpty)
  }

  /// Also after the largest sequence number that there can be.
  @Test func refusesASealOfAnotherLength() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 3)
    try Fixture.append(Fixture.Entry(sequence: .max, bytes: []), to: writer)
    let seal = Int(try writer.finish().length) - LogFormat.chunkHeaderBytes - 8
    try change(Fixture.path(3), in: fileSystem) { bytes in
      bytes.removeLast()
      bytes[seal + 8] -= 1
      let seed = Fixture.store.context(of: 3) &+ UInt64(seal)
      let checksum = bytes[(seal + 8)...].withUnsafeBytes { XXH64.hash($0, seed: seed) }
      withUnsafeBytes(of: checksum.littleEndian) {
        bytes.replaceSubrange(seal..<(seal + 8), with: $0)
      }
    }
    #expect {
      try Fixture.replay(fileSystem)
    } throws: {
      guard case .corruption(let damage)? = $0 as? LSMError else { return false }
      return damage.offset == UInt64(seal)
    }
  }

  @Test func refusesANewerFormat() throws {
    let (fileSystem, _) = try makeStore(sealed: true)
    let path = Fixture.path(5)
    try change(path, in: fileSystem) { bytes in
      bytes[23 + 4] = 2
      let context = Fixture.store.context(of: 5)
      let checksum = bytes[8..<79].withUnsafeBytes { XXH64.hash($0, seed: context) }
      withUnsafeBytes(of: checksum.littleEndian) { bytes.replaceSubrange(0..<8, with: $0) }
    }
    #expect(throws: LSMError.unsupportedFormat(path: path, version: 2)) {
      try Fixture.replay(fileSystem)
    }
  }

  /// A group written after a torn one must not come back when the torn one is gone.
  @Test func endsAtAHoleThatWasNeverSynced() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1)
    let entries = (1...3).map { Fixture.entry($0, count: 50) }
    try Fixture.append(entries[0], to: writer)
    try writer.sync()
    let hole = Int(writer.length)
    for entry in entries[1...] { try Fixture.append(entry, to: writer) }
    try writer.write()
    try change(Fixture.path(1), in: fileSystem) { $0[hole + 30] ^= 1 }
    #expect(try Fixture.replay(fileSystem).entries == [entries[0]])
  }

  @Test func callsAHoleBeforeASyncDamage() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1)
    var ends: [Int] = [Int(writer.length)]
    for sequence in 1...3 as ClosedRange<UInt64> {
      try Fixture.append(Fixture.entry(sequence, count: 50), to: writer)
      try writer.sync()
      ends.append(Int(writer.length))
    }
    try change(Fixture.path(1), in: fileSystem) { bytes in
      for index in ends[1]..<ends[2] { bytes[index] = 0 }
    }
    #expect {
      try Fixture.replay(fileSystem)
    } throws: {
      guard case .corruption(let damage)? = $0 as? LSMError else { return false }
      return damage.offset == UInt64(ends[1]) && damage.path == Fixture.path(1)
    }
  }

  /// A log that is torn after a block's padding ends before it, where its successor looks for the end.
  @Test(
    arguments: [31, 30, 20, 1, 0],
    [0, 30, LogFormat.blockBytes + 10, 2 * LogFormat.blockBytes + 10])
  func endsBeforeThePaddingOfABlock(left: Int, kept: Int) throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 3)
    let end = LogFormat.blockBytes - left
    let count = end - Int(writer.length) - LogFormat.chunkHeaderBytes - 8
    var entries = [Fixture.entry(1, count: count)]
    try Fixture.append(entries[0], to: writer)
    try writer.sync()
    // A record over three blocks, of which a crash keeps only a part.
    try Fixture.append(Fixture.entry(2, count: 3 * LogFormat.blockBytes), to: writer)
    try writer.write()
    try change(Fixture.path(3), in: fileSystem) { $0.removeLast($0.count - end - kept) }
    let outcome = try Fixture.replay(fileSystem).outcome
    #expect(outcome.end?.length == UInt64(end))
    let next = try Fixture.makeWriter(fileSystem, 5, after: outcome.end)
    entries.append(Fixture.entry(2, count: 9))
    try Fixture.append(entries[1], to: next)
    try next.sync()
    #expect(try Fixture.replay(fileSystem, from: 3).entries == entries)
  }

  /// A log whose creation was cut short is passed over, and the one after it names the one before.
  @Test func passesOverALogThatWasNeverBorn() throws {
    let (fileSystem, entries) = try makeStore(sealed: false)
    for (number, bytes) in [(6, []), (7, [1, 2, 3]), (9, [UInt8](repeating: 0, count: 500))]
      as [(FileNumber, [UInt8])]
    {
      fileSystem.setBytes(of: Fixture.path(number), bytes)
    }
    let (found, outcome) = try Fixture.replay(fileSystem, from: 3)
    #expect(found == entries)
    #expect(outcome.unborn == [6, 7, 9])
    let writer = try Fixture.makeWriter(fileSystem, 10, after: outcome.end)
    try Fixture.append(Fixture.entry(6, count: 5), to: writer)
    try writer.sync()
    let (again, next) = try Fixture.replay(fileSystem, from: 3)
    #expect(again.map(\.sequence) == [1, 2, 3, 4, 5, 6])
    #expect(next.logs == [3, 5, 10])
  }

  @Test func refusesALogOutsideTheChain() throws {
    let (fileSystem, _) = try makeStore(sealed: false)
    _ = try Fixture.makeWriter(fileSystem, 8)
    #expect { try Fixture.replay(fileSystem) } throws: { ($0 as? LSMError)?.isCorruption == true }
  }
}
