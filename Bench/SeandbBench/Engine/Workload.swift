/// What is measured, in the order it runs, by the names of RocksDB's db_bench where it has one.
enum Workload: String, CaseIterable, Sendable {
  // Each on a store of its own.
  case fillseq, fillsync, fillbatch
  // On one store, which `fillrandom` fills and `compact` brings in order before the first read.
  case fillrandom, overwrite, compact
  case readrandom, readmissing, readseq, readreverse, seekrandom, readwhilewriting, deleterange

  /// Records of a batch of `fillbatch`, and keys of a range of `deleterange`.
  static let groupSize = 1000
  /// `fillsync` writes one of so many records.
  static let syncShare = 200
  /// Records that `seekrandom` reads: the one it finds and 10 more.
  static let seekLength = 11

  var hasOwnStore: Bool { [.fillseq, .fillsync, .fillbatch].contains(self) }

  /// The number of its random stream in `round`: every engine gets the same choices.
  func stream(round: Int) -> UInt64 {
    let ordinal = Self.allCases.firstIndex(of: self) ?? 0
    return UInt64(ordinal + 1) << 32 | UInt64(round)
  }
}
