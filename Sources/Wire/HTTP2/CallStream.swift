/// What a connection keeps of a streaming call beside its slot.
///
/// Thread-safety: confined to the connection's event loop.
final class CallStream {
  /// How the call's answers are made.
  enum Call {
    /// It sends them by itself.
    case pushing(any StreamingCall)
    /// It is asked for each.
    case pulled(any ServerStream)
  }

  /// Unsent bytes below which the next message is pulled. High enough for the network to be busy while a thread makes
  /// the next one, low beside one message of the size that streams should make.
  static let lowMarkBytes = 64 << 10
  /// Messages pulled at a time, so that a stream of tiny ones does not hold the loop.
  static let pullsPerTurn = 64
  /// Memory of the answer buffer that is kept while a stream goes on.
  static let retainedBytes = 128 << 10

  let call: Call
  /// A pull is not answered yet.
  var isAsked = false
  /// ``Connection/takeTurn(_:)`` will be called: its turn is in the loop's mailbox, or it waits for memory.
  var hasTurn = false

  init(_ call: Call) { self.call = call }

  func cancel() {
    switch call {
    case .pushing(let call): call.cancel()
    case .pulled(let call): call.cancel()
    }
  }
}
