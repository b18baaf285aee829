import Server
import Testing
import Wire

@Suite("Listen rule") struct ListenRuleTests {
  private static let local: [ListenAddress] = [
    .tcp(host: "127.0.0.1", port: 1), .tcp(host: "::1", port: 1), .tcp(host: "localhost", port: 1),
    .unix(path: "/s"),
  ]
  private static let open: [ListenAddress] = [
    .tcp(host: "0.0.0.0", port: 1), .tcp(host: "::", port: 1), .tcp(host: "db.internal", port: 1),
  ]

  @Test(arguments: [false, true], [false, true])
  func letsAServerListenOnItsOwnMachine(hasTLS: Bool, isInsecure: Bool) {
    #expect(
      ListenRule.verdict(on: Self.local, hasTLS: hasTLS, isInsecure: isInsecure) == .allowed)
  }

  @Test(arguments: open) func asksForTLSBeyondIt(address: ListenAddress) {
    let addresses = Self.local + [address]
    #expect(ListenRule.verdict(on: addresses, hasTLS: true, isInsecure: false) == .allowed)
    #expect(ListenRule.verdict(on: addresses, hasTLS: true, isInsecure: true) == .allowed)
    guard
      case .refused(let refusal) = ListenRule.verdict(
        on: addresses, hasTLS: false, isInsecure: false),
      case .warned(let warning) = ListenRule.verdict(
        on: addresses, hasTLS: false, isInsecure: true)
    else {
      Issue.record("\(address) is open to all")
      return
    }
    // Both ways out, and of which address.
    #expect(refusal.hasPrefix("--listen \(address) "))
    #expect(refusal.contains("--tls-cert and --tls-key") && refusal.contains("--insecure"))
    #expect(warning.contains("\(address)"))
  }
}
