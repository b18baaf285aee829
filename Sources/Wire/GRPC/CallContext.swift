// SAFETY: `loop` is the one that calls the handler, and is there until that returns. A context is not kept beyond it.

/// What a handler learns of its call beside the request's bytes.
///
/// It is for the time of the handler's call; what may be kept is the ``token`` and the ``output``.
@safe
package struct CallContext: Sendable {
  /// What completes the call later, from any thread.
  package let token: CallToken
  // Unmanaged, so that the context stays a trivial value: handing it on counts no references.
  let loop: Unmanaged<LoopContext>
  /// Whether the handler may read some blocks that are not in the process's own memory, without a wait for the disk:
  /// false when the calls that came with this one have kept the loop for long.
  package let mayReadBlocks: Bool

  /// How many look-ups, of five microseconds each when none is in the process's own memory, a loop does for what it
  /// has read of one connection: somewhat over half a millisecond of them.
  package static let lookUpsPerRead = 128

  /// Says that the handler did more look-ups than the one that each call counts for. To be called during the handler's
  /// call.
  package func charge(lookUps count: Int) {
    unsafe loop.takeUnretainedValue().lookUpsLeft -= count
  }

  /// What answers a streaming call later, from any thread. To be taken during the handler's call.
  package var output: ResponseStream {
    unsafe ResponseStream(token: token, loop: loop.takeUnretainedValue())
  }

  /// Who calls. To be asked during the handler's call.
  package var peer: PeerIdentity? {
    let loop = unsafe loop.takeUnretainedValue()
    return loop.onLoop { loop.find(token)?.connection.peer }
  }

  /// Whether the message that the handler or its call is being given came compressed. To be asked meanwhile.
  package var isMessageCompressed: Bool { output.isMessageCompressed }

  /// Has the messages that the handler or its call answers from now on compressed, or not, if the client takes that;
  /// one of more than 512 KiB, or that would not become smaller, goes out as it is. Only of a server with
  /// ``WireConfiguration/letsHandlersCompress``, where none is by default. To be called during the handler's call.
  package func compressAnswers(_ isOn: Bool) { output.compressMessages(isOn) }

  /// The number that the gate has of who calls, see ``ConnectionGate``. To be asked during the handler's call.
  package var caller: UInt32 {
    let loop = unsafe loop.takeUnretainedValue()
    return loop.onLoop { loop.find(token)?.slot.pointee.caller ?? 0 }
  }

  /// The value of a request header that ``CallHooks/keptMetadata`` or the method's registration names; values of a
  /// repeated one are joined by commas. Nil when the client did not send it. To be asked during the handler's call.
  /// O(kept bytes).
  package func metadata(_ name: String) -> String? {
    let values = values(name)
    guard !values.isEmpty else { return nil }
    return values.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",")
  }

  /// The values of a request header whose name ends with `-bin`, decoded; otherwise as ``metadata(_:)``. A call whose
  /// values are not base64 never comes to its handler.
  package func binaryMetadata(_ name: String) -> [[UInt8]] {
    values(name).flatMap { HeaderEncoding.binaryValues($0) ?? [] }
  }

  private func values(_ name: String) -> [ArraySlice<UInt8>] {
    let loop = unsafe loop.takeUnretainedValue()
    return loop.onLoop {
      guard let (_, connection, slot) = loop.find(token),
        let index = connection.methods.keptNames.firstIndex(of: name)
      else { return [] }
      return slot.pointee.metadata.values(UInt8(index))
    }
  }

  /// Adds fields to the call's answer: those for its header before its first message, those for its trailer before it
  /// ends. To be called during the handler's call; later, ``Completions`` and ``ResponseStream`` do it.
  package func add(_ metadata: ResponseMetadata) {
    let loop = unsafe loop.takeUnretainedValue()
    loop.onLoop {
      guard let (_, connection, slot) = loop.find(token) else { return }
      connection.addMetadata(slot, metadata)
    }
  }
}
