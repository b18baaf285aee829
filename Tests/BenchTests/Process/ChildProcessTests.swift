import Foundation
import Testing
import seandb_bench

@Suite("Child processes")
struct ChildProcessTests {
  /// Runs `body` with a path for the output of one child.
  private func withOutput(_ body: (String) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("seandb-child-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: directory) }
    try body(directory.appendingPathComponent("child").path)
  }

  private func shell(_ script: String, _ path: String) throws -> ChildProcess {
    try ChildProcess.start(
      ["sh", "-c", script], environment: ["GREETING": "hello"], outputTo: path)
  }

  @Test func runsToItsEnd() throws {
    try withOutput { path in
      let child = try shell("echo $GREETING; echo $PATH | wc -l; echo bad >&2; exit 7", path)
      #expect(child.wait(timeoutSeconds: 10) == .code(7))
      #expect(child.output == "hello\n1\n")
      #expect(child.errorOutput == "bad\n")
      #expect(child.usage == nil)
    }
  }

  @Test func isStoppedAfterItsFirstLine() throws {
    try withOutput { path in
      let child = try shell("echo ready; exec sleep 100", path)
      #expect(try child.firstLine(timeoutSeconds: 10) == "ready")
      #expect(child.exit == nil)
      let usage = try #require(child.usage)
      #expect(usage.cpuSeconds > 0 && usage.peakResidentBytes > 0)
      #expect(child.stop() == .signal(SIGTERM))
    }
  }

  @Test func isKilledWhenItDoesNotStop() throws {
    try withOutput { path in
      let child = try shell("trap '' TERM; echo ready; while :; do sleep 0.01; done", path)
      _ = try child.firstLine(timeoutSeconds: 10)
      #expect(child.stop(timeoutSeconds: 0.05) == .signal(SIGKILL))
    }
  }

  @Test func tellsWhyThereIsNoFirstLine() throws {
    try withOutput { path in
      let silent = try shell("exec sleep 100", path)
      #expect(throws: ChildProcess.Failure.self) {
        try silent.firstLine(timeoutSeconds: 0.05)
      }
      silent.stop()
      let broken = try shell("echo broken >&2; exit 3", path)
      let error = #expect(throws: ChildProcess.Failure.self) {
        try broken.firstLine(timeoutSeconds: 10)
      }
      #expect(error?.description == "sh ended (exit code 3) and said nothing:\nbroken")
    }
  }

  @Test func isQuietOnceItsWorkIsDone() throws {
    try withOutput { path in
      let child = try shell(
        "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; echo done; exec sleep 100", path)
      #expect(child.waitUntilQuiet(timeoutSeconds: 60))
      #expect(child.output == "done\n")
      child.stop()
    }
  }

  @Test func isNotQuietWhileItWorksNorWhenItHasEnded() throws {
    try withOutput { path in
      let child = try shell("while :; do :; done", path)
      #expect(!child.waitUntilQuiet(timeoutSeconds: 0.25))
      child.stop()
      #expect(!child.waitUntilQuiet(timeoutSeconds: 10))
    }
  }
}
