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
  ///   - isInsecure: whether the operator takes the risk.
  package static func verdict(
    on addresses: [ListenAddress], hasTLS: Bool, isInsecure: Bool
  ) -> Verdict {
    guard !hasTLS, let open = addresses.first(where: { !$0.isLocal }) else { return .allowed }
    guard isInsecure else {
      return .refused(
        "--listen \(open) is open to other machines, and nothing is encrypted: give it --tls-cert and "
          + "--tls-key, or --insecure where everybody on the network may read and write everything")
    }
    return .warned(
      "--insecure: whoever reaches \(open) may read and write everything, and so may who listens in on the "
        + "network")
  }
}
