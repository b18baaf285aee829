/// A core workload of YCSB (Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC 2010;
/// workloads/workload[a-f] of its source).
package struct YCSBMix: Sendable {
  package enum Operation: String, Sendable {
    case read, update, insert, scan
    case readModifyWrite = "readmodifywrite"
  }

  /// The longest scan; each length from 1 on is as likely.
  package static let maximumScanLength = 100

  package let first: Operation
  /// Of a hundred operations.
  package let firstPercent: Int
  package let second: Operation
  /// Whether the records inserted last are the popular ones; else they lie scattered.
  package let prefersLatest: Bool

  package static let a = YCSBMix(50, .read, .update)
  package static let b = YCSBMix(95, .read, .update)
  package static let c = YCSBMix(100, .read, .read)
  package static let d = YCSBMix(95, .read, .insert, prefersLatest: true)
  package static let e = YCSBMix(95, .scan, .insert)
  package static let f = YCSBMix(50, .read, .readModifyWrite)

  private init(
    _ firstPercent: Int, _ first: Operation, _ second: Operation, prefersLatest: Bool = false
  ) {
    self.firstPercent = firstPercent
    self.first = first
    self.second = second
    self.prefersLatest = prefersLatest
  }

  /// The operations there are, in the order of ``kind(_:)``.
  package var operations: [Operation] { first == second ? [first] : [first, second] }

  /// Which of ``operations`` comes next.
  @inline(__always)
  package func kind(_ random: inout SplitMix64) -> Int {
    random.next(below: 100) < firstPercent ? 0 : 1
  }
}
