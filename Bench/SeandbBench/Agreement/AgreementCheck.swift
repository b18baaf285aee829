/// A program that measures the same as this one does.
package enum AgreementTool: String, CaseIterable, Sendable {
  /// RocksDB's own benchmark.
  case dbBench = "db_bench"
  /// nghttp2's load generator for HTTP/2.
  case h2load
}

/// A case that this program and another tool can both do on the same system with the same settings. When the figures
/// agree, this program's loops cost no more than the tool's.
package struct AgreementCheck {
  package let name: String
  package let tool: AgreementTool
  /// What both give in a round, turn by turn.
  package let run: (_ round: Int) throws -> [AgreementTurn]

  package init(
    name: String, tool: AgreementTool, run: @escaping (_ round: Int) throws -> [AgreementTurn]
  ) {
    self.name = name
    self.tool = tool
    self.run = run
  }
}

/// Operations a second of one measurement by this program and one by the tool, right after each other.
package struct AgreementTurn: Sendable {
  package let ours: Double
  package let theirs: Double

  package init(ours: Double, theirs: Double) {
    self.ours = ours
    self.theirs = theirs
  }

  /// - Returns: 0 when the tool has done nothing.
  package var ratio: Double { theirs > 0 ? ours / theirs : 0 }

  /// Measures `count` times by each, another one first each time.
  package static func alternate(
    _ count: Int, round: Int, ours: () throws -> Double, theirs: () throws -> Double
  ) rethrows -> [AgreementTurn] {
    try (0..<count).map { turn in
      guard (round + turn) % 2 == 0 else {
        let ours = try ours()
        return AgreementTurn(ours: ours, theirs: try theirs())
      }
      let theirs = try theirs()
      return AgreementTurn(ours: try ours(), theirs: theirs)
    }
  }
}

/// What a check has given, turn by turn.
package struct AgreementResult: Sendable {
  /// How far the ratio may be from 1.
  package static let tolerance = 0.1

  package let name: String
  package let tool: AgreementTool
  package private(set) var turns: [AgreementTurn] = []

  package init(of check: AgreementCheck) {
    name = check.name
    tool = check.tool
  }

  package mutating func add(_ turns: [AgreementTurn]) { self.turns += turns }

  package var ours: [Double] { turns.map(\.ours) }

  package var theirs: [Double] { turns.map(\.theirs) }

  /// This program's figure to the tool's.
  package var ratios: [Double] { turns.map(\.ratio) }

  /// The median of the turns; nil before the first.
  package var ratio: Double? { Figure.median(ratios) }

  package var agrees: Bool {
    // In binary 1.1 - 1 is a little more than 0.1.
    ratio.map { abs($0 - 1) <= Self.tolerance + 1e-9 } ?? false
  }
}
