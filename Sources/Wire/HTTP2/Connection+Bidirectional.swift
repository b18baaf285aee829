import Bytes
import CNghttp2

// SAFETY: what waits is cut within its count, and is not changed before it was given: a call is told to go on later,
// and `stream.drop` comes last. `session` is valid (invariant 4 of `Connection`).

/// Client-streaming and bidirectional calls.
///
/// A call is pulled while little of its answers is unsent, and given a message when it answers to a pull that it needs
/// one. Until then what comes waits, without credit: the window of a client whose call is at work, or that does not
/// read, closes, and it has to stop sending.
extension Connection {
  // MARK: - Messages

  /// Keeps what a client sent on a bidirectional call until the call takes it.
  @safe
  func keepForStream(_ slot: SlotReference, _ bytes: UnsafeRawBufferPointer) {
    guard let stream = slot.pointee.stream else { return }
    stream.append(bytes)
    assembledBytes += bytes.count
    enqueue(.advance(slot: slot.pointee.index, generation: slot.pointee.generation))
  }

  /// Starts a call whose client sends any number of messages, or goes on with it: pulls answers until enough is unsent,
  /// and gives it the messages that it needs.
  func advance(_ slot: SlotReference) {
    guard let stream = slot.pointee.stream, slot.pointee.state == .receiving, !stream.hasTurn
    else { return }
    if case .opening = stream.call { open(slot, stream) }
    guard case .exchanging(let call) = stream.call else { return }
    var steps = 0
    while slot.pointee.stream === stream, slot.pointee.unsentBytes < CallStream.lowMarkBytes {
      guard !loop.budgets.answers.isSpent else { return waitForMemory(slot, stream) }
      guard steps < CallStream.pullsPerTurn else { return askForTurn(slot, stream) }
      steps += 1
      if !stream.isAsked { pull(slot, stream, call) }
      guard slot.pointee.stream === stream, stream.isAsked else { continue }
      guard stream.needsMessage, giveNext(slot, stream, call) else { return }
      stream.stopAsking()
    }
  }

  /// Asks a call for one answer.
  private func pull(_ slot: SlotReference, _ stream: CallStream, _ call: any StreamingCall) {
    dropSent(slot)
    let start = slot.pointee.response.count
    slot.pointee.response.append(MessagePrefix.empty)
    let outcome = call.pull(&slot.pointee.response)
    if case .message = outcome { return didAppendMessage(slot, at: start) }
    slot.pointee.response.truncate(to: start)
    switch outcome {
    case .message: break
    case .pending: stream.isAsked = true
    case .needsMessage:
      stream.isAsked = true
      stream.needsMessage = true
    case .finished(let status):
      takeStream(slot)
      finishStream(slot, status)
    }
  }

  /// Gives a call what it needs: its client's next message, or that none follows. False when neither is there yet, or
  /// when the call was refused for what came.
  private func giveNext(
    _ slot: SlotReference, _ stream: CallStream, _ call: any StreamingCall
  ) -> Bool {
    switch takeMessage(slot, stream, call) {
    case .given: return true
    case .waiting:
      stream.hasTurn = true
      loop.giveCompressionTurnsSoon()
      return false
    case .none: break
    }
    guard slot.pointee.state == .receiving else {
      refuse(slot)
      return false
    }
    guard slot.pointee.remoteClosed, !stream.isHalfClosed else { return false }
    stream.isHalfClosed = true
    guard slot.pointee.prefixCount == 0 else {
      cancelStream(slot)
      fail(slot, Self.cutMessage)
      return false
    }
    call.halfClose()
    return true
  }

  private func open(_ slot: SlotReference, _ stream: CallStream) {
    guard case .streaming(let handler) = methods.methods[Int(slot.pointee.method)].handler else {
      return
    }
    let context = unsafe CallContext(
      token: token(slot), loop: .passUnretained(loop), mayReadBlocks: false)
    stream.call = .exchanging(handler.start(context))
    if draining { drainStream(slot) }
  }

  /// What became of the next message of a call.
  private enum Taken {
    case given
    /// It is whole, in `slot.request`, and will be inflated.
    case waiting
    /// There is none, or the call was refused for what came.
    case none
  }

  /// Gives a call its next message.
  private func takeMessage(
    _ slot: SlotReference, _ stream: CallStream, _ call: any StreamingCall
  ) -> Taken {
    if slot.pointee.prefixCount == MessagePrefix.byteCount && slot.pointee.isCompressed,
      slot.pointee.request.count == slot.pointee.messageLength
    {
      return giveAssembled(slot, to: call)
    }
    var (taken, moved) = (0, 0)
    defer {
      // A call that was refused has dropped all of it.
      if slot.pointee.stream === stream {
        stream.drop(taken)
        assembledBytes -= taken - moved
        giveCredit(slot, taken)
      } else {
        assembledBytes += moved
      }
    }
    let waiting = unsafe stream.waitingBytes
    while taken < waiting.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: waiting[taken...])
      if slot.pointee.prefixCount < MessagePrefix.byteCount {
        unsafe taken += rest.count - readPrefix(slot, rest).count
        guard slot.pointee.prefixCount == MessagePrefix.byteCount else { return .none }
        guard acceptPrefix(slot) else { return .none }
      }
      let missing = slot.pointee.messageLength - slot.pointee.request.count
      let part = unsafe UnsafeRawBufferPointer(
        rebasing: waiting[taken..<min(taken + missing, waiting.count)])
      taken += part.count
      if slot.pointee.request.isEmpty && part.count == missing && !slot.pointee.isCompressed {
        give(slot, part, to: call)
        return .given
      }
      slot.pointee.request.append(part)
      moved += part.count
      if slot.pointee.reservedBytes > 0 { useReservation(slot, part.count) }
      if part.count == missing { return giveAssembled(slot, to: call) }
    }
    return .none
  }

  /// Gives a call the message that is whole in `slot.request`.
  private func giveAssembled(_ slot: SlotReference, to call: any StreamingCall) -> Taken {
    if slot.pointee.isCompressed {
      switch unsafe loop.compression.inflate(
        slot.pointee.request.bytes, for: token(slot), limit: configuration.maximumRequestBytes,
        held: assembledBytes)
      {
      case .later: return .waiting
      case .failed(let status):
        refuseLater(slot, status)
        return .none
      case .whole(let message):
        give(slot, message, to: call)
        loop.compression.finish()
      }
    } else {
      unsafe give(slot, slot.pointee.request.bytes, to: call)
    }
    dropRequest(slot)
    return .given
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
