import Bytes
import Glibc

// SAFETY: a part of a buffer lies within its count, which reads and writes have told, and is used until they return.

/// A connection of the load, with its calls.
///
/// Confined to its thread once it is connected.
final class LoadConnection<Session: ClientSession> {
  let stream: ByteStream
  let session: Session
  let slots: SlotTable
  /// Slots without a call.
  var freeSlots: [Int]
  /// Whether the socket took less than there was: the rest waits until it takes more.
  private(set) var isBlocked = false
  /// Whether calls were begun since ``flush()``.
  var hasNewCalls = false
  private var output = ByteWriter(capacity: 64 << 10)
  private var sentCount = 0

  init(stream: ByteStream, session: Session, slots: SlotTable) {
    self.stream = stream
    self.session = session
    self.slots = slots
    freeSlots = Array((0..<slots.count).reversed())
  }

  /// Sends what the session has to send, as far as the socket takes it.
  func flush() throws(LoadFailure) {
    hasNewCalls = false
    try session.collectOutput(into: &output)
    while sentCount < output.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: output.bytes[sentCount...])
      switch try stream.write(rest) {
      case .bytes(let count): sentCount += count
      case .wouldBlock:
        isBlocked = true
        return
      case .closed: throw LoadFailure("the server has closed a connection")
      }
    }
    isBlocked = false
    output.removeAll()
    sentCount = 0
  }

  /// Gives the session what has come; the calls that ended are in its `finished` then.
  @safe
  func receive(_ buffer: UnsafeMutableRawBufferPointer) throws(LoadFailure) {
    // Until nothing is left: what TLS has decrypted already, the socket does not tell of. A short read of TCP
    // has emptied the socket.
    while true {
      switch try stream.read(into: buffer) {
      case .bytes(let count):
        try unsafe session.receive(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        if count < buffer.count && !stream.usesTLS { return }
      case .wouldBlock: return
      case .closed: throw LoadFailure("the server has closed a connection")
      }
    }
  }
}
