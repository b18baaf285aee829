import Bytes
import Records
import Wire

/// `BatchPutXs`: stores all records of a list, or none. Of several with the same key the last one stays.
struct BatchPutHandler: UnaryHandler {
  let store: ModelStore

  func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(RecordBatchError) {
      switch try store.batchPut(request, CommitTicket(context.token)) {
      case nil: return .done
      case true?: return .pending
      case false?: return .failed(StatusMapping.writeQueueFull)
      }
    } catch {
      return .failed(StatusMapping.status(of: error, plan: store.plan))
    }
  }
}
