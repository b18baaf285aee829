import Access
import Platform
import Wire

// SAFETY: a header is lent until the return, and its token is a part of it. `inForce` is always `policy`, which the
// gate keeps; only this file sets either.

/// The gate of one connection: who calls, by the header or by the client's certificate, and whether they may.
///
/// A call that comes with both is of whom its header says, also when that is nobody.
///
/// Thread-safety: confined to the connection's event loop.
@safe
final class AccessGate: ConnectionGate {
  private let control: AccessControl
  private let rights: MethodRights
  private var policy: AccessPolicy {
    didSet { unsafe inForce = .passUnretained(policy) }
  }
  /// The policy once more, for the way of a call, which counts no references.
  private var inForce: Unmanaged<AccessPolicy>
  private var peer: PeerIdentity?
  /// Who calls without a header.
  private var certificate = AccessPolicy.Nobody.anonymous
  /// From then on the certificate is nobody's; nil is never.
  private var certificateEnd: Timestamp?
  private var takesTokens = true
  private var headers = KnownHeaders()

  init(_ control: AccessControl, _ policy: AccessPolicy, _ rights: MethodRights) {
    self.control = control
    self.policy = policy
    unsafe inForce = .passUnretained(policy)
    self.rights = rights
  }

  func peerBecame(_ peer: PeerIdentity) {
    self.peer = peer
    takesTokens = peer.isConfidential || control.takesExposedTokens
    readCertificate()
  }

  private func readCertificate() {
    guard let shown = peer?.certificate else { return }
    certificate = policy.number(ofCertificate: shown.names)
    certificateEnd = shown.expires
  }

  func refresh() {
    policy = control.policy
    readCertificate()
  }

  // MARK: - Callers

  func caller(_ value: UnsafeRawBufferPointer, isRepeated: Bool) -> UInt32 {
    guard takesTokens, !isRepeated else {
      return isRepeated ? AccessPolicy.Nobody.unknown : AccessPolicy.Nobody.exposed
    }
    return unsafe headers.caller(value) ?? newCaller(value)
  }

  private func newCaller(_ value: UnsafeRawBufferPointer) -> UInt32 {
    guard let token = unsafe Self.token(value) else { return AccessPolicy.Nobody.unknown }
    let caller = policy.number(ofToken: token)
    // Wrong ones are not kept: the file may know them later, and they must not push out right ones.
    if policy.principal(caller) != nil { headers.keep(value, caller) }
    return caller
  }

  /// The token in `Bearer TOKEN`; nil when it is something else.
  private static func token(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    let scheme = Array("bearer ".utf8)
    guard value.count > scheme.count else { return nil }
    for (index, letter) in scheme.enumerated() {
      let byte = unsafe value[index]
      let lower = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
      guard lower == letter else { return nil }
    }
    return unsafe UnsafeRawBufferPointer(rebasing: value[scheme.count...])
  }

  // MARK: - Rights

  func refusal(method: Int, caller: UInt32) -> RPCStatus? {
    let number = caller == AccessPolicy.Nobody.anonymous ? certificateCaller() : caller
    let bit = rights.bit(method)
    if bit >= 0, unsafe inForce._withUnsafeGuaranteedRef({ $0.permits(number, bit: bit) }) {
      return nil
    }
    return refusal(method, number)
  }

  /// Who calls without a header, now: the connection is ended soon after its certificate has expired, and no call may
  /// come in between.
  private func certificateCaller() -> UInt32 {
    guard let end = certificateEnd, Timestamp.coarse() > end else { return certificate }
    return AccessPolicy.Nobody.unknown
  }

  private func refusal(_ method: Int, _ number: UInt32) -> RPCStatus? {
    let right = rights[method]
    guard right != .none else { return nil }
    let status: RPCStatus
    switch known(number) {
    case .failure(let stranger): status = stranger
    case .success(let principal):
      switch right {
      case .none, .identity: return nil
      case .admin:
        guard !principal.isAdmin else { return nil }
        status = StatusMapping.notAllowed(principal.id, action: "admin", model: nil)
      case .model(let model, let action):
        status = StatusMapping.notAllowed(
          principal.id, action: action.name, model: control.modelName(model))
      }
    }
    control.audit?.refused(status, who: policy.principal(number)?.id, from: peer)
    return status
  }

  private func known(_ number: UInt32) -> Result<Principal, RPCStatus> {
    switch number {
    case AccessPolicy.Nobody.anonymous: return .failure(StatusMapping.noCredentials)
    case AccessPolicy.Nobody.exposed: return .failure(StatusMapping.exposedToken)
    default: break
    }
    guard let principal = policy.principal(number) else {
      return .failure(StatusMapping.unknownCredentials)
    }
    if let end = principal.expires, Timestamp.coarse() >= end {
      return .failure(StatusMapping.expiredCredentials(end))
    }
    return .success(principal)
  }
}
