import Bytes
import CNghttp2

// SAFETY: what waits is cut within its count, and is not changed before it was given: a call is told to go on later,
// and `stream.drop` comes last. `session` is valid (invariant 4 of `Connection`).

/// Bidirectional calls, and the credit that clients get for what they send.
///
/// A call is given one message at a time, and the next only when its answers to those before are with the connection
/// and little of them is unsent. Until then what comes waits, without credit: the window of a client that does not read
/// closes, and it has to stop sending.
extension Connection {
  // MARK: - Credit

  /// Lets the client send as many more bytes on a stream as were taken of it.
  @inline(__always)
  func giveCredit(_ slot: SlotReference, _ bytes: Int) {
    slot.pointee.uncreditedBytes += bytes
    // Most requests are over long before; nghttp2 tells the client at half a window.
    if slot.pointee.uncreditedBytes >= configuration.streamWindowBytes / 4 {
      unsafe nghttp2_session_consume_stream(
        session, slot.pointee.streamID, slot.pointee.uncreditedBytes)
      slot.pointee.uncreditedBytes = 0
    }
  }

  // MARK: - Messages

  /// Keeps what a client sent on a bidirectional call until the call takes it.
  @safe
  func keepForStream(_ slot: SlotReference, _ bytes: UnsafeRawBufferPointer) {
    guard let stream = slot.pointee.stream else { return }
    stream.append(bytes)
    assembledBytes += bytes.count
    enqueue(.advance(slot: slot.pointee.index, generation: slot.pointee.generation))
  }

  /// Starts a bidirectional call, gives it the next message, or tells it that none follows.
  func advance(_ slot: SlotReference) {
    guard let stream = slot.pointee.stream, slot.pointee.state == .receiving, !stream.hasTurn
    else { return }
    if case .opening = stream.call { open(slot, stream) }
    guard case .pushing(let call) = stream.call, slot.pointee.stream === stream,
      slot.pointee.unsentBytes < CallStream.lowMarkBytes
    else { return }
    guard !loop.budgets.answers.isSpent else { return waitForMemory(slot, stream) }
    if takeMessage(slot, stream, call) { return askForTurn(slot, stream) }
    guard slot.pointee.state == .receiving else { return refuse(slot) }
    guard slot.pointee.remoteClosed, !stream.isHalfClosed else { return }
    stream.isHalfClosed = true
    guard slot.pointee.prefixCount == 0 else { return fail(slot, Self.cutMessage) }
    call.halfClose()
  }

  private func open(_ slot: SlotReference, _ stream: CallStream) {
    guard case .streaming(let handler) = methods.methods[Int(slot.pointee.method)].handler else {
      return
    }
    let context = unsafe CallContext(
      token: token(slot), loop: .passUnretained(loop), mayReadBlocks: false)
    stream.call = .pushing(handler.start(context, context.output))
    if draining { drainStream(slot) }
  }

  /// Gives a call its next message; false when none is whole, or when the call was refused for what came.
  private func takeMessage(
    _ slot: SlotReference, _ stream: CallStream, _ call: any StreamingCall
  ) -> Bool {
    var (taken, moved) = (0, 0)
    defer {
      // A call that was refused has dropped all of it.
      if slot.pointee.stream === stream {
        stream.drop(taken)
        assembledBytes -= taken - moved
        giveCredit(slot, taken)
      }
    }
    let waiting = unsafe stream.waitingBytes
    while taken < waiting.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: waiting[taken...])
      if slot.pointee.prefixCount < MessagePrefix.byteCount {
        unsafe taken += rest.count - readPrefix(slot, rest).count
        guard slot.pointee.prefixCount == MessagePrefix.byteCount else { return false }
        guard acceptPrefix(slot) else { return false }
      }
      let missing = slot.pointee.messageLength - slot.pointee.request.count
      let part = unsafe UnsafeRawBufferPointer(
        rebasing: waiting[taken..<min(taken + missing, waiting.count)])
      taken += part.count
      if slot.pointee.request.isEmpty && part.count == missing {
        give(slot, part, to: call)
        return true
      }
      slot.pointee.request.append(part)
      moved += part.count
      if part.count == missing {
        unsafe give(slot, slot.pointee.request.bytes, to: call)
        dropRequest(slot)
        return true
      }
    }
    return false
  }

  @safe
  private func give(
    _ slot: SlotReference, _ message: UnsafeRawBufferPointer,
    to call: any StreamingCall
  ) {
    slot.pointee.prefixCount = 0
    slot.pointee.messageCount += 1
    slot.pointee.givenBytes += message.count
    call.receive(message)
  }

  static let cutMessage = RPCStatus(
    .internal, reason: "MALFORMED_FRAMING",
    "the request ended in the middle of a message; send it whole")
}
