package import Bytes
import Records
import Schema
package import Wire

/// `WriteX`: one action on one record, when its condition holds. OK, with the etag, follows the commit.
package struct WriteHandler: UnaryHandler {
  private let store: ModelStore
  private let longWrites: LongWrites
  private let access: AccessControl?
  /// Of the store's model in the rules.
  private let model: Int

  init(store: ModelStore, access: AccessControl?, longWrites: LongWrites) {
    self.store = store
    self.access = access
    self.longWrites = longWrites
    model = access?.place(of: store.model) ?? -1
  }

  @safe
  package func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(WriteCallError) {
      let write = try Self.parse(request)
      if let access, let refusal = access.refusal(of: write, ofModel: model, context) {
        return .failed(refusal)
      }
      guard request.count <= LongRequest.bytes else { return callLater(request, context) }
      return try store.write(write, CommitTicket(context.token))
        ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error, store))
    }
  }

  @safe
  private static func parse(
    _ request: UnsafeRawBufferPointer
  ) throws(WriteCallError) -> WriteRequest {
    do throws(WriteRequestError) {
      return try WriteRequest(request)
    } catch {
      throw .request(error)
    }
  }

  @safe
  private func callLater(
    _ request: UnsafeRawBufferPointer, _ context: CallContext
  ) -> UnaryOutcome {
    longWrites.submit(request, context, to: store) { [store] request, ticket, group in
      do throws(WriteCallError) {
        try store.write(Self.parse(request), ticket, in: group)
        return nil
      } catch {
        return .failed(StatusMapping.status(of: error, store))
      }
    }
  }
}
