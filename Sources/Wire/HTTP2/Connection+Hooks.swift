import Bytes
import Platform

// SAFETY: name and value are lent until the return, and are copied.

/// What the server's ``CallHooks`` have a say in.
extension Connection {
  /// Reads who calls; only where there is a gate.
  @safe
  func readCaller(_ slot: SlotReference, _ value: UnsafeRawBufferPointer) {
    guard let gate else { return }
    slot.pointee.caller = gate.caller(value, isRepeated: slot.pointee.caller != 0)
  }

  /// Has the gate look again at all calls that it let through, and ends those that it would not let through now: those
  /// whose handlers have not run, and streams. What a handler does for a unary call goes on.
  func recheckCalls() {
    guard let gate, unsafe session != nil else { return }
    gate.refresh()
    for slot in callSlots {
      switch slot.pointee.state {
      case .receiving, .queued: break
      case .running where slot.pointee.stream != nil: break
      default: continue
      }
      guard
        let refusal = gate.refusal(
          method: Int(slot.pointee.method), caller: slot.pointee.caller)
      else { continue }
      cancelStream(slot)
      dropRequest(slot)
      fail(slot, refusal)
    }
    deliverStreamEvents()
  }

  /// Keeps a request header that was asked for.
  @safe
  func keepMetadata(
    _ slot: SlotReference, _ name: UnsafeRawBufferPointer,
    _ value: UnsafeRawBufferPointer
  ) {
    guard let index = methods.keptIndex(name, method: Int(slot.pointee.method)) else { return }
    if methods.keptNames[Int(index)].hasSuffix("-bin"),
      unsafe HeaderEncoding.binaryValues(value) == nil
    {
      slot.pointee.malformedHeader = .binary
    }
    slot.pointee.metadata.append(index, value)
  }

  /// Tells of a call whose stream is over: a finished one, one that was refused, one that either side gave up.
  func tellEnd(_ slot: SlotReference) {
    guard slot.pointee.state != .headers else { return }
    let call = endedCall(slot)
    if loop.isTracing { logCall(slot, call) }
    loop.hooks.observer?.callEnded(call)
  }

  private func endedCall(_ slot: SlotReference) -> EndedCall {
    let index = Int(slot.pointee.method)
    let isWhole = slot.pointee.finished && slot.pointee.unsentBytes == 0
    var (requestBytes, messages, bytes) = (
      slot.pointee.givenBytes, slot.pointee.streamedMessages, slot.pointee.streamedBytes
    )
    if !slot.pointee.isStreaming && slot.pointee.messageCount > 0 {
      requestBytes = slot.pointee.messageLength
    }
    if index >= 0, case .unary = methods.methods[index].handler, slot.pointee.finished,
      slot.pointee.response.count >= MessagePrefix.byteCount, slot.pointee.plainHTTPStatus == 0
    {
      let sent = slot.pointee.response.count - MessagePrefix.byteCount
      (messages, bytes) = (1, max(slot.pointee.uncompressedBytes, sent))
    }
    return EndedCall(
      method: index >= 0 ? methods.names[index] : nil,
      status: slot.pointee.failure?.code ?? (isWhole ? .ok : .cancelled),
      requestMessages: slot.pointee.messageCount, requestBytes: requestBytes,
      responseMessages: messages, responseBytes: bytes, began: slot.pointee.began,
      duration: MonotonicClock.now() - slot.pointee.began)
  }
}
