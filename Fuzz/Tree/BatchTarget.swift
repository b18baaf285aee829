import LSM

/// A batch, as a caller or a record of the log hands it in.
enum BatchTarget: FuzzTarget {
  static let name = "batch"
  static let maximumBytes = 4096

  static func seeds() throws -> [[UInt8]] {
    [
      [0, 0, 0, 0], [1, 0, 0, 0, 0x01, 1, 0x61, 2, 0x62, 0x63], [1, 0, 0, 0, 0x00, 1, 0x61],
      [
        3, 0, 0, 0, 0x0f, 1, 0x61, 1, 0x62, 0x00, 0, 0x01, 0, 0x81, 0x01,
      ] + [UInt8](repeating: 7, count: 129),
    ]
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard var reader = try? BatchReader(bytes) else { return }
    var total = BatchReader.headerBytes
    do throws(LSMError) {
      while let record = try reader.next() {
        // Touching every byte shows a slice that leaves the batch.
        switch record {
        case .put(let key, let value): total += 3 + key.count + value.count + touch(key, value)
        case .delete(let key): total += 2 + key.count + touch(key, key)
        case .deleteRange(let lower, let upper):
          require(lower.lexicographicallyPrecedes(upper), "a range is not empty")
          total += 3 + lower.count + upper.count + touch(lower, upper)
        }
      }
      require(total <= bytes.count, "records do not overlap")
    } catch {
      guard case .malformedBatch(let offset) = error else {
        return require(false, "what is wrong with a batch is said as that: \(error)")
      }
      require(offset <= bytes.count, "the place lies inside")
    }
  }

  private static func touch(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer)
    -> Int
  {
    let sum = first.reduce(0) { $0 &+ Int($1) } &+ second.reduce(0) { $0 &+ Int($1) }
    return sum == .min ? 1 : 0
  }
}
