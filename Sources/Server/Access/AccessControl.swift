package import Access
package import Schema
import Synchronization
package import Wire

/// The gate of a server that has an access file.
///
/// The way of a call is free of locks: each connection has the policy itself, and is told when there is another one.
///
/// Thread-safety: every call from any thread.
package final class AccessControl: CallGate {
  private struct State {
    var policy: AccessPolicy
    var rights: MethodRights
  }

  private let state: Mutex<State>
  let service: String
  /// Those that the server has methods of, in the order of the policy.
  let models: [Model]
  /// Whether tokens are taken that others may have read.
  let takesExposedTokens: Bool
  let audit: AuditLog?

  init(
    _ policy: AccessPolicy, service: String, models: [Model], takesExposedTokens: Bool,
    audit: AuditLog?
  ) {
    state = Mutex(
      State(policy: policy, rights: MethodRights([], service: service, models: models)))
    self.service = service
    self.models = models
    self.takesExposedTokens = takesExposedTokens
    self.audit = audit
  }

  /// Without an audit log.
  package convenience init(
    _ policy: AccessPolicy, service: String, models: [Model], takesExposedTokens: Bool
  ) {
    self.init(
      policy, service: service, models: models, takesExposedTokens: takesExposedTokens, audit: nil)
  }

  package func prepare(_ methods: [CallMethod]) {
    let rights = MethodRights(methods, service: service, models: models)
    state.withLock { $0.rights = rights }
  }

  package func makeConnectionGate() -> any ConnectionGate {
    state.withLock { AccessGate(self, $0.policy, $0.rights) }
  }

  /// What is in force for connections that begin now, or are refreshed.
  var policy: AccessPolicy { state.withLock { $0.policy } }

  /// Has another policy in force, of the same models.
  func replace(_ policy: AccessPolicy) { state.withLock { $0.policy = policy } }

  /// Who makes a call; nil when that is nobody. To be asked during the handler's call.
  func id(of context: CallContext) -> String? {
    let policy = policy
    return policy.principal(number(of: context, policy))?.id
  }

  /// The number of whoever makes a call. To be asked during the handler's call.
  func number(of context: CallContext, _ policy: AccessPolicy) -> UInt32 {
    let caller = context.caller
    return caller == AccessPolicy.Nobody.anonymous
      ? policy.number(ofCertificate: context.peer?.certificate?.names ?? []) : caller
  }

  /// The name of a model in a refusal.
  func modelName(_ index: Int) -> String { models[index].fullName }
}

extension AccessModel {
  /// How rules name a model.
  init(_ model: Model) { self.init(name: model.name, fullName: model.fullName) }
}
