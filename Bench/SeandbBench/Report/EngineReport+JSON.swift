import Engine

extension EngineReport {
  /// Machine, settings and every figure of every round, in base units: seconds, bytes.
  var json: JSONValue {
    .object([
      "benchmark": .string("engine"),
      "machine": .object([
        "cpu": .string(machine.cpuModel), "cores": .integer(machine.coreCount),
        "memoryBytes": .integer(machine.memoryBytes), "kernel": .string(machine.kernel),
        "fileSystem": .string(machine.fileSystem), "load": .string(machine.load),
      ]),
      "options": .object([
        "records": .integer(settings.records), "keyBytes": .integer(KeyBuffer.byteCount),
        "valueBytes": .integer(settings.valueByteCount),
        "cacheBytes": .integer(settings.cacheSizeBytes), "rounds": .integer(rounds),
        // A string: readers of JSON keep 53 bits of a number.
        "seed": .string(String(settings.seed)),
        "engines": .array(engines.map { .string($0.rawValue) }),
      ]),
      "measurements": .array(entries.map(object)),
      "ratios": .array(
        names.flatMap { name in
          engines.dropFirst().map { engine in
            .object([
              "workload": .string(name), "engine": .string(engine.rawValue),
              "to": .string(engines[0].rawValue),
              "rounds": .array(ratios(name, engine).map { .number($0) }),
            ])
          }
        }),
    ])
  }

  private func object(_ entry: Entry) -> JSONValue {
    let measurement = entry.measurement
    let cost = measurement.cost
    func bytes(_ bytes: UInt64?) -> JSONValue { bytes.map { .integer(Int($0)) } ?? .null }
    return .object([
      "workload": .string(measurement.name), "engine": .string(entry.engine.rawValue),
      "round": .integer(entry.round), "operations": .integer(measurement.operations),
      "seconds": .number(measurement.seconds),
      "operationsPerSecond": .number(measurement.operationsPerSecond),
      "p50Seconds": .number(measurement.latency.median / 1e9),
      "p99Seconds": .number(measurement.latency.p99 / 1e9),
      "p999Seconds": .number(measurement.latency.p999 / 1e9),
      "maximumSeconds": .number(measurement.latency.maximum / 1e9),
      "cpuSeconds": cost.map { .number($0.cpuSeconds) } ?? .null,
      "writtenBytes": bytes(cost?.writtenBytes), "diskBytes": bytes(cost?.diskBytes),
      "peakResidentBytes": bytes(cost?.peakResidentBytes),
    ])
  }
}
