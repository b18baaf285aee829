import Bytes

// SAFETY: a request is lent until its handler returns (invariant 3 of `Connection`), a message until it is copied.

/// Server streams with credit: a stream is pulled while little of it is unsent, which is while its client takes it.
///
/// A stream gets a *turn* when that may have changed: its bytes left, its message came, memory for answers is free
/// again. Turns go through the loop's mailbox, so that other connections get theirs in between.
extension Connection {
  /// Runs the handler of a server-streaming call, whose one request message is there.
  func start(
    _ slot: SlotReference, _ handler: any ServerStreamHandler,
    _ context: CallContext
  ) {
    guard !draining else { return fail(slot, .shuttingDown) }
    slot.pointee.state = .running
    let request = unsafe slot.pointee.borrowed ?? slot.pointee.request.bytes
    let outcome = handler.start(request, context)
    unsafe slot.pointee.borrowed = nil
    dropRequest(slot)
    switch outcome {
    case .failed(let status): fail(slot, status)
    case .stream(let call):
      slot.pointee.stream = CallStream(.pulled(call))
      pull(slot)
    }
  }

  /// Goes on with a stream that has waited.
  func takeTurn(_ slot: SlotReference) {
    guard let stream = slot.pointee.stream else {
      if slot.pointee.state == .queued { inflateAndRun(slot) }
      return
    }
    stream.hasTurn = false
    if case .pulled = stream.call { pull(slot) } else { advance(slot) }
  }

  /// Pulls messages until enough is unsent, or one comes later.
  private func pull(_ slot: SlotReference) {
    guard let stream = slot.pointee.stream, case .pulled(let call) = stream.call else { return }
    var pulls = 0
    while !stream.isAsked && slot.pointee.unsentBytes < CallStream.lowMarkBytes {
      dropSent(slot)
      guard !loop.budgets.answers.isSpent else { return waitForMemory(slot, stream) }
      guard pulls < CallStream.pullsPerTurn else { return askForTurn(slot, stream) }
      pulls += 1
      let start = slot.pointee.response.count
      slot.pointee.response.append(MessagePrefix.empty)
      switch call.pull(&slot.pointee.response) {
      case .message: didAppendMessage(slot, at: start)
      case .pending, .needsMessage:
        stream.isAsked = true
        slot.pointee.response.truncate(to: start)
      case .finished(let status):
        slot.pointee.response.truncate(to: start)
        takeStream(slot)
        return finishStream(slot, status)
      }
    }
  }

  /// Takes the answer to a pull that was pending.
  func completePull(
    _ slot: SlotReference, _ stream: CallStream, _ message: consuming ByteWriter
  ) {
    guard stream.isAsked else { return }
    stream.stopAsking()
    appendMessage(slot, message)
    if case .pulled = stream.call { pull(slot) } else { advance(slot) }
  }

  /// Pulls again after a pull that was pending came to nothing.
  func retryPull(_ slot: SlotReference, _ stream: CallStream) {
    guard stream.isAsked else { return }
    stream.stopAsking()
    askForTurn(slot, stream)
  }

  /// Some bytes of a streaming call went to the socket.
  func didSend(_ slot: SlotReference, _ stream: CallStream) {
    let unsent = slot.pointee.unsentBytes
    if unsent == 0 { dropSent(slot) }
    guard unsent < CallStream.lowMarkBytes else { return }
    switch stream.call {
    case .pulled: if !stream.isAsked { askForTurn(slot, stream) }
    case .exchanging:
      let hasNext =
        stream.waitingCount > 0 || slot.pointee.remoteClosed && !stream.isHalfClosed
      if !stream.isAsked || stream.needsMessage && hasNext { askForTurn(slot, stream) }
    case .opening: break
    }
  }

  func askForTurn(_ slot: SlotReference, _ stream: CallStream) {
    guard !stream.hasTurn else { return }
    stream.hasTurn = true
    loop.post(.init(token: token(slot), outcome: nil))
  }

  func waitForMemory(_ slot: SlotReference, _ stream: CallStream) {
    guard !stream.hasTurn else { return }
    stream.hasTurn = true
    loop.giveTurnWhenMemoryIsFree(token(slot))
  }

  /// Gives back the memory of what was sent.
  func dropSent(_ slot: SlotReference) {
    guard slot.pointee.sent > 0 else { return }
    slot.pointee.response.removeFirst(
      slot.pointee.sent, keepingAtMost: CallStream.retainedBytes)
    slot.pointee.sent = 0
    countAnswer(slot, slot.pointee.response.count)
  }

  /// Appends a whole message to what a streaming call has to send.
  private func appendMessage(
    _ slot: SlotReference, _ message: consuming ByteWriter
  ) {
    dropSent(slot)
    let start = slot.pointee.response.count
    slot.pointee.response.append(MessagePrefix.empty)
    unsafe slot.pointee.response.append(message.bytes)
    didAppendMessage(slot, at: start)
  }

  func didAppendMessage(_ slot: SlotReference, at start: Int) {
    MessagePrefix.patch(&slot.pointee.response, at: start)
    slot.pointee.streamedMessages += 1
    slot.pointee.streamedBytes += slot.pointee.response.count - start - MessagePrefix.byteCount
    if slot.pointee.answerEncoding != .identity { compressMessage(slot, at: start) }
    countAnswer(slot, slot.pointee.response.count)
    if slot.pointee.submitted { resume(slot) } else { submitResponse(slot) }
  }

  /// Ends a streaming call after the messages that were made; nil is OK.
  func finishStream(_ slot: SlotReference, _ status: RPCStatus?) {
    slot.pointee.finished = true
    slot.pointee.failure = status
    slot.pointee.state = .responding
    if slot.pointee.submitted {
      hasNewAnswer = true
      resume(slot)
    } else {
      submitTrailersOnly(slot, status)
    }
  }

  /// Takes a call's stream from it, which is told when the read batch ends.
  func cancelStream(_ slot: SlotReference) {
    if let stream = takeStream(slot) { enqueue(.cancel(stream)) }
  }

  /// Takes a call's stream from it, which is not told.
  @discardableResult
  func takeStream(_ slot: SlotReference) -> CallStream? {
    guard let stream = slot.pointee.stream else { return nil }
    slot.pointee.stream = nil
    let waiting = stream.waitingCount
    assembledBytes -= waiting
    stream.drop(waiting)
    return stream
  }

  /// Has streaming calls end because the server does.
  func drainStream(_ slot: SlotReference) {
    switch slot.pointee.stream?.call {
    case nil, .opening: break
    case .exchanging(let call):
      guard let status = call.drain() else { return }
      cancelStream(slot)
      finishStream(slot, status)
    case .pulled:
      cancelStream(slot)
      finishStream(slot, .shuttingDown)
    }
  }
}
