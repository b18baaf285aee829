import Bytes
import Records
import Schema
import Wire

// SAFETY: the query is a view of the request, which is lent until `call` returns; the batch copies what it takes of it.

/// `DeleteXsByPk`: removes the records that a query names, atomically and without reading them.
struct DeleteHandler: UnaryHandler {
  let store: ModelStore
  let access: AccessControl?
  let audit: AuditLog?

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(QueryError) {
      let query = try unsafe parseIndexQuery(request)
      guard try store.delete(query, CommitTicket(context.token)) else {
        return .failed(StatusMapping.writeQueueFull)
      }
      if let audit { tell(audit, query.expression, context) }
      return .pending
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  private func tell(_ audit: AuditLog, _ expression: KeyExpression, _ context: CallContext) {
    let keys: String
    switch expression {
    case .eq, .in: return
    case .gte: keys = "gte"
    case .gt: keys = "gt"
    case .lte: keys = "lte"
    case .lt: keys = "lt"
    case .range: keys = "range"
    case .beginsWith(let prefix): keys = unsafe prefix.isEmpty ? "all" : "begins_with"
    }
    audit.deletedRange(
      ofModel: store.model.fullName, keys: keys, who: access?.id(of: context), from: context.peer)
  }
}
