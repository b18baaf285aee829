import Glibc
import Platform
import Synchronization

/// The report of a run that goes on. Whatever ends the run, what was measured is not lost: the file is written
/// anew after each measurement.
///
/// Thread-safety: any thread.
final class RunRecord: Sendable {
  private let file: OutputFile?
  private let state: Mutex<Report>

  init(_ report: Report, file: OutputFile?) {
    self.file = file
    state = Mutex(report)
  }

  func add(_ measurement: Measurement) throws {
    try state.withLock {
      $0.add(measurement)
      try file?.replace(with: $0.json.text + "\n")
    }
  }

  /// Everything was measured.
  func complete() throws {
    try state.withLock {
      $0.isComplete = true
      try file?.replace(with: $0.json.text + "\n")
    }
  }

  /// What was measured, for the terminal.
  var table: String { state.withLock { $0.table } }

  /// Leaves a run that the user ended with what it has.
  func printInterrupted() {
    let report = state.withLock { $0 }
    guard !report.measurements.isEmpty else { return }
    print("\ninterrupted; measured until then:\n\n\(report.table)")
    // All streams.
    fflush(nil)
  }
}
