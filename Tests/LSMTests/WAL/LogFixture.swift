import LSM
import LSMTestSupport
import TestSupport

/// What the tests of logs share: a store, and records that can be told from each other.
enum LogFixture {
  static let directory = "/db"
  static let store = StoreID(low: 0x1122_3344_5566_7788, high: 0x99aa_bbcc_ddee_ff00)

  struct Entry: Hashable {
    let sequence: UInt64
    let bytes: [UInt8]
  }

  static func makeFileSystem() throws -> MemoryFileSystem {
    let fileSystem = MemoryFileSystem()
    try fileSystem.createDirectory(directory)
    try fileSystem.syncDirectory("/")
    return fileSystem
  }

  static func makeWriter(
    _ fileSystem: any FileSystem, _ number: FileNumber, after predecessor: LogEnd? = nil,
    preallocates: Bool = false
  ) throws -> LogWriter {
    try LogWriter(
      fileSystem, directory: directory, name: .log(number), store: store, after: predecessor,
      preallocates: preallocates)
  }

  /// The record with this sequence number; its bytes depend on the number alone.
  static func entry(_ sequence: UInt64, count: Int) -> Entry {
    var random = SeededGenerator(seed: sequence)
    let pattern = random.bytes(61)
    return Entry(sequence: sequence, bytes: (0..<count).map { pattern[$0 % 61] })
  }

  static func append(_ entry: Entry, to writer: LogWriter) throws {
    try entry.bytes.withUnsafeBytes { try writer.append($0, sequence: entry.sequence) }
  }

  static func replay(
    _ fileSystem: any FileSystem, from first: FileNumber? = nil
  ) throws -> (entries: [Entry], outcome: LogRecovery.Outcome) {
    var entries: [Entry] = []
    let outcome = try LogRecovery.replay(
      fileSystem, directory: directory, store: store, from: first
    ) { (_, record) throws(LSMError) in
      entries.append(Entry(sequence: record.sequence, bytes: Array(record.bytes)))
    }
    return (entries, outcome)
  }

  static func path(_ number: FileNumber) -> String { FileName.log(number).path(in: directory) }
}
