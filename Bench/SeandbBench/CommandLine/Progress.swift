import Engine
import Glibc

/// What runs, on stderr: a line for each measurement; on a terminal one line, written anew.
struct Progress {
  private let rounds: Int
  private let isTerminal = isatty(STDERR_FILENO) == 1

  init(rounds: Int) { self.rounds = rounds }

  func start(_ workload: Workload, of kind: EngineKind, in round: Int) {
    if isTerminal { rewrite(line(workload.rawValue, kind, round) + " …") }
  }

  func end(_ measurement: Measurement, of kind: EngineKind, in round: Int) {
    let speed = Figure.grouped(measurement.operationsPerSecond)
    let line = "\(line(measurement.name, kind, round)) \(speed) op/s"
    if isTerminal { rewrite(line) } else { write(line + "\n") }
  }

  /// Leaves an empty line for what follows.
  func finish() {
    if isTerminal { rewrite("") }
  }

  func note(_ text: String) { write("note: \(text)\n") }

  private func line(_ name: String, _ kind: EngineKind, _ round: Int) -> String {
    "round \(round)/\(rounds) \(kind.rawValue) \(name)"
  }

  private func rewrite(_ line: String) {
    // To the line's start, and empty to its end (ECMA-48).
    write("\r\u{1b}[K" + line)
  }

  private func write(_ text: String) {
    let bytes = Array(text.utf8)
    // Nobody may read it any more: that is no reason to stop.
    _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}
