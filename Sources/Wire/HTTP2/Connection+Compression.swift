import Bytes

// SAFETY: a message is lent to the loop's inflater until the return. What it was inflated to is there until `finish`,
// before which the handler has returned (invariant 3 of `Connection`).

/// Compressed messages, in and out. What is not compressed comes here only to be tested for that.
extension Connection {
  // MARK: - Requests

  /// Why a message with a flag is not taken; nil when it is.
  func compressionFailure(_ slot: SlotReference) -> RPCStatus? {
    guard slot.pointee.prefixFlag == 1 else {
      return Self.malformedPrefix("unknown flag \(slot.pointee.prefixFlag); send 0")
    }
    switch slot.pointee.encoding {
    case .gzip: return nil
    case .identity:
      return Self.malformedPrefix(
        "compressed flag set, but grpc-encoding is identity; send it uncompressed")
    case .unknown, .refused:
      slot.pointee.encoding = .refused
      return RPCStatus(
        .unimplemented, reason: "UNKNOWN_ENCODING",
        "this server decompresses gzip alone: send messages with grpc-encoding gzip or identity")
    }
  }

  private static func malformedPrefix(_ what: String) -> RPCStatus {
    RPCStatus(.internal, reason: "MALFORMED_FRAMING", "malformed message prefix: \(what)")
  }

  /// Runs a call whose one message is compressed, now or in a turn of the loop.
  func inflateAndRun(_ slot: SlotReference) {
    let limit = configuration.maximumRequestBytes
    let message = unsafe slot.pointee.borrowed ?? slot.pointee.request.bytes
    switch unsafe loop.compression.inflate(
      message, for: token(slot), limit: limit, held: assembledBytes)
    {
    case .whole(let inflated):
      slot.pointee.messageLength = inflated.count
      unsafe slot.pointee.borrowed = inflated
      run(slot)
      unsafe slot.pointee.borrowed = nil
      loop.compression.finish()
    case .failed(let status):
      unsafe slot.pointee.borrowed = nil
      dropRequest(slot)
      fail(slot, status)
    case .later:
      if let borrowed = unsafe slot.pointee.borrowed {
        unsafe slot.pointee.borrowed = nil
        slot.pointee.request.append(borrowed)
        assembledBytes += borrowed.count
      }
      loop.giveCompressionTurnsSoon()
    }
  }

  // MARK: - Answers

  /// Compresses a unary answer, if that makes it smaller.
  func compressAnswer(_ slot: SlotReference) {
    let bytes = slot.pointee.response.count
    compress(slot, at: 0)
    guard slot.pointee.response.count < bytes else { return }
    slot.pointee.answerEncoding = .gzip
    slot.pointee.uncompressedBytes = bytes - MessagePrefix.byteCount
    if slot.pointee.answerBytes > 0 { countAnswer(slot, slot.pointee.response.count) }
  }

  /// Compresses the last message of a stream, whose prefix is at `start`, if that makes it smaller.
  func compressMessage(_ slot: SlotReference, at start: Int) {
    // Headers go out with the first message, and have to be right for all.
    slot.pointee.answerEncoding = .gzip
    compress(slot, at: start)
  }

  private func compress(_ slot: SlotReference, at start: Int) {
    guard configuration.letsHandlersCompress else {
      return loop.compression.compress(&slot.pointee.response, at: start)
    }
    guard slot.pointee.isCompressionAsked else { return }
    loop.compression.compress(&slot.pointee.response, at: start, isAsked: true)
  }
}
