import Glibc
import NIOCore

// SAFETY: `send` reads the bytes that it is lent, within their count, before it returns.

/// Writes to a connection's socket without the channel's queue of writes, which costs 4,000 instructions a write where
/// the system call itself needs a few.
///
/// The channel owns the descriptor: nothing is to be written once the channel is closed, nor while it has bytes of its
/// own to write, which come before.
///
/// Thread-safety: confined to the channel's event loop.
struct SocketWriter {
  private let descriptor: CInt

  /// Nil for a channel without a socket, as in tests.
  init?(_ channel: any Channel) {
    let pipeline = channel.pipeline.syncOperations
    let handle = try? pipeline.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
    guard let handle else { return nil }
    descriptor = handle
  }

  /// Writes what the socket takes at once; it never waits.
  ///
  /// - Returns: how many of the bytes were taken: 0 also when the socket has failed, which the channel finds when it
  ///   writes the rest.
  @safe
  func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    while true {
      let written = unsafe Glibc.send(
        descriptor, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
      if written >= 0 { return written }
      guard errno == EINTR else { return 0 }
    }
  }
}
