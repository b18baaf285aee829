import Bytes
import Schema

// SAFETY: requests are lent until the return; a list of commands copies what is queued.

/// Writes to any models of a database, made together or not at all.
///
/// Thread-safety: constant; any thread.
package final class Transactions: Sendable {
  /// What ``maximumWrites`` is when nobody says it.
  package static let defaultMaximumWrites = 1000

  /// A write of a transaction.
  package struct Write {
    /// Of its model.
    package let store: ModelStore
    /// What is to be done. A view of the request.
    package let request: WriteRequest
  }

  /// A transaction as it was asked for.
  package struct Request {
    /// In their order.
    package fileprivate(set) var writes: [Write] = []
    /// By which the answer is kept.
    fileprivate var id: RequestID?
  }

  private let stores: [Int: ModelStore]
  private let commits: CommitQueue
  /// More are refused.
  package let maximumWrites: Int

  /// - Parameter stores: of the models that are served.
  package init(stores: [ModelStore], commits: CommitQueue, maximumWrites: Int) {
    self.stores = Dictionary(
      stores.map { (Int($0.model.transactionNumber), $0) }, uniquingKeysWith: { first, _ in first })
    self.commits = commits
    self.maximumWrites = maximumWrites
  }

  /// Reads a serialized `Transaction`.
  ///
  /// - Complexity: O(fields of all writes).
  @safe
  package func read(_ request: UnsafeRawBufferPointer) throws(TransactionError) -> Request {
    var found = Request()
    var reader = unsafe TransactionReader(request)
    do throws(TransactionError.Reason) {
      while let write = try reader.next() {
        guard found.writes.count < maximumWrites else { throw .tooMany(limit: maximumWrites) }
        found.writes.append(try self.write(write))
      }
    } catch {
      switch error {
      case .malformed, .unsupported, .tooMany: throw TransactionError(index: nil, reason: error)
      default: throw TransactionError(index: found.writes.count, reason: error)
      }
    }
    do throws(WriteRequestError) {
      found.id = try WriteRequest.requestID(reader.requestID)
    } catch {
      throw TransactionError(index: nil, reason: .requestID(error))
    }
    return found
  }

  private func write(
    _ found: TransactionReader.Write
  ) throws(TransactionError.Reason) -> Write {
    guard let store = stores[found.number] else { throw .unknownModel(found.number) }
    let request: WriteRequest
    do throws(WriteRequestError) {
      request = try WriteRequest(found.message)
    } catch {
      throw .write(.request(error), store: store)
    }
    guard request.returning == .nothing else { throw .returning }
    guard request.requestID == nil else { throw .requestIDInside }
    return Write(store: store, request: request)
  }

  /// Queues the writes, whose answer comes with the commit.
  ///
  /// - Returns: false when the queue takes no more; nil when there is nothing to do.
  package func submit(
    _ request: Request, _ ticket: CommitTicket
  ) throws(TransactionError) -> Bool? {
    guard let first = request.writes.first else { return nil }
    let gathered = CommandList()
    gathered.begin(ticket, of: first.store)
    try append(request, to: gathered)
    return commits.enqueueCommands(
      ticket, of: first.store, byteCount: gathered.bytes.count
    ) { $0.appendWrites(of: gathered) }
  }

  /// Appends what ``submit(_:_:)`` queues.
  ///
  /// - Returns: whether there is anything to commit.
  package func submit(
    _ request: Request, _ ticket: CommitTicket, in group: CommitGroup
  ) throws(TransactionError) -> Bool {
    guard let first = request.writes.first else { return false }
    let gathered = CommandList()
    gathered.begin(ticket, of: first.store)
    try append(request, to: gathered)
    group.beginCommands(ticket, of: first.store).appendWrites(of: gathered)
    return true
  }

  /// Has a long request checked later; see ``CommitQueue/enqueueLong(_:byteCount:_:)``.
  package func enqueueLong(
    _ ticket: CommitTicket, byteCount: Int, _ make: @escaping @Sendable (CommitGroup) -> Bool
  ) -> Bool {
    commits.enqueueLong(ticket, byteCount: byteCount, make)
  }

  private func append(_ request: Request, to list: CommandList) throws(TransactionError) {
    list.becomeTransaction()
    list.identify(by: request.id)
    var keys: Set<[UInt8]> = []
    var entryBytes = 0
    for (index, write) in request.writes.enumerated() {
      let store = write.store
      let key: [UInt8]
      do throws(WriteCallError) {
        key = try store.append(write.request, to: list, entryBytes: &entryBytes)
      } catch {
        throw TransactionError(index: index, reason: .write(error, store: store))
      }
      guard keys.insert(store.prefix.key(key)).inserted else {
        throw TransactionError(index: index, reason: .duplicate(store: store, key: key))
      }
    }
  }
}
