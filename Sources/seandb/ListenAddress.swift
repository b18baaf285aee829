import Wire

/// `--listen`: `HOST:PORT`, where an IPv6 host stands in brackets, or `unix:PATH`.
extension ListenAddress: FlagValue {
  init(flag text: String) throws(FlagProblem) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst("unix:".count))
      guard !path.isEmpty, !path.hasPrefix("//") else {
        throw FlagProblem("takes \(Self.form); \(FlagProblem.notOne(text))")
      }
      guard path.utf8.count <= Self.maximumPathBytes else {
        throw FlagProblem(
          "takes a path of at most \(Self.maximumPathBytes) bytes for a Unix socket; this one has "
            + "\(path.utf8.count)")
      }
      self = .unix(path: path)
      return
    }
    if text.contains("://") || text.hasPrefix("/") {
      throw FlagProblem("takes \(Self.form); \(FlagProblem.notOne(text))")
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
    self = .tcp(host: host, port: port)
  }

  private static let form = "HOST:PORT, such as 127.0.0.1:50051, or unix:PATH"

  var flagText: String { description }
}
