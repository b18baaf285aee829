import Engine
import Records
import Schema
import Wire

/// What the handlers of one model share: its plan, resolved once when the server starts.
struct ModelAccess: Sendable {
  let model: Model
  /// Kind and permanent id: the first bytes of every key of the model.
  let prefix: KeyPrefix
  let plan: RecordPlan
  let engine: any StorageEngine
  let commits: CommitQueue
  let reads: StorageReads
  let maximumResponseBytes: Int

  /// The records an expression names, which never leave the model.
  func range(of expression: KeyExpression) -> KeyRange {
    switch expression {
    case .eq(let key): prefix.exactly(key)
    case .gte(let key): prefix.atLeast(key)
    case .lte(let key): prefix.atMost(key)
    case .beginsWith(let key): prefix.beginning(with: key)
    case .gt(let key): prefix.range(lower: key, isIncluded: false)
    case .lt(let key): prefix.range(upper: key, isIncluded: false)
    case .range(let lower, let upper):
      KeyRange(
        lower: lower.map { prefix.range(lower: $0.key, isIncluded: $0.isIncluded).lower }
          ?? prefix.all.lower,
        upper: upper.map { prefix.range(upper: $0.key, isIncluded: $0.isIncluded).upper }
          ?? prefix.all.upper)
    }
  }
}
