package import Bytes
package import Records
import Schema
package import Wire

// SAFETY: the query is a view of the request, which is lent until `call` returns; the batch copies what it takes of it.

/// `DeleteXsByPk`: removes the records that a query names, atomically and, without indexes, without reading them; and
/// `DeleteXsByY` of a unique index.
package struct DeleteHandler: UnaryHandler {
  private let store: ModelStore
  private let access: AccessControl?
  private let audit: AuditLog?
  private let longWrites: LongWrites
  /// The place of the unique index whose queries it takes; nil: by the key.
  private let index: Int?

  init(
    store: ModelStore, index: Int? = nil, access: AccessControl?, audit: AuditLog?,
    longWrites: LongWrites
  ) {
    self.store = store
    self.index = index
    self.access = access
    self.audit = audit
    self.longWrites = longWrites
  }

  /// Without rules.
  package init(store: ModelStore, longWrites: LongWrites) {
    self.init(store: store, access: nil, audit: nil, longWrites: longWrites)
  }

  @safe
  package func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    guard request.count <= LongRequest.bytes else { return callLater(request, context) }
    do throws(QueryError) {
      if let index {
        return try store.delete(byIndex: index, request, CommitTicket(context.token))
          ? .pending : .failed(StatusMapping.writeQueueFull)
      }
      if store.hasColumns { return try deleteByColumns(request, context) }
      let query = try unsafe parseIndexQuery(request)
      guard try store.delete(query, CommitTicket(context.token)) else {
        return .failed(StatusMapping.writeQueueFull)
      }
      if let audit {
        tell(audit, query.expression, access?.id(of: context), context.peer)
      }
      return .pending
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  @safe
  private func callLater(
    _ request: UnsafeRawBufferPointer, _ context: CallContext
  ) -> UnaryOutcome {
    let (who, peer) = (access?.id(of: context), context.peer)
    return longWrites.submit(request, context, to: store) { [self] request, ticket, group in
      do throws(QueryError) {
        if let index {
          try store.delete(byIndex: index, request, ticket, in: group)
          return nil
        }
        if store.hasColumns {
          tell(try store.columnDelete(request, ticket, in: group), who, peer)
          return nil
        }
        let query = try unsafe parseIndexQuery(request)
        try store.delete(query, ticket, in: group)
        if let audit { tell(audit, query.expression, who, peer) }
        return nil
      } catch {
        return .failed(StatusMapping.status(of: error))
      }
    }
  }

  @safe
  private func deleteByColumns(
    _ request: UnsafeRawBufferPointer, _ context: CallContext
  ) throws(QueryError) -> UnaryOutcome {
    guard let deletion = try store.columnDelete(request, CommitTicket(context.token)) else {
      return .failed(StatusMapping.writeQueueFull)
    }
    tell(deletion, access?.id(of: context), context.peer)
    return .pending
  }

  private func tell(_ deletion: ColumnDeletion, _ who: String?, _ peer: PeerIdentity?) {
    guard let audit, !deletion.isOfKeys else { return }
    audit.deletedRange(ofModel: store.model.fullName, keys: "range", who: who, from: peer)
  }

  private func tell(
    _ audit: AuditLog, _ expression: KeyExpression, _ who: String?, _ peer: PeerIdentity?
  ) {
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
      ofModel: store.model.fullName, keys: keys, who: who, from: peer)
  }
}
