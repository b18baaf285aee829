import Glibc

// SAFETY: text ends with NUL; it and arrays are lent to a system call until that returns, within their count. A file is
// closed once, and not used afterwards.

/// Runs nghttp2's h2load: one thread, a closed loop, always the same request.
struct H2load {
  /// The program: a path, or a name to look up in `PATH`.
  let program: String
  let scratch: ScratchDirectory
  let load: ConnectionLoad
  /// How long calls count; a quarter of it goes before. Unit: seconds.
  let seconds: Double

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// - Parameters:
  ///   - body: of a gRPC call, framed; nil for a GET.
  /// - Returns: answers a second.
  func run(_ address: SocketAddress, path: String, body: [UInt8]?) throws -> Double {
    let milliseconds = Int(seconds * 1000)
    var command = [
      program, "--threads=1", "--clients=\(load.connections)",
      "--max-concurrent-streams=\(load.inFlight)", "--duration=\(milliseconds)ms",
      "--warm-up-time=\(max(1, milliseconds / 4))ms",
      // Windows of 2^30 bytes, as ours.
      "--window-bits=30", "--connection-window-bits=30",
    ]
    if let body {
      let file = scratch.path + "/h2load.body"
      try write(body, to: file)
      command += [
        "--data=\(file)", "--header=content-type: application/grpc", "--header=te: trailers",
      ]
    }
    let child = try ChildProcess.start(
      command + ["http://\(address)\(path)"], outputTo: "\(scratch.path)/h2load")
    try child.waitForSuccess()
    let output = child.output
    // finished in 3.00s, 161234.67 req/s, 9.81MB/s
    guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("finished in") }),
      let rate = number(before: "req/s", in: line), rate > 0
    else { throw child.failure("said nothing of its rate") }
    // status codes: 483704 2xx, 0 3xx, 0 4xx, 0 5xx
    // requests: 483704 total, ..., 483704 succeeded, 0 failed, 0 errored, 0 timeout
    guard output.contains(" 0 3xx, 0 4xx, 0 5xx"),
      output.contains(" 0 failed, 0 errored, 0 timeout")
    else {
      throw Failure(description: "not every answer to h2load was well:\n\(output)")
    }
    return rate
  }

  private func number(before unit: String, in line: Substring) -> Double? {
    let words = line.split { $0 == " " || $0 == "," }
    guard let index = words.firstIndex(where: { $0 == unit }), index > 0 else { return nil }
    return Double(words[index - 1])
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = unsafe fopen(path, "we"),
      unsafe fwrite(bytes, 1, bytes.count, file) == bytes.count,
      unsafe fclose(file) == 0
    else { throw Failure(description: "cannot write \(path): \(errorText())") }
  }
}
