package import Bytes
import Records
import Schema
package import Wire

/// `Transact`: writes to any models, all or none. OK, with an etag for each, follows the commit.
package struct TransactHandler: UnaryHandler {
  private let transactions: Transactions
  private let longWrites: LongWrites
  private let access: AccessControl?
  /// In the rules, by the numbers in a transaction.
  private let models: [UInt32: Int]

  init(
    transactions: Transactions, stores: [ModelStore], access: AccessControl?,
    longWrites: LongWrites
  ) {
    self.transactions = transactions
    self.longWrites = longWrites
    self.access = access
    models = Dictionary(
      stores.map { ($0.model.transactionNumber, access?.place(of: $0.model) ?? -1) },
      uniquingKeysWith: { first, _ in first })
  }

  @safe
  package func call(
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ response: inout ByteWriter
  ) -> UnaryOutcome {
    let caller = access?.caller(of: context)
    guard request.count <= LongRequest.bytes else { return callLater(request, context, caller) }
    do throws(TransactionError) {
      let wanted = try transactions.read(request)
      if let refusal = refusal(of: wanted.writes, by: caller) { return .failed(refusal) }
      switch try transactions.submit(wanted, CommitTicket(context.token)) {
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
    _ request: UnsafeRawBufferPointer, _ context: CallContext, _ caller: AccessControl.Caller?
  ) -> UnaryOutcome {
    longWrites.submit(request, context, enqueue: transactions.enqueueLong) {
      [self] request, ticket, group in
      do throws(TransactionError) {
        let wanted = try transactions.read(request)
        if let refusal = refusal(of: wanted.writes, by: caller) { return .failed(refusal) }
        return try transactions.submit(wanted, ticket, in: group) ? nil : .empty
      } catch {
        return .failed(StatusMapping.status(of: error))
      }
    }
  }

  private func refusal(
    of writes: [Transactions.Write], by caller: AccessControl.Caller?
  ) -> RPCStatus? {
    guard let access, let caller else { return nil }
    for (index, write) in writes.enumerated() {
      let model = models[write.store.model.transactionNumber] ?? -1
      if let refusal = access.refusal(of: write.request, ofModel: model, by: caller) {
        return refusal.ofWrite(index)
      }
    }
    return nil
  }
}
