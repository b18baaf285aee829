import Platform

extension Report {
  /// The version of the layout below; Bench/Report reads it.
  static let format = 1

  /// Origin, options and every figure of every round, in base units: seconds, bytes.
  var json: JSONValue {
    let ratios = subjects.flatMap { subject in
      targets.dropFirst().map { target in
        JSONValue.object([
          "workload": .string(subject.workload), "target": .string(target),
          "to": .string(targets[0]), "load": Self.object(subject.load),
          "rounds": .array(self.ratios(of: subject, on: target).map { .number($0) }),
        ])
      }
    }
    return .members(
      origin.members(benchmark: benchmark, isComplete: isComplete) + [
        ("options", .members([("rounds", .integer(rounds))] + options)),
        ("targets", .array(targets.map { .string($0) })),
        ("measurements", .array(measurements.map(Self.object))),
        ("ratios", .array(ratios)),
      ])
  }

  private static func object(_ measurement: Measurement) -> JSONValue {
    let latency = measurement.latency
    let cost = measurement.cost
    func bytes(_ bytes: UInt64?) -> JSONValue { bytes.map { .integer(Int($0)) } ?? .null }
    return .object([
      "workload": .string(measurement.workload), "target": .string(measurement.target),
      "round": .integer(measurement.round), "load": object(measurement.load),
      "operations": .integer(measurement.operations), "errors": .integer(measurement.errors),
      "records": measurement.records.map { .integer($0) } ?? .null,
      "answerBytes": measurement.answerBytes.map { .integer($0) } ?? .null,
      "seconds": .number(measurement.seconds),
      "operationsPerSecond": .number(measurement.operationsPerSecond),
      "p50Seconds": .number(latency.median / 1e9), "p99Seconds": .number(latency.p99 / 1e9),
      "p999Seconds": .number(latency.p999 / 1e9),
      "maximumSeconds": .number(latency.maximum / 1e9),
      "latency": .array(
        zip(Latency.fractions, latency.curve).compactMap { fraction, nanoseconds in
          // What is rarer than one of all operations is the maximum by another name.
          fraction < 1 && (1 - fraction) * Double(measurement.operations) < 1
            ? nil : .array([.number(fraction), .number(nanoseconds / 1e9)])
        }),
      "timeline": measurement.timeline.map { steps in
        .object([
          "stepSeconds": .number(Double(LoopTimes.stepLength) / 1e9),
          "operations": .array(steps.map { .integer($0) }),
        ])
      } ?? .null,
      "cpuSeconds": cost.cpuSeconds.map { .number($0) } ?? .null,
      "generatorCPUSeconds": cost.generatorCPUSeconds.map { .number($0) } ?? .null,
      "writtenBytes": bytes(cost.writtenBytes), "userBytes": bytes(cost.userBytes),
      "liveBytes": bytes(cost.liveBytes), "diskBytes": bytes(cost.diskBytes),
      "peakResidentBytes": bytes(cost.peakResidentBytes),
    ])
  }

  private static func object(_ load: Load) -> JSONValue {
    guard let network = load.network else {
      return .object(["threads": .integer(load.threads)])
    }
    return .object([
      "threads": .integer(load.threads), "connections": .integer(network.connections),
      "inFlight": .integer(network.inFlight),
      "ratePerSecond": network.ratePerSecond.map { .integer($0) } ?? .null,
      "tls": .bool(network.usesTLS), "durability": network.durability.map { .string($0) } ?? .null,
      "recordBytes": .integer(network.recordBytes), "keys": .string(network.keys),
    ])
  }
}
