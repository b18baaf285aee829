/// `HOST:PORT`; an IPv6 host stands in brackets.
struct ListenAddress: FlagValue {
  let host: String
  let port: Int

  init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  init(flag text: String) throws(FlagProblem) {
    if text.contains("://") {
      throw FlagProblem("takes \(Self.form); \(FlagProblem.notOne(text))")
    }
    if text.hasPrefix("unix:") || text.hasPrefix("/") {
      throw FlagProblem("takes \(Self.form); Unix sockets are not supported yet")
    }
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      text[text.index(after: colon)...].utf8.allSatisfy(
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains)
    else { throw FlagProblem("takes \(Self.form); \(FlagProblem.notOne(text))") }
    guard port <= 65535 else {
      throw FlagProblem("takes a port from 0 to 65535; \(port) is not one")
    }
    var host = String(text[..<colon])
    // Whether that were IPv4, IPv6 or both is for the user to say.
    if host.isEmpty || host == "*" {
      throw FlagProblem(
        "takes \(Self.form); for all interfaces write 0.0.0.0:\(port), or [::]:\(port) with those of IPv6"
      )
    }
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      throw FlagProblem("takes an IPv6 address in brackets, such as [::1]:\(port)")
    }
    guard !host.isEmpty, !host.contains("/"), !host.contains("["), !host.contains("]") else {
      throw FlagProblem("takes \(Self.form); \(FlagProblem.notOne(text))")
    }
    self.init(host: host, port: port)
  }

  private static let form = "HOST:PORT, such as 127.0.0.1:50051"

  /// The address as it is printed and parsed.
  var flagText: String { text(port: port) }

  func text(port: Int) -> String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
