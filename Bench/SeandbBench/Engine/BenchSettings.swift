/// What is the same for every engine and round.
struct BenchSettings: Sendable {
  let records: Int
  let valueByteCount: Int
  let cacheSizeBytes: Int
  let seed: UInt64
}
