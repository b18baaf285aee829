extension Report {
  /// Machine, settings, and a row for each workload, load and target: medians of the rounds.
  var table: String {
    var table = TextTable(
      header: [
        "workload", "load", "target", "op/s", "ratio (min..max)", "records/s", "MB/s", "p50 µs",
        "p99 µs", "p99.9 µs",
        "max µs", "CPU µs/op", "written MiB", "w-amp", "disk MiB", "s-amp", "peak MiB", "load CPU",
      ], leftColumnCount: 3)
    for subject in subjects {
      for target in targets {
        let all = measurements(of: subject, on: target)
        if !all.isEmpty { table.add(row(subject, target, all)) }
      }
    }
    return """
      \(origin.machineLine)
      \(heading), \(roundsText)

      \(table.text)
      """
  }

  /// How many rounds the figures are medians of, which are fewer than asked for after an interruption.
  private var roundsText: String {
    let counts = subjects.flatMap { subject in
      targets.map { measurements(of: subject, on: $0).count }.filter { $0 > 0 }
    }
    guard let least = counts.min(), let most = counts.max() else { return "nothing measured" }
    return least == most
      ? "median of \(most) \(most == 1 ? "round" : "rounds")"
      : "median of \(least) to \(most) rounds"
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
      median(\.recordsPerSecond).map(Figure.grouped) ?? "",
      median { $0.answerBytesPerSecond.map { $0 / 1e6 } }.map(Figure.short) ?? "",
      time(\.median), time(\.p99), time(\.p999), time(\.maximum),
      median { measurement in
        measurement.operations == 0
          ? nil : measurement.cost.cpuSeconds.map { $0 * 1e6 / Double(measurement.operations) }
      }.map(Figure.short) ?? "",
      mebibytes(\.writtenBytes), median(\.writeAmplification).map(Figure.short) ?? "",
      mebibytes(\.diskBytes), median(\.spaceAmplification).map(Figure.short) ?? "",
      mebibytes(\.peakResidentBytes),
      // Of the time that its threads had.
      median { measurement in
        measurement.cost.generatorCPUSeconds.map {
          $0 / (measurement.seconds * Double(measurement.load.threads)) * 100
        }
      }.map { Figure.fixed($0, places: 0) + " %" } ?? "",
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
