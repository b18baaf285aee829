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
    let caller = access?.caller(of: context)
    guard request.count <= LongRequest.bytes else { return callLater(request, context, caller) }
    do throws(WriteCallError) {
      let write = try Self.parse(request)
      if let refusal = refusal(of: write, by: caller) { return .failed(refusal) }
      return try store.write(write, CommitTicket(context.token))
        ? .pending : .failed(StatusMapping.writeQueueFull)
    } catch {
      return .failed(StatusMapping.status(of: error, store))
    }
  }

  @safe
  private func callLater(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ caller: AccessControl.Caller?
  ) -> UnaryOutcome {
    longWrites.submit(request, context, to: store) { [self] request, ticket, group in
      do throws(WriteCallError) {
        let write = try Self.parse(request)
        if let refusal = refusal(of: write, by: caller) { return .failed(refusal) }
        try store.write(write, ticket, in: group)
        return nil
      } catch {
        return .failed(StatusMapping.status(of: error, store))
      }
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

  private func refusal(of write: WriteRequest, by caller: AccessControl.Caller?) -> RPCStatus? {
    caller.flatMap { access?.refusal(of: write, ofModel: model, by: $0) }
  }
}
