/// An engine gave an answer that cannot be right: its speed is of no interest.
struct WrongAnswer: Error, CustomStringConvertible {
  let target: EngineTarget
  let workload: Workload
  let detail: String

  var description: String {
    "wrong answer of \(target.rawValue) in \(workload.rawValue): \(detail)"
  }
}
