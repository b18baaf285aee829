package import Bytes
import Engine
package import Records
package import Wire

/// `BatchPutXs`: stores all records of a list, or none. Of several with the same key the last one stays.
package struct BatchPutHandler: UnaryHandler {
  private let store: ModelStore
  private let longWrites: LongWrites

  package init(store: ModelStore, longWrites: LongWrites) {
    self.store = store
    self.longWrites = longWrites
  }

  @safe
  package func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    guard request.count <= LongRequest.bytes else { return callLater(request, context) }
    do throws(RecordBatchError) {
      switch try store.batchPut(request, CommitTicket(context.token)) {
      case nil: return .done
      case true?: return .pending
      case false?: return .failed(StatusMapping.writeQueueFull)
      }
    } catch {
      return .failed(StatusMapping.status(of: error, store))
    }
  }

  @safe
  private func callLater(
    _ request: UnsafeRawBufferPointer, _ context: CallContext
  ) -> UnaryOutcome {
    longWrites.submit(request, context, to: store) { [store] list, ticket, group in
      do throws(RecordBatchError) {
        return try store.batchPut(list, ticket, in: group) ? nil : .empty
      } catch {
        return .failed(StatusMapping.status(of: error, store))
      }
    }
  }
}
