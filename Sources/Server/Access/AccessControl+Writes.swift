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

  /// Who makes a call, for as long as it lasts.
  struct Caller: Sendable {
    fileprivate let number: UInt32
    fileprivate let policy: AccessPolicy
    fileprivate let peer: PeerIdentity?
  }

  /// To be asked during the handler's call.
  func caller(of context: CallContext) -> Caller {
    let policy = policy
    return Caller(number: number(of: context, policy), policy: policy, peer: context.peer)
  }

  /// Why a write may not be made; nil when it may.
  ///
  /// - Parameter model: its place in ``models``.
  func refusal(of write: WriteRequest, ofModel model: Int, by caller: Caller) -> RPCStatus? {
    let policy = caller.policy
    for action in Self.actions(of: write)
    where !policy.permits(caller.number, bit: action.bit(ofModel: model)) {
      guard let principal = policy.principal(caller.number) else {
        return StatusMapping.unknownCredentials
      }
      let status = StatusMapping.notAllowed(
        principal.id, action: action.name, model: modelName(model))
      audit?.refused(status, who: principal.id, from: caller.peer)
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
