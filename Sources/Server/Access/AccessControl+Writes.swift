import Access
import Records
import Schema
import Wire

/// What a `WriteX` needs is in its request: the right to write or to delete, and the right to read for what shows a
/// record.
extension AccessControl {
  /// The place of a model in ``models``.
  func place(of model: Model) -> Int {
    models.firstIndex { $0.fullName == model.fullName } ?? -1
  }

  /// Why a write may not be made; nil when it may. To be asked during the handler's call.
  ///
  /// - Parameter model: its place in ``models``.
  func refusal(of write: WriteRequest, ofModel model: Int, _ context: CallContext) -> RPCStatus? {
    let policy = policy
    let caller = number(of: context, policy)
    for action in Self.actions(of: write)
    where !policy.permits(caller, bit: action.bit(ofModel: model)) {
      guard let principal = policy.principal(caller) else {
        return StatusMapping.unknownCredentials
      }
      let status = StatusMapping.notAllowed(
        principal.id, action: action.name, model: modelName(model))
      audit?.refused(status, who: principal.id, from: context.peer)
      return status
    }
    return nil
  }

  private static func actions(of write: WriteRequest) -> [AccessAction] {
    let action: AccessAction =
      switch write.action {
      case .put, .update: .write
      case .delete: .delete
      case .check: .read
      }
    return write.returning == .nothing || action == .read ? [action] : [action, .read]
  }
}
