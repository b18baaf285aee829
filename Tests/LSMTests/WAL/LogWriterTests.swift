import LSM
import LSMTestSupport
import Testing

@Suite("Log writer") struct LogWriterTests {
  private typealias Fixture = LogFixture

  /// The example of docs/file-formats/lsm-wal.md.
  @Test func writesTheDocumentedBytes() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let first = try Fixture.makeWriter(fileSystem, 11)
    try Fixture.append(.init(sequence: 6, bytes: []), to: first)
    let writer = try Fixture.makeWriter(fileSystem, 12, after: try first.finish())
    try Fixture.append(.init(sequence: 7, bytes: Array("put".utf8)), to: writer)
    _ = try writer.finish()
    let bytes = try #require(fileSystem.bytes(of: Fixture.path(12)))
    #expect(bytes == Self.documented)
  }

  private static let documented: [UInt8] = [
    0xc7, 0x06, 0x64, 0x21, 0x12, 0x03, 0x47, 0x96, 0x38, 0x00, 0x05, 0x0c, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x53, 0x4c, 0x4f, 0x47, 0x01, 0x00, 0x00, 0x00, 0x88,
    0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x0c,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x8d,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc5,
    0x4c, 0x07, 0xb0, 0x0e, 0x43, 0x10, 0x15, 0x0b, 0x00, 0x01, 0x0c, 0x00, 0x00, 0x00, 0x4f, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x70, 0x75,
    0x74, 0xdd, 0x91, 0x05, 0xc3, 0xd8, 0xe3, 0xbd, 0x81, 0x08, 0x00, 0x06, 0x0c, 0x00, 0x00, 0x00,
    0x71, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
  ]

  /// Zeros ahead are for speed alone: a disk without room for them still takes what fits.
  @Test func goesOnWithoutZerosAheadOnAFullDisk() throws {
    let fileSystem = try Fixture.makeFileSystem()
    // Creating a log: the file, its directory, the header's bytes, then the zeros of the first sync.
    fileSystem.fail(call: fileSystem.calls + 4, .noSpace)
    let writer = try Fixture.makeWriter(fileSystem, 1, preallocates: true)
    #expect(fileSystem.hitFaults == 1)
    try Fixture.append(Fixture.entry(1, count: 40), to: writer)
    try writer.sync()
    _ = try writer.finish()
    let bytes = try #require(fileSystem.bytes(of: Fixture.path(1)))
    #expect(bytes.count < 1000)
    #expect(try Fixture.replay(fileSystem.crash(seed: 1)).entries == [Fixture.entry(1, count: 40)])
  }

  @Test(arguments: [0, 1, 7, 8, 100, 32_666, 32_667, 32_668, 32_700, 40_000, 100_000])
  func readsBackRecordsOfEverySize(count: Int) throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1)
    let entries = (1...5).map { Fixture.entry($0, count: count) }
    for entry in entries { try Fixture.append(entry, to: writer) }
    _ = try writer.finish()
    #expect(try Fixture.replay(fileSystem).entries == entries)
  }

  /// Every way in which a record can meet a block's end.
  @Test func readsBackRecordsAroundABlockEnd() throws {
    for shift in 0..<80 {
      let fileSystem = try Fixture.makeFileSystem()
      let writer = try Fixture.makeWriter(fileSystem, 1)
      let entries = [
        Fixture.entry(1, count: LogFormat.blockBytes - 200 + shift), Fixture.entry(2, count: 0),
        Fixture.entry(3, count: 60),
      ]
      for entry in entries { try Fixture.append(entry, to: writer) }
      try writer.sync()
      #expect(try Fixture.replay(fileSystem).entries == entries, "shift \(shift)")
    }
  }

  @Test func writesALargeRecordInPieces() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1)
    let entry = Fixture.Entry(sequence: 1, bytes: Array(repeating: 9, count: 3_000_000))
    try Fixture.append(entry, to: writer)
    #expect((fileSystem.bytes(of: Fixture.path(1))?.count ?? 0) > 2_000_000)
    try writer.sync()
    #expect(try Fixture.replay(fileSystem).entries == [entry])
  }

  @Test func syncsOnlyWhatIsNew() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1)
    try Fixture.append(Fixture.entry(1, count: 10), to: writer)
    try writer.sync()
    #expect(writer.syncedLength == writer.length)
    let calls = fileSystem.calls
    try writer.sync()
    #expect(fileSystem.calls == calls)
  }

  @Test func poisonsItselfAfterAFailedSync() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1)
    try Fixture.append(Fixture.entry(1, count: 10), to: writer)
    fileSystem.fail(call: fileSystem.calls + 2, .lostSync)
    let cause = #expect(throws: LSMError.self) { try writer.sync() }
    let poisoned = LSMError.poisoned(cause: try #require(cause))
    let calls = fileSystem.calls
    #expect(throws: poisoned) { try writer.sync() }
    #expect(throws: poisoned) { try writer.write() }
    #expect(throws: poisoned) { try writer.finish() }
    #expect(throws: poisoned) { try Fixture.append(Fixture.entry(2, count: 1), to: writer) }
    #expect(fileSystem.calls == calls, "it touched the file again")
  }

  @Test func writesNothingAfterTheSeal() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1)
    _ = try writer.finish()
    #expect(throws: LSMError.closed(path: Fixture.path(1))) { try writer.write() }
    #expect(throws: LSMError.closed(path: Fixture.path(1))) { try writer.finish() }
  }

  @Test func neverReplacesALog() throws {
    let fileSystem = try Fixture.makeFileSystem()
    _ = try Fixture.makeWriter(fileSystem, 1)
    #expect(throws: LSMError.self) { try Fixture.makeWriter(fileSystem, 1) }
  }

  /// Zeros ahead are overwritten and do not show in what is read.
  @Test func writesIntoZerosAhead() throws {
    let fileSystem = try Fixture.makeFileSystem()
    let writer = try Fixture.makeWriter(fileSystem, 1, preallocates: true)
    let entries = (1...40).map { Fixture.entry($0, count: 10_000) }
    for entry in entries {
      try Fixture.append(entry, to: writer)
      try writer.sync()
    }
    #expect((fileSystem.bytes(of: Fixture.path(1))?.count ?? 0) > Int(writer.length))
    #expect(try Fixture.replay(fileSystem).entries == entries)
    for seed in 0..<5 as Range<UInt64> {
      #expect(try Fixture.replay(fileSystem.crash(seed: seed)).entries == entries)
    }
  }
}
