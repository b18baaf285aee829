import Bytes

// SAFETY: `waitingBytes` are those of `waiting` from `taken` on, which is at most their count; whoever asks for them
// lets them go before `append` and `drop`.

/// What a connection keeps of a streaming call beside its slot.
///
/// Thread-safety: confined to the connection's event loop.
final class CallStream {
  /// How the call's answers are made.
  enum Call {
    /// Its client sends any number of messages: its handler runs when the read batch ends.
    case opening
    /// It is asked for each, and asks for the client's.
    case exchanging(any StreamingCall)
    /// It is asked for each.
    case pulled(any ServerStream)
  }

  /// Unsent bytes below which the next message is pulled, or the client's next one is taken. High enough for the
  /// network to be busy while a thread makes an answer, low beside one message of the size that streams should make.
  static let lowMarkBytes = 64 << 10
  /// Messages pulled at a time, so that a stream of tiny ones does not hold the loop.
  static let pullsPerTurn = 64
  /// Memory of the answer buffer that is kept while a stream goes on.
  static let retainedBytes = 128 << 10

  var call: Call
  /// A pull is not answered yet.
  var isAsked = false
  /// The pull that is not answered waits for the client's next message.
  var needsMessage = false
  /// ``Connection/takeTurn(_:)`` will be called: its turn is in the loop's mailbox, or it waits for memory.
  var hasTurn = false

  // Of a call that exchanges: what its client sent and it was not given yet, as it came. The client gets no credit for
  // these bytes, so that there are never more of them than its window has.
  private var waiting = ByteWriter()
  private var taken = 0
  /// The call knows that its client sends no more.
  var isHalfClosed = false

  init(_ call: Call) { self.call = call }

  /// Whether the call is at work on another thread.
  var isWorking: Bool { isAsked && !needsMessage }

  /// The pull under way is answered, or comes to nothing.
  func stopAsking() {
    isAsked = false
    needsMessage = false
  }

  /// The number of ``waitingBytes``.
  var waitingCount: Int { waiting.count - taken }

  /// Valid until the next call of another method.
  var waitingBytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: waiting.bytes[taken...])
  }

  @safe
  func append(_ bytes: UnsafeRawBufferPointer) { waiting.append(bytes) }

  /// Drops the first bytes of those that wait. Amortised O(1) a byte.
  func drop(_ bytes: Int) {
    taken += bytes
    guard taken * 2 >= waiting.count else { return }
    waiting.removeFirst(taken, keepingAtMost: 0)
    taken = 0
  }

  func cancel() {
    switch call {
    case .opening: break
    case .exchanging(let call): call.cancel()
    case .pulled(let call): call.cancel()
    }
  }
}
