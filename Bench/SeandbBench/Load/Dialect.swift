import Bytes

/// How a server is asked for records: in its own protocol, for the same thing.
///
/// Thread-safety: immutable.
package protocol Dialect: Sendable {
  associatedtype Session: ClientSession

  /// What the server can do.
  static var operations: Set<Operation> { get }

  /// A session of a new connection.
  func makeSession(slots: SlotTable) -> Session

  /// Writes the request for the slot's operation and index.
  func writeRequest(_ slot: inout CallSlot)

  /// Whether the slot's answer is what was asked for.
  ///
  /// - Parameter deleted: the records that may be missing, since deletes run beside it or ran before.
  func isRight(_ slot: borrowing CallSlot, deleted: DeletedRecords) -> Bool
}
