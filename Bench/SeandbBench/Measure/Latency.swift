/// How long the operations of a loop took. Unit: nanoseconds.
package struct Latency: Sendable {
  /// The shares of operations that ``curve`` tells of.
  package static let fractions = [
    0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999, 1,
  ]

  /// For each of ``fractions``, the duration that this share of the operations did not exceed.
  package let curve: [Double]

  package var median: Double { at(0.5) }
  package var p99: Double { at(0.99) }
  package var p999: Double { at(0.999) }
  package var maximum: Double { at(1) }

  private func at(_ fraction: Double) -> Double {
    Self.fractions.firstIndex(of: fraction).map { curve[$0] } ?? .nan
  }
}
