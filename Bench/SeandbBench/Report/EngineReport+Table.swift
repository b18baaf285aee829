import Engine

extension EngineReport {
  /// Machine, settings, and a row for each measurement and engine: medians of the rounds.
  var table: String {
    var table = TextTable(header: [
      "workload", "engine", "op/s", "ratio (min..max)", "p50 µs", "p99 µs", "p99.9 µs", "max µs",
      "CPU s", "written MiB", "disk MiB", "peak MiB",
    ])
    for name in names {
      for engine in engines {
        let all = measurements(name, engine)
        if !all.isEmpty { table.add(row(name, engine, all)) }
      }
    }
    return "\(heading)\n\n\(table.text)"
  }

  private var heading: String {
    let memory = Figure.fixed(Double(machine.memoryBytes) / 1e9, places: 0)
    let cache = Figure.short(Double(settings.cacheSizeBytes) / 1_048_576)
    return """
      \(machine.cpuModel), \(machine.coreCount) cores, \(memory) GB, \(machine.fileSystem), \
      load \(machine.load)
      \(Figure.grouped(Double(settings.records))) records, keys of \(KeyBuffer.byteCount) bytes, \
      values of \(settings.valueByteCount), cache \(cache) MiB, seed \(settings.seed), \
      median of \(rounds) \(rounds == 1 ? "round" : "rounds")
      """
  }

  private func row(_ name: String, _ engine: EngineKind, _ all: [Measurement]) -> [String] {
    func median(_ figure: (Measurement) -> Double?) -> Double? {
      Figure.median(all.compactMap(figure))
    }
    func time(_ nanoseconds: (Latency) -> Double) -> String {
      median { nanoseconds($0.latency) / 1000 }.map(Figure.short) ?? ""
    }
    func mebibytes(_ bytes: (Measurement.Cost) -> UInt64) -> String {
      median { $0.cost.map { Double(bytes($0)) / 1_048_576 } }.map(Figure.short) ?? ""
    }
    return [
      name, engine.rawValue,
      median(\.operationsPerSecond).map(Figure.grouped) ?? "",
      ratio(name, engine),
      time(\.median), time(\.p99), time(\.p999), time(\.maximum),
      median { $0.cost?.cpuSeconds }.map { Figure.fixed($0, places: 2) } ?? "",
      mebibytes(\.writtenBytes), mebibytes(\.diskBytes), mebibytes(\.peakResidentBytes),
    ]
  }

  private func ratio(_ name: String, _ engine: EngineKind) -> String {
    if engine == engines[0] { return "" }
    let ratios = ratios(name, engine)
    guard let median = Figure.median(ratios), let least = ratios.min(), let most = ratios.max()
    else { return "" }
    let (low, high) = (Figure.fixed(least, places: 2), Figure.fixed(most, places: 2))
    return "\(Figure.fixed(median, places: 2)) (\(low)..\(high))"
  }
}
