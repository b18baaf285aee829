import Engine
import Glibc
import Synchronization

// SAFETY: the key is the buffer's own until its next write, after the call that is given it.

/// Reads and scans while the soak writes, each scan under a snapshot; every value must be one of its key.
final class SoakReader: Sendable {
  private let engine: any StorageEngine
  private let keyCount: Int
  private let valueByteCount: Int
  private let isStopping = Atomic<Bool>(false)
  private let found = Mutex<String?>(nil)

  init(_ engine: any StorageEngine, keyCount: Int, valueByteCount: Int) {
    self.engine = engine
    self.keyCount = keyCount
    self.valueByteCount = valueByteCount
  }

  func stop() { isStopping.store(true, ordering: .relaxed) }

  /// What was wrong; nil so far.
  var failure: String? { found.withLock { $0 } }

  func run() {
    var random = SplitMix64(seed: 7, stream: 2)
    do {
      while !isStopping.load(ordering: .relaxed), failure == nil {
        for _ in 0..<50 { try get(random.next(below: keyCount)) }
        try scanTwice(random.next(below: keyCount))
        // Half idle: the load is on the writer.
        usleep(2000)
      }
    } catch {
      found.withLock { $0 = "the reader met an error: \(error)" }
    }
  }

  @safe
  private func isRight(_ value: UnsafeRawBufferPointer, _ index: Int) -> Bool {
    ValueSource.isValue(
      value, of: index, byteCount: valueByteCount, generations: 1...UInt64(UInt32.max))
  }

  private func get(_ index: Int) throws {
    var key = KeyBuffer()
    key.write(index)
    _ = try unsafe engine.get(key.bytes, snapshot: nil, tier: .any) { value in
      if !isRight(value, index) { found.withLock { $0 = "a wrong value of key \(index)" } }
    }
  }

  /// Two scans under one snapshot show the same keys.
  private func scanTwice(_ index: Int) throws {
    let snapshot = try engine.snapshot()
    let range = KeyRange(
      lower: KeyBuffer.key(index), upper: KeyBuffer.key(min(index + 1000, keyCount)))
    var passes: [[Int]] = []
    for direction in ScanDirection.allCases {
      var indexes: [Int] = []
      _ = try engine.scan(
        range, direction: direction, limit: .max, snapshot: snapshot, tier: .any
      ) { key, value in
        guard let index = KeyBuffer.index(of: key), isRight(value, index) else {
          found.withLock { $0 = "a scan shows a wrong record" }
          return .stop
        }
        indexes.append(index)
        return .next
      }
      passes.append(direction == .ascending ? indexes : indexes.reversed())
    }
    if passes[0] != passes[1] {
      found.withLock { $0 = "two scans of one snapshot differ after key \(index)" }
    }
  }
}
