package import Bytes
package import Records
import Schema
package import Wire

/// `PutX`: stores one record, byte for byte as it came.
///
/// The bytes are checked in place on the event loop unless they are many; OK follows the commit.
package struct PutHandler: UnaryHandler {
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
    do throws(WriteError) {
      return try store.put(request, CommitTicket(context.token))
        ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error, store))
    }
  }

  @safe
  private func callLater(
    _ request: UnsafeRawBufferPointer, _ context: CallContext
  ) -> UnaryOutcome {
    longWrites.submit(request, context, to: store) { [store] record, ticket, group in
      do throws(WriteError) {
        try store.put(record, ticket, in: group)
        return nil
      } catch {
        return .failed(StatusMapping.status(of: error, store))
      }
    }
  }
}
