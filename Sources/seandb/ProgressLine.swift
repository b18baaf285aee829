import Glibc
import LSM

// SAFETY: the array lends its bytes to the system call until that returns.

/// One line on stderr that says how far a command is; nothing when stderr is no terminal.
final class ProgressLine {
  private let isShown = isatty(STDERR_FILENO) != 0
  private var last = ContinuousClock.now
  private var isDrawn = false

  private static let interval = Duration.milliseconds(200)

  func show(_ progress: ToolProgress) {
    guard isShown, ContinuousClock.now - last >= Self.interval else { return }
    last = .now
    let share =
      progress.totalBytes > 0 ? min(100, progress.doneBytes * 100 / progress.totalBytes) : 100
    draw(
      "\(share) %  \(ReportText.bytes(progress.doneBytes)) of "
        + "\(ReportText.bytes(progress.totalBytes))  \(progress.what)")
  }

  /// A line of the command's own words.
  func show(_ text: String) {
    guard isShown, ContinuousClock.now - last >= Self.interval else { return }
    last = .now
    draw(text)
  }

  /// Takes the line away, before another one is printed and at the end.
  func clear() {
    if isDrawn { draw("") }
    isDrawn = false
  }

  private func draw(_ text: String) {
    isDrawn = true
    let line = Array("\r\u{1b}[K\(text)".utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
