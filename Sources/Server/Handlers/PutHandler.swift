import Bytes
import Records
import Schema
import Wire

/// `PutX`: stores one record, byte for byte as it came.
///
/// The bytes are checked in place on the event loop; OK follows the commit.
struct PutHandler: UnaryHandler {
  let store: ModelStore

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(RecordError) {
      return try store.put(request, CommitTicket(context.token))
        ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error, plan: store.plan))
    }
  }
}
