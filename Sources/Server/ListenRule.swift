package import Wire

/// Whether a server may listen where it is told to: not in the open, unless that is what its operator wants.
package enum ListenRule {
  /// What is said to a list of addresses.
  package enum Verdict: Equatable {
    case allowed
    /// With what goes into the log.
    case warned(String)
    /// With a sentence that says what to do.
    case refused(String)
  }

  /// - Parameters:
  ///   - hasTLS: whether TCP addresses have a certificate.
  ///   - knowsCallers: whether only those may call whom an access file or an authority knows.
  ///   - isInsecure: whether the operator takes the risk.
  package static func verdict(
    on addresses: [ListenAddress], hasTLS: Bool, knowsCallers: Bool, isInsecure: Bool
  ) -> Verdict {
    guard !(hasTLS && knowsCallers), let open = addresses.first(where: { !$0.isLocal }) else {
      return .allowed
    }
    if isInsecure {
      return .warned(
        knowsCallers
          ? "--insecure: at \(open) tokens and data are not encrypted, and who listens in on the network reads them"
          : "--insecure: whoever reaches \(open) may read and write everything")
    }
    var missing: [String] = []
    if !hasTLS { missing.append("TLS (--tls-cert and --tls-key)") }
    if !knowsCallers { missing.append("rules (--access, or --tls-client-ca)") }
    return .refused(
      "--listen \(open) is open to other machines: give it \(missing.joined(separator: " and ")), or --insecure "
        + "where everybody on the network may \(knowsCallers ? "listen in" : "read and write everything")"
    )
  }
}
