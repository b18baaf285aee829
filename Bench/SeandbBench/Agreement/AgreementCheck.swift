/// A program that measures the same as this one does.
enum AgreementTool: String, CaseIterable, Sendable {
  /// RocksDB's own benchmark.
  case dbBench = "db_bench"
  /// nghttp2's load generator for HTTP/2.
  case h2load
}

/// A case that this program and another tool can both do on the same system with the same settings. When the figures
/// agree, this program's loops cost no more than the tool's.
struct AgreementCheck {
  let name: String
  let tool: AgreementTool
  /// Operations a second by this program, in a round.
  let ours: (_ round: Int) throws -> Double
  /// Operations a second by the tool, in a round.
  let theirs: (_ round: Int) throws -> Double
}

/// What a check has given, round by round.
struct AgreementResult: Sendable {
  /// How far the ratio may be from 1.
  static let tolerance = 0.1

  let name: String
  let tool: AgreementTool
  private(set) var ours: [Double] = []
  private(set) var theirs: [Double] = []

  init(of check: AgreementCheck) {
    name = check.name
    tool = check.tool
  }

  mutating func add(ours: Double, theirs: Double) {
    self.ours.append(ours)
    self.theirs.append(theirs)
  }

  /// This program's figure to the tool's.
  var ratios: [Double] { zip(ours, theirs).map { $1 > 0 ? $0 / $1 : 0 } }

  /// The median of the rounds; nil before the first.
  var ratio: Double? { Figure.median(ratios) }

  var agrees: Bool { ratio.map { abs($0 - 1) <= Self.tolerance } ?? false }
}
