/// What is measured, in the order it runs, by the names of RocksDB's db_bench and of YCSB where they have one.
///
/// Every workload finds the same store, whatever the target: those before it have done a fixed number of
/// operations. Only the writer of `readwhilewriting` writes as much as it can; so the two workloads that must not
/// depend on what came before them, that one and `deleterange` after it, are given a compacted store again.
enum Workload: String, CaseIterable, Sendable {
  // Each on a store of its own.
  case fillseq, fillsync, fillbatch
  // On one store, which `fillrandom` fills and `compact` brings in order before the first read.
  case fillrandom, overwrite, compact
  case readrandom, readhot, readmissing, readseq, readreverse, seekrandom, prefixscan
  // In YCSB's order, each on what those before have left; `d` and `e` add records.
  case ycsbA = "ycsb-a"
  case ycsbB = "ycsb-b"
  case ycsbC = "ycsb-c"
  case ycsbF = "ycsb-f"
  case ycsbD = "ycsb-d"
  case ycsbE = "ycsb-e"
  case readwhilewriting, deleterange

  /// Records of a batch of `fillbatch`, and keys of a range of `deleterange`.
  static let groupSize = 1000
  /// `fillsync` writes one of so many records.
  static let syncShare = 200
  /// `readhot` reads one of so many keys: the first ones.
  static let hotShare = 100
  /// Records that `seekrandom` reads: the one it finds and 10 more.
  static let seekLength = 11
  /// Records with the same first 7 bytes of their keys.
  static let prefixLength = 256
  /// `prefixscan` does one scan for so many records; each is read four times on average.
  static let prefixScanShare = 64
  /// `seekrandom`, `readwhilewriting` and YCSB do one operation for so many records: they take the longest.
  static let longShare = 2
  /// `ycsb-e`, where an operation reads 50 records on average, does one for so many.
  static let scanShare = 20

  var hasOwnStore: Bool { [.fillseq, .fillsync, .fillbatch].contains(self) }

  var needsCompactedStore: Bool { self == .readwhilewriting || self == .deleterange }

  /// Whether it reads alone, and threads share its reads: it can run on the same store again.
  var canRunAgain: Bool {
    switch self {
    case .readrandom, .readhot, .readmissing, .seekrandom, .prefixscan, .ycsbC: true
    case .fillseq, .fillsync, .fillbatch, .fillrandom, .overwrite, .compact, .readseq,
      .readreverse, .ycsbA, .ycsbB, .ycsbF, .ycsbD, .ycsbE, .readwhilewriting, .deleterange:
      false
    }
  }

  /// The number of the random stream of a thread in `round`: every target gets the same choices.
  func stream(round: Int, thread: Int = 0) -> UInt64 {
    let ordinal = Self.allCases.firstIndex(of: self) ?? 0
    return UInt64(ordinal + 1) << 32 | UInt64(thread) << 16 | UInt64(round)
  }
}
