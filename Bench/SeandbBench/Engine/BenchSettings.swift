/// What is the same for every target and round.
struct BenchSettings: Sendable {
  /// Of a store after it was filled.
  let records: Int
  let valueByteCount: Int
  let cacheSizeBytes: Int
  let memtableSizeBytes: Int
  /// Threads of the workloads that can have several.
  var threads: Int
  let seed: UInt64
}
