import Glibc
import Platform
import Synchronization

// SAFETY: the array is lent to the system call until that returns.

/// How far a run is, on stderr: on a terminal a bar that moves, elsewhere a line for each measurement.
///
/// Thread-safety: any thread.
final class Progress: Sendable {
  private static let barLength = 24

  private let rounds: Int
  private let stepCount: Int
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let start = MonotonicClock.now()
  private let doneCount = Atomic(0)

  /// - Parameter stepCount: how many times ``end(_:)`` will be called.
  init(rounds: Int, stepCount: Int) {
    self.rounds = rounds
    self.stepCount = stepCount
  }

  /// Says what is going on.
  func start(_ name: String, on target: String, round: Int) {
    if isTerminal { rewrite("\(bar) \(target) \(name), round \(round)/\(rounds)\(remaining)") }
  }

  /// A step is done: with what was measured in it, one line each.
  func end(_ measurements: [Measurement]) {
    let lines = measurements.map { measurement in
      let label = measurement.load.label
      return "round \(measurement.round)/\(rounds) \(measurement.target) \(measurement.workload)"
        + (label.isEmpty ? "" : " \(label)")
        + " \(Figure.grouped(measurement.operationsPerSecond)) op/s"
    }
    end(lines.joined(separator: "\n"))
  }

  /// A step is done, and this is to be said of it where there is no bar.
  func end(_ text: String) {
    doneCount.add(1, ordering: .relaxed)
    if !isTerminal && !text.isEmpty { write(text + "\n") }
  }

  /// Leaves an empty line for what follows.
  func finish() {
    if isTerminal { rewrite("") }
  }

  func note(_ text: String) {
    if isTerminal { rewrite("") }
    write("note: \(text)\n")
  }

  private var fraction: Double {
    min(1, Double(doneCount.load(ordering: .relaxed)) / Double(max(1, stepCount)))
  }

  private var bar: String {
    let full = Int(fraction * Double(Self.barLength))
    let percent = Figure.fixed(fraction * 100, places: 0)
    return String(repeating: "█", count: full)
      + String(repeating: "░", count: Self.barLength - full)
      + String(repeating: " ", count: 4 - percent.count) + "\(percent) %"
  }

  /// How long it will take if the rest goes like what is done; nothing before there is enough to tell.
  private var remaining: String {
    guard fraction > 0.02 else { return "" }
    let elapsed = Double(MonotonicClock.now() - start) / 1e9
    let minutes = elapsed * (1 / fraction - 1) / 60
    if minutes < 1 { return ", less than a minute left" }
    return ", \(Figure.fixed(minutes, places: 0)) min left"
  }

  private func rewrite(_ line: String) {
    // To the line's start, and empty to its end (ECMA-48).
    write("\r\u{1b}[K" + line)
  }

  private func write(_ text: String) {
    let bytes = Array(text.utf8)
    // Nobody may read it any more: that is no reason to stop.
    _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}
