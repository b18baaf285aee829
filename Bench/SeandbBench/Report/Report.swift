import Platform

/// The measurements of all rounds and targets of one run.
struct Report: Sendable {
  /// The subcommand: `engine`, `server`.
  let benchmark: String
  let origin: Origin
  /// The first one is what the others are compared with.
  let targets: [String]
  let rounds: Int
  /// What the run was asked for, for the reader and to run it again.
  let options: [(name: String, value: JSONValue)]
  /// One or more lines for the head of the table.
  let heading: String
  private(set) var measurements: [Measurement] = []
  /// Whether everything that was asked for was measured.
  var isComplete = false

  init(
    _ benchmark: String, origin: Origin, targets: [String], rounds: Int,
    options: [(name: String, value: JSONValue)], heading: String
  ) {
    self.benchmark = benchmark
    self.origin = origin
    self.targets = targets
    self.rounds = rounds
    self.options = options
    self.heading = heading
  }

  mutating func add(_ measurement: Measurement) { measurements.append(measurement) }

  /// A workload under a load: what a ratio compares targets in.
  struct Subject: Hashable {
    let workload: String
    let load: Load
  }

  /// In the order they were measured first.
  var subjects: [Subject] {
    var seen: Set<Subject> = []
    return measurements.map { Subject(workload: $0.workload, load: $0.load) }
      .filter { seen.insert($0).inserted }
  }

  /// Round by round.
  func measurements(of subject: Subject, on target: String) -> [Measurement] {
    measurements.filter {
      $0.target == target && $0.workload == subject.workload && $0.load == subject.load
    }
  }

  /// Operations a second to those of the first target, for each round that has both: the noise of a round is in
  /// both.
  func ratios(of subject: Subject, on target: String) -> [Double] {
    let base = measurements(of: subject, on: targets[0])
    return measurements(of: subject, on: target).compactMap { own in
      guard let base = base.first(where: { $0.round == own.round }), base.operationsPerSecond > 0
      else { return nil }
      return own.operationsPerSecond / base.operationsPerSecond
    }
  }
}
