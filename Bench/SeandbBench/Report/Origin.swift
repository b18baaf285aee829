import Glibc
import Platform

/// Where and when figures were measured, and of what.
struct Origin: Sendable {
  let machine: Machine
  /// Name and version of what took part.
  let versions: [(name: String, version: String)]
  /// The project's commit, with a `+` when files differ from it; "unknown" outside of its repository.
  let commit: String
  /// UTC, as ISO 8601 says.
  let startedAt: String
  private let start = MonotonicClock.now()

  /// Asks the system; takes some tens of milliseconds.
  ///
  /// - Parameters:
  ///   - directory: absolute; where the targets write.
  ///   - packages: Debian packages whose versions to tell, by what people call them.
  ///   - programs: the same for programs, which are asked by `--version`.
  init(
    directory: String, packages: KeyValuePairs<String, String>,
    programs: KeyValuePairs<String, String> = [:]
  ) {
    machine = Machine(directory: directory)
    commit =
      CommandOutput.firstLine(of: "git describe --always --exclude '*' --dirty=+") ?? "unknown"
    versions =
      packages.compactMap { name, package in
        // Packages may be there for several architectures: the first line is enough.
        CommandOutput.firstLine(of: "dpkg-query --show --showformat '${Version}\\n' \(package)")
          .map { (name, $0) }
      }
      + programs.compactMap { name, program in
        CommandOutput.firstLine(
          of: "'\(program)' --version | grep --only-matching '[0-9][0-9]*\\.[0-9.]*[0-9]'"
        ).map { (name, $0) }
      }
    startedAt = CommandOutput.firstLine(of: "date --utc +%Y-%m-%dT%H:%M:%SZ") ?? "unknown"
  }

  /// The machine, for the head of a table.
  var machineLine: String {
    let memory = Figure.fixed(Double(machine.memoryBytes) / 1e9, places: 0)
    return "\(machine.cpuModel), \(machine.coreCount) cores, \(memory) GB, \(machine.fileSystem), "
      + "load \(machine.load)"
  }

  /// The members that every file of results begins with.
  func members(benchmark: String, isComplete: Bool) -> [(name: String, value: JSONValue)] {
    [
      ("format", .integer(Report.format)), ("benchmark", .string(benchmark)),
      ("complete", .bool(isComplete)), ("startedAt", .string(startedAt)),
      ("seconds", .number(Double(MonotonicClock.now() - start) / 1e9)),
      (
        "machine",
        .object([
          "cpu": .string(machine.cpuModel), "cores": .integer(machine.coreCount),
          "memoryBytes": .integer(machine.memoryBytes), "kernel": .string(machine.kernel),
          "fileSystem": .string(machine.fileSystem), "load": .string(machine.load),
        ])
      ),
      ("versions", .members(versions.map { ($0.name, .string($0.version)) })),
      ("commit", .string(commit)),
      // Behind the program's name, which may have a path.
      (
        "command",
        .string((["seandb-bench"] + CommandLine.arguments.dropFirst()).joined(separator: " "))
      ),
    ]
  }
}
