import Glibc
import NIOCore

/// What the kernel is asked to do about peers that are gone without a word, on every connection of TCP.
enum TCPKeepalive {
  /// Bytes that a peer does not acknowledge, or has no room for, end its connection after this long.
  private static let userTimeoutMilliseconds: Int = 20_000
  private static let idleSeconds: Int = 120
  private static let intervalSeconds: Int = 10

  /// No delay of small writes either: every write is a batch already.
  static let options: [(ChannelOptions.Types.SocketOption, Int)] = [
    (.tcpOption(.tcp_nodelay), 1),
    (.socketOption(.so_keepalive), 1),
    (.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE)), idleSeconds),
    (.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL)), intervalSeconds),
    (.tcpOption(NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT)), userTimeoutMilliseconds),
  ]
}
