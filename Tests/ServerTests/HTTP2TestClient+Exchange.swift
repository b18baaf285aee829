import TestSupport
import Wire

extension HTTP2TestClient {
  /// Carries bytes between this client and a server without a socket, both ways, until nothing moves.
  func exchange(with server: InMemoryConnection) {
    while true {
      let toServer = output()
      if !toServer.isEmpty { server.receive(toServer) }
      let toClient = server.send()
      receive(toClient)
      if toServer.isEmpty && toClient.isEmpty { return }
    }
  }
}
