import Engine

/// The measurements of all rounds and engines.
struct EngineReport {
  let machine: Machine
  let settings: BenchSettings
  /// The first one is what the others are compared with.
  let engines: [EngineKind]
  let rounds: Int
  private(set) var entries: [Entry] = []

  struct Entry {
    let engine: EngineKind
    let round: Int
    let measurement: Measurement
  }

  init(machine: Machine, settings: BenchSettings, engines: [EngineKind], rounds: Int) {
    self.machine = machine
    self.settings = settings
    self.engines = engines
    self.rounds = rounds
  }

  mutating func add(_ measurement: Measurement, of engine: EngineKind, in round: Int) {
    entries.append(Entry(engine: engine, round: round, measurement: measurement))
  }

  /// The names of the measurements, in the order they were taken.
  var names: [String] {
    var names: [String] = []
    for entry in entries where !names.contains(entry.measurement.name) {
      names.append(entry.measurement.name)
    }
    return names
  }

  /// The measurements of one kind on one engine, round by round.
  func measurements(_ name: String, _ engine: EngineKind) -> [Measurement] {
    entries.filter { $0.engine == engine && $0.measurement.name == name }.map(\.measurement)
  }

  /// Operations a second to those of the first engine, round by round: a round's noise is in both.
  func ratios(_ name: String, _ engine: EngineKind) -> [Double] {
    zip(measurements(name, engine), measurements(name, engines[0])).compactMap { own, base in
      base.operationsPerSecond > 0 ? own.operationsPerSecond / base.operationsPerSecond : nil
    }
  }
}
