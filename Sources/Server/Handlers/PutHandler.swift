import Bytes
import Engine
import Records
import Schema
import Wire

/// `PutX`: stores one record, byte for byte as it came.
///
/// The bytes are checked in place on the event loop; OK follows the commit.
struct PutHandler: UnaryHandler {
  let access: ModelAccess

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(RecordError) {
      let keyBytes = try access.plan.checkRecord(request, model: access.model)
      let key = UnsafeRawBufferPointer(rebasing: request[keyBytes])
      let isQueued = access.commits.enqueue(
        CommitTicket(context.token), byteCount: request.count + key.count
      ) {
        $0.put(key, prefix: access.prefix, value: request)
      }
      return isQueued ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error, plan: access.plan))
    }
  }
}
