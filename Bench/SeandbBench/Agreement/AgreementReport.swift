import Platform

/// The results of all checks of one run.
struct AgreementReport {
  let origin: Origin
  /// What the run was asked for.
  let options: [(name: String, value: JSONValue)]
  let heading: String
  var results: [AgreementResult]
  /// Whether all rounds were run.
  var isComplete = false

  /// A row for each check: medians of the turns, and whether they agree.
  var table: String {
    var table = TextTable(
      header: ["case", "tool", "turns", "ours op/s", "theirs op/s", "ratio (min..max)", "verdict"],
      leftColumnCount: 2)
    for result in results {
      guard let ratio = result.ratio, let least = result.ratios.min(),
        let most = result.ratios.max()
      else { continue }
      let (low, high) = (Figure.fixed(least, places: 2), Figure.fixed(most, places: 2))
      let verdict = result.agrees ? "agrees" : ratio > 1 ? "ours faster" : "ours slower"
      table.add([
        result.name, result.tool.rawValue, String(result.turns.count),
        Figure.median(result.ours).map(Figure.grouped) ?? "",
        Figure.median(result.theirs).map(Figure.grouped) ?? "",
        "\(Figure.fixed(ratio, places: 2)) (\(low)..\(high))", verdict,
      ])
    }
    return "\(origin.machineLine)\n\(heading)\n\n\(table.text)"
  }

  var json: JSONValue {
    .members(
      origin.members(benchmark: "agreement", isComplete: isComplete) + [
        ("options", .members(options)),
        ("checks", .array(results.filter { $0.ratio != nil }.map(Self.object))),
      ])
  }

  private static func object(_ result: AgreementResult) -> JSONValue {
    func numbers(_ numbers: [Double]) -> JSONValue { .array(numbers.map { .number($0) }) }
    return .object([
      "case": .string(result.name), "tool": .string(result.tool.rawValue),
      "ours": numbers(result.ours), "theirs": numbers(result.theirs),
      "ratios": numbers(result.ratios),
      "ratio": result.ratio.map { .number($0) } ?? .null,
      "tolerance": .number(AgreementResult.tolerance), "agrees": .bool(result.agrees),
    ])
  }
}
