import Wire

/// Keeps a server from other machines that nothing protects from them.
enum ExposureCheck {
  /// - Throws: when other machines can reach the address, and either what they say can be read on the way, or anybody
  ///   may call.
  static func check(
    _ address: BoundAddress, _ configuration: ServerConfiguration
  ) throws(ServerError) {
    guard !address.isLoopback, !configuration.isInsecure else { return }
    var missing: [String] = []
    if !configuration.hasTLS { missing.append("TLS (--tls-cert, --tls-key)") }
    if configuration.accessFile == nil { missing.append("rules (--access)") }
    guard !missing.isEmpty else { return }
    throw .exposed(
      address: "\(configuration.host):\(configuration.port)",
      missing: missing.joined(separator: " and "))
  }
}
