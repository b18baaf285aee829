import Bytes
import Records
import Wire

// SAFETY: the query is a view of the request, which is lent until `call` returns; the batch copies what it takes of it.

/// `DeleteXsByPk`: removes the records that a query names, atomically and without reading them.
struct DeleteHandler: UnaryHandler {
  let store: ModelStore

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(QueryError) {
      return try unsafe store.delete(parseIndexQuery(request), CommitTicket(context.token))
        ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }
}
