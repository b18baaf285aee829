/// Why an access file is not taken. Each description is what the user reads, with what to do; none has a secret.
package enum AccessError: Error, Equatable {
  /// There is no such file.
  case missing(path: String)
  /// The system does not give it out: `detail` are its words, and what to do.
  case unreadable(path: String, detail: String)
  /// It is larger than ``AccessPolicy/maximumFileBytes``.
  case tooLarge(path: String)
  /// It is wrong in these places.
  case wrong(path: String, [AccessProblem])
}

extension AccessError: CustomStringConvertible {
  /// Problems beyond these are only counted.
  private static let shownProblems = 20

  /// A line a problem: `access.toml:3:7: …`.
  package var description: String {
    switch self {
    case .missing(let path):
      "there is no access file \(path); write one, or name another with --access FILE"
    case .unreadable(let path, let detail): "cannot read the access file \(path): \(detail)"
    case .tooLarge(let path):
      "the access file \(path) is larger than \(AccessPolicy.maximumFileBytes >> 20) MiB; name another with "
        + "--access FILE, or give fewer tokens"
    case .wrong(let path, let problems):
      (problems.prefix(Self.shownProblems).map { problem in
        "\(path):\(problem.place.line):\(problem.place.column): \(problem.sentence)"
      }
        + (problems.count > Self.shownProblems
          ? ["and \(problems.count - Self.shownProblems) more problems in \(path)"] : []))
        .joined(separator: "\n")
    }
  }
}
