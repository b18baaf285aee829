extension Report {
  /// Machine, settings, and a row for each workload, load and target: medians of the rounds.
  var table: String {
    var table = TextTable(
      header: [
        "workload", "load", "target", "op/s", "ratio (min..max)", "p50 µs", "p99 µs", "p99.9 µs",
        "max µs", "CPU µs/op", "written MiB", "w-amp", "disk MiB", "s-amp", "peak MiB",
      ], leftColumnCount: 3)
    for subject in subjects {
      for target in targets {
        let all = measurements(of: subject, on: target)
        if !all.isEmpty { table.add(row(subject, target, all)) }
      }
    }
    return """
      \(origin.machineLine)
      \(heading), median of \(rounds) \(rounds == 1 ? "round" : "rounds")

      \(table.text)
      """
  }

  private func row(_ subject: Subject, _ target: String, _ all: [Measurement]) -> [String] {
    func median(_ figure: (Measurement) -> Double?) -> Double? {
      Figure.median(all.compactMap(figure))
    }
    func time(_ nanoseconds: (Latency) -> Double) -> String {
      median { nanoseconds($0.latency) / 1000 }.map(Figure.short) ?? ""
    }
    func mebibytes(_ bytes: (Measurement.Cost) -> UInt64?) -> String {
      median { bytes($0.cost).map { Double($0) / 1_048_576 } }.map(Figure.short) ?? ""
    }
    return [
      subject.workload, subject.load.label, target,
      median(\.operationsPerSecond).map(Figure.grouped) ?? "",
      ratio(subject, target),
      time(\.median), time(\.p99), time(\.p999), time(\.maximum),
      median { measurement in
        measurement.cost.cpuSeconds.map { $0 * 1e6 / Double(max(1, measurement.operations)) }
      }.map(Figure.short) ?? "",
      mebibytes(\.writtenBytes), median(\.writeAmplification).map(Figure.short) ?? "",
      mebibytes(\.diskBytes), median(\.spaceAmplification).map(Figure.short) ?? "",
      mebibytes(\.peakResidentBytes),
    ]
  }

  private func ratio(_ subject: Subject, _ target: String) -> String {
    if target == targets[0] { return "" }
    let ratios = ratios(of: subject, on: target)
    guard let median = Figure.median(ratios), let least = ratios.min(), let most = ratios.max()
    else { return "" }
    let (low, high) = (Figure.fixed(least, places: 2), Figure.fixed(most, places: 2))
    return "\(Figure.fixed(median, places: 2)) (\(low)..\(high))"
  }
}
