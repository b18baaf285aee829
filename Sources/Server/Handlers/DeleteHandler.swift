import Bytes
import Engine
import Records
import Schema
import Wire

/// `DeleteXsByPk`: removes the records a key expression names, atomically and without reading them.
struct DeleteHandler: UnaryHandler {
  let access: ModelAccess

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(QueryError) {
      let isQueued: Bool
      switch try parseIndexQuery(request) {
      case .eq(let key):
        isQueued = access.commits.enqueue(CommitTicket(context.token), byteCount: key.count) {
          $0.delete(key, prefix: access.prefix)
        }
      case let expression:
        let range = access.range(of: expression)
        isQueued = access.commits.enqueue(
          CommitTicket(context.token), byteCount: 2 * range.lower.count
        ) {
          $0.deleteRange(range)
        }
      }
      return isQueued ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }
}
