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
  func letsAServerListenOnItsOwnMachine(isProtected: Bool, isInsecure: Bool) {
    #expect(
      ListenRule.verdict(
        on: Self.local, hasTLS: isProtected, knowsCallers: isProtected, isInsecure: isInsecure)
        == .allowed)
  }

  @Test(arguments: open, [(false, false), (false, true), (true, false)])
  func asksForTLSAndRulesBeyondIt(address: ListenAddress, has: (tls: Bool, rules: Bool)) {
    let addresses = Self.local + [address]
    for isInsecure in [false, true] {
      #expect(
        ListenRule.verdict(on: addresses, hasTLS: true, knowsCallers: true, isInsecure: isInsecure)
          == .allowed)
    }
    guard
      case .refused(let refusal) = ListenRule.verdict(
        on: addresses, hasTLS: has.tls, knowsCallers: has.rules, isInsecure: false),
      case .warned(let warning) = ListenRule.verdict(
        on: addresses, hasTLS: has.tls, knowsCallers: has.rules, isInsecure: true)
    else {
      Issue.record("\(address) is open to all")
      return
    }
    // Both ways out, and of which address.
    #expect(refusal.hasPrefix("--listen \(address) "))
    #expect(refusal.contains("--tls-cert and --tls-key") == !has.tls)
    #expect(refusal.contains("--access, or --tls-client-ca") == !has.rules)
    #expect(refusal.contains("or --insecure"))
    #expect(warning.contains("\(address)"))
    #expect(warning.contains("write everything") == !has.rules)
  }
}
