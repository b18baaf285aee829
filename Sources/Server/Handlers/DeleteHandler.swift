import Bytes
import Records
import Wire

/// `DeleteXsByPk`: removes the records that a query names, atomically and without reading them.
struct DeleteHandler: UnaryHandler {
  let store: ModelStore

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(QueryError) {
      return try store.delete(parseIndexQuery(request), CommitTicket(context.token))
        ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }
}
