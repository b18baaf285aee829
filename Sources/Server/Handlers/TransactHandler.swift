package import Bytes
import Records
package import Wire

/// `Transact`: writes to any models, all or none. OK, with an etag for each, follows the commit.
package struct TransactHandler: UnaryHandler {
  private let transactions: Transactions
  private let longWrites: LongWrites
  private let access: AccessControl?

  init(transactions: Transactions, access: AccessControl?, longWrites: LongWrites) {
    self.transactions = transactions
    self.access = access
    self.longWrites = longWrites
  }

  @safe
  package func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    do throws(TransactionError) {
      let writes = try transactions.read(request)
      if let access {
        for (index, write) in writes.enumerated() {
          let model = access.place(of: write.store.model)
          if let refusal = access.refusal(of: write.request, ofModel: model, context) {
            return .failed(refusal.ofWrite(index))
          }
        }
      }
      guard request.count <= LongRequest.bytes else { return callLater(request, context) }
      switch try transactions.submit(writes, CommitTicket(context.token)) {
      case nil: return .done
      case true?: return .pending
      case false?: return .failed(StatusMapping.writeQueueFull)
      }
    } catch {
      return .failed(StatusMapping.status(of: error))
    }
  }

  @safe
  private func callLater(
    _ request: UnsafeRawBufferPointer, _ context: CallContext
  ) -> UnaryOutcome {
    longWrites.submit(request, context, enqueue: transactions.enqueueLong) {
      [transactions] request, ticket, group in
      do throws(TransactionError) {
        let writes = try transactions.read(request)
        return try transactions.submit(writes, ticket, in: group) ? nil : .empty
      } catch {
        return .failed(StatusMapping.status(of: error))
      }
    }
  }
}
