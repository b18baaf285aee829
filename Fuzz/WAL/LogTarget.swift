import LSM
import LSMTestSupport

/// The bytes of a log file: as they are, and once more with right checksums.
enum LogTarget: FuzzTarget {
  static let name = "log"
  /// One block and a little of the second.
  static let maximumBytes = LogFormat.blockBytes + 2048
  private static let number: FileNumber = 12
  private static let headerBytes = 79

  static func run(_ bytes: UnsafeRawBufferPointer) {
    let log = Array(bytes)
    for store in [nil, LogFixture.store] {
      LogPromises.check(log, .log(number), store: store)
    }
    guard let sealed = sealed(log), sealed != log else { return }
    LogPromises.check(sealed, .log(number), store: nil)
  }

  /// Right checksums for the chunks that lie one behind the other, as the reader goes.
  private static func sealed(_ log: [UInt8]) -> [UInt8]? {
    guard log.count >= headerBytes else { return nil }
    var bytes = log
    let store = StoreID(
      low: bytes.littleEndian(UInt64.self, at: 23 + 8),
      high: bytes.littleEndian(UInt64.self, at: 23 + 16))
    let context = store.context(of: number)
    bytes.set(number.rawValue, at: 23 + 24)
    var offset = 0
    while bytes.count - offset >= 23 {
      let end = offset + 23 + Int(bytes.littleEndian(UInt16.self, at: offset + 8))
      guard end <= bytes.count else { break }
      // What nobody wrote stays so.
      if bytes[offset + 10] != 0 {
        bytes.set(UInt32(truncatingIfNeeded: number.rawValue), at: offset + 11)
        let checksum = bytes[(offset + 8)..<end].withUnsafeBytes {
          XXH64.hash($0, seed: context &+ UInt64(offset))
        }
        bytes.set(checksum, at: offset)
      }
      let left = LogFormat.blockBytes - end % LogFormat.blockBytes
      offset = left < 31 ? end + left : end
    }
    return bytes
  }

  static func seeds() throws -> [[UInt8]] {
    var seeds: [[UInt8]] = [[]]
    for (isFinished, sizes) in [
      (true, [3]), (false, [3]), (true, [0, 200, 17]), (false, [0, 200, 17]),
      // The end of the first block: no padding, padding, a record in both.
      (true, [LogFormat.blockBytes - headerBytes - 31]),
      (false, [LogFormat.blockBytes - headerBytes - 31 - 20, 5]), (true, [33_000, 5]),
    ] {
      let fileSystem = try LogFixture.makeFileSystem()
      let writer = try LogFixture.makeWriter(fileSystem, number)
      for (index, size) in sizes.enumerated() {
        try LogFixture.append(LogFixture.entry(UInt64(index + 1), count: size), to: writer)
        if index % 2 == 0 { try writer.sync() }
      }
      if isFinished { _ = try writer.finish() } else { try writer.write() }
      let bytes = fileSystem.bytes(of: LogFixture.path(number)) ?? []
      seeds.append(bytes)
      if bytes.count < 2000 { seeds.append(bytes + [UInt8](repeating: 0, count: 100)) }
    }
    return seeds
  }
}
