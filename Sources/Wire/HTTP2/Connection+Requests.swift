import Bytes
import CNghttp2
import Glibc
import Platform

// SAFETY: bytes of a header are lent until the callback that has them returns, and are copied. Those of a message are
// cut within their count; what is kept of them, `CallSlot.borrowed`, is invariant 3 of `Connection`.

/// The request side: headers and messages of a stream become a queued call, or a refusal.
extension Connection {
  // MARK: - Headers

  /// - Returns: what nghttp2's callback returns: 0 to go on with the header block.
  @safe
  func didReceiveHeader(
    _ slot: SlotReference, _ name: UnsafeRawBufferPointer,
    _ value: UnsafeRawBufferPointer
  ) -> CInt {
    slot.pointee.headerBytes += name.count + value.count + 32
    guard slot.pointee.headerBytes <= configuration.maximumHeaderListBytes else {
      return didExceedHeaders(slot)
    }
    guard !slot.pointee.isMalformed else { return 0 }
    let isRight =
      if unsafe name.first == UInt8(ascii: ":") {
        readPseudoHeader(slot, name, value)
      } else if slot.pointee.state == .headers {
        readHeader(slot, name, value)
      } else {
        // Trailers of a request carry nothing that gRPC uses.
        slot.pointee.fields.regular(name, value)
      }
    if !isRight { endMalformed(slot) }
    return 0
  }

  /// Resets the stream of a request that is none.
  func endMalformed(_ slot: SlotReference) {
    slot.pointee.isMalformed = true
    reset(slot, NGHTTP2_PROTOCOL_ERROR)
  }

  @safe
  private func readPseudoHeader(
    _ slot: SlotReference, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Bool {
    guard slot.pointee.state == .headers else { return false }
    switch name.count {
    case 5 where name.matches(":path"):
      let method = methods.find(value, guess: lastMethod)
      slot.pointee.method = method
      if method >= 0 {
        lastMethod = method
      } else {
        slot.pointee.unknownPath = unsafe Array(value.prefix(512))
      }
      return slot.pointee.fields.path(value, isKnown: method >= 0)
    case 7 where name.matches(":method"):
      let isPost = value.matches("POST")
      slot.pointee.isPost = isPost
      return slot.pointee.fields.method(value, isPost: isPost)
    case 7 where name.matches(":scheme"): return slot.pointee.fields.scheme(value)
    case 10 where name.matches(":authority"): return slot.pointee.fields.authority(value)
    default: return false
    }
  }

  @safe
  private func readHeader(
    _ slot: SlotReference, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Bool {
    slot.pointee.fields.beginRegular()
    let isRight =
      readHeaderOfCall(slot, name, value) ?? slot.pointee.fields.regular(name, value)
    if keepsMetadata && isRight { keepMetadata(slot, name, value) }
    return isRight
  }

  /// Whether a field of gRPC's own is right; nil for any other.
  @safe
  @inline(__always)
  private func readHeaderOfCall(
    _ slot: SlotReference, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Bool? {
    switch name.count {
    case 12 where name.matches("content-type"):
      guard FieldSyntax.isValue(value) else { return false }
      slot.pointee.isGRPC = Self.isGRPCContentType(value)
    case 12 where name.matches("grpc-timeout"):
      guard FieldSyntax.isValue(value) else { return false }
      guard let timeout = GRPCTimeout.parse(value) else {
        slot.pointee.malformedHeader = .timeout
        return true
      }
      if slot.pointee.deadline == .max { callsWithDeadline += 1 }
      slot.pointee.deadline = MonotonicClock.now() &+ timeout
      loop.watchDeadlines()
    case 13 where name.matches("grpc-encoding"):
      guard FieldSyntax.isValue(value) else { return false }
      slot.pointee.encoding = MessageEncoding(value)
    case 20 where configuration.mayCompressAnswers && name.matches("grpc-accept-encoding"):
      guard FieldSyntax.isValue(value) else { return false }
      if MessageEncoding.takesGzip(value) { slot.pointee.answerEncoding = .gzipAccepted }
    case 13 where gate != nil && name.matches("authorization"):
      guard FieldSyntax.isValue(value) else { return false }
      readCaller(slot, value)
    default: return nil
    }
    return true
  }

  /// `application/grpc`, `application/grpc+proto`, either with parameters; not grpc-web, not JSON.
  @safe
  private static func isGRPCContentType(_ value: UnsafeRawBufferPointer) -> Bool {
    let base: StaticString = "application/grpc"
    guard value.count >= base.utf8CodeUnitCount,
      unsafe UnsafeRawBufferPointer(rebasing: value[..<base.utf8CodeUnitCount]).matches(base)
    else { return false }
    var rest = unsafe UnsafeRawBufferPointer(rebasing: value[base.utf8CodeUnitCount...])
    let proto: StaticString = "+proto"
    if rest.count >= proto.utf8CodeUnitCount,
      unsafe UnsafeRawBufferPointer(rebasing: rest[..<proto.utf8CodeUnitCount]).matches(proto)
    {
      unsafe rest = UnsafeRawBufferPointer(rebasing: rest[proto.utf8CodeUnitCount...])
    }
    return unsafe rest.isEmpty || rest[0] == UInt8(ascii: ";") || rest[0] == UInt8(ascii: " ")
  }

  func didReceiveHeadersEnd(_ slot: SlotReference, endStream: Bool) {
    guard !slot.pointee.isMalformed else { return }
    let isTrailer = slot.pointee.state != .headers
    guard isTrailer ? endStream : slot.pointee.fields.isRequest else { return endMalformed(slot) }
    if !isTrailer {
      slot.pointee.state = .receiving
      if let status = headerFailure(slot) {
        if slot.pointee.plainHTTPStatus == 415 && !endStream { return hold(slot, status) }
        refuseLater(slot, status)
      } else if let gate,
        let refusal = gate.refusal(
          method: Int(slot.pointee.method), caller: slot.pointee.caller)
      {
        refuseLater(slot, refusal)
      } else if case .streaming = methods.methods[Int(slot.pointee.method)].handler {
        slot.pointee.isStreaming = true
        slot.pointee.stream = CallStream(.opening)
        enqueue(.advance(slot: slot.pointee.index, generation: slot.pointee.generation))
      }
    }
    if endStream { didReceiveEndStream(slot) }
  }

  /// What is wrong with the request's headers, in gRPC's order of precedence.
  private func headerFailure(_ slot: SlotReference) -> RPCStatus? {
    if slot.pointee.headerBytes > configuration.maximumHeaderListBytes {
      didRefuseHeaders(slot)
      return RPCStatus(
        .resourceExhausted, reason: "HEADERS_TOO_LARGE",
        "the request's headers are larger than \(configuration.maximumHeaderListBytes) bytes; send less metadata"
      )
    }
    if !slot.pointee.isGRPC {
      slot.pointee.plainHTTPStatus = 415
      return RPCStatus(
        .unknown, reason: "NOT_GRPC",
        "this is a gRPC server: send POST with content-type application/grpc\n")
    }
    if !slot.pointee.isPost {
      slot.pointee.plainHTTPStatus = 405
      return RPCStatus(.internal, reason: "NOT_POST", "gRPC calls use the method POST")
    }
    switch slot.pointee.malformedHeader {
    case .none: break
    case .timeout:
      slot.pointee.plainHTTPStatus = 400
      return RPCStatus(
        .internal, reason: "MALFORMED_TIMEOUT",
        "malformed grpc-timeout: expected 1 to 8 digits and a unit of H, M, S, m, u or n")
    case .binary:
      slot.pointee.plainHTTPStatus = 400
      return RPCStatus(
        .internal, reason: "MALFORMED_METADATA",
        "malformed metadata: the value of a name that ends with -bin is not base64")
    }
    if slot.pointee.method < 0 {
      return methods.unknownMethodStatus(String(decoding: slot.pointee.unknownPath, as: UTF8.self))
    }
    return nil
  }

  // MARK: - Messages

  /// Collects messages with their ``MessagePrefix`` from DATA payloads.
  func didReceiveData(_ slot: SlotReference, _ bytes: UnsafeRawBufferPointer) {
    guard !slot.pointee.isMalformed else { return }
    guard slot.pointee.fields.take(bytes.count) else { return endMalformed(slot) }
    guard slot.pointee.state == .receiving else { return }
    if slot.pointee.isStreaming {
      guard hasRoom(slot) else { return refuseLater(slot, .requestBufferFull) }
      return keepForStream(slot, bytes)
    }
    defer { giveCredit(slot, bytes.count) }
    var rest = unsafe bytes
    while unsafe !rest.isEmpty && slot.pointee.state == .receiving {
      if slot.pointee.prefixCount < MessagePrefix.byteCount {
        unsafe rest = readPrefix(slot, rest)
        if slot.pointee.prefixCount < MessagePrefix.byteCount || !acceptPrefix(slot) { return }
        if slot.pointee.messageLength == 0 {
          unsafe completeMessage(slot, UnsafeRawBufferPointer(rebasing: rest[..<0]))
        }
        continue
      }
      let missing = slot.pointee.messageLength - slot.pointee.request.count
      let taken = unsafe UnsafeRawBufferPointer(rebasing: rest[..<min(missing, rest.count)])
      unsafe rest = UnsafeRawBufferPointer(rebasing: rest[taken.count...])
      if slot.pointee.request.isEmpty && taken.count == missing {
        unsafe completeMessage(slot, taken)
        continue
      }
      guard hasRoom(slot) else { return refuseLater(slot, .requestBufferFull) }
      slot.pointee.request.append(taken)
      assembledBytes += taken.count
      if slot.pointee.reservedBytes > 0 { useReservation(slot, taken.count) }
      if taken.count == missing { unsafe completeMessage(slot, nil) }
    }
  }

  /// Whether more bytes of a request may be kept. A message that has begun is refused only when nobody finds room.
  private func hasRoom(_ slot: SlotReference) -> Bool {
    let hasBegun = !slot.pointee.request.isEmpty || slot.pointee.stream?.waitingCount ?? 0 > 0
    guard loop.budgets.requests.isSpent(for: hasBegun ? 0 : assembledBytes) else { return true }
    loop.budgets.requests.noteRefusal(of: assembledBytes)
    return false
  }

  /// Takes of a message's prefix what is there. Returns the rest of `bytes`.
  func readPrefix(
    _ slot: SlotReference, _ bytes: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer {
    if slot.pointee.prefixCount == 0 && bytes.count >= MessagePrefix.byteCount {
      unsafe slot.pointee.prefixFlag = bytes[0]
      unsafe slot.pointee.messageLength = Int(
        UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
      slot.pointee.prefixCount = MessagePrefix.byteCount
      return unsafe UnsafeRawBufferPointer(rebasing: bytes[MessagePrefix.byteCount...])
    }
    var used = 0
    while slot.pointee.prefixCount < MessagePrefix.byteCount && used < bytes.count {
      let byte = unsafe bytes[used]
      if slot.pointee.prefixCount == 0 {
        slot.pointee.prefixFlag = byte
        slot.pointee.messageLength = 0
      } else {
        slot.pointee.messageLength = slot.pointee.messageLength << 8 | Int(byte)
      }
      slot.pointee.prefixCount += 1
      used += 1
    }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[used...])
  }

  /// Checks a message's prefix before a byte of the message is kept.
  func acceptPrefix(_ slot: SlotReference) -> Bool {
    if slot.pointee.prefixFlag != 0, let status = compressionFailure(slot) {
      refuseLater(slot, status)
      return false
    }
    if slot.pointee.messageLength > configuration.maximumRequestBytes {
      refuseLater(
        slot,
        RPCStatus(
          .resourceExhausted, reason: "REQUEST_TOO_LARGE",
          "the request message has \(slot.pointee.messageLength) bytes, the limit is \(configuration.maximumRequestBytes); send less in one call or raise --max-request-size",
          metadata: [("limitBytes", String(configuration.maximumRequestBytes))]))
      return false
    }
    if slot.pointee.messageCount > 0 && !slot.pointee.isStreaming {
      refuseLater(slot, Self.cardinalityStatus("more than one request message"))
      return false
    }
    return true
  }

  /// A whole message is there: `whole` when it lies in the input, else in `slot.request`.
  private func completeMessage(
    _ slot: SlotReference, _ whole: UnsafeRawBufferPointer?
  ) {
    slot.pointee.prefixCount = 0
    slot.pointee.messageCount += 1
    unsafe slot.pointee.borrowed = whole
    if unsafe whole != nil { borrowedWithoutEnd += 1 }
  }

  func didReceiveEndStream(_ slot: SlotReference) {
    guard !slot.pointee.isMalformed else { return }
    guard slot.pointee.fields.isWhole else { return endMalformed(slot) }
    slot.pointee.remoteClosed = true
    guard slot.pointee.state == .receiving else { return didEndHeld(slot) }
    if slot.pointee.isStreaming {
      return enqueue(.advance(slot: slot.pointee.index, generation: slot.pointee.generation))
    }
    guard slot.pointee.prefixCount == 0 else { return refuseLater(slot, Self.cutMessage) }
    guard slot.pointee.messageCount == 1 else {
      return refuseLater(slot, Self.cardinalityStatus("no request message"))
    }
    if unsafe slot.pointee.borrowed != nil { borrowedWithoutEnd -= 1 }
    slot.pointee.state = .queued
    enqueue(slot)
  }

  private static func cardinalityStatus(_ what: String) -> RPCStatus {
    RPCStatus(
      .unimplemented, reason: "WRONG_CARDINALITY",
      "this method takes exactly one request message, got \(what): send one")
  }

  /// Decides a call's failure; it goes out when the read batch ends.
  func refuseLater(_ slot: SlotReference, _ status: RPCStatus) {
    if unsafe slot.pointee.borrowed != nil {
      unsafe slot.pointee.borrowed = nil
      borrowedWithoutEnd -= 1
    }
    cancelStream(slot)
    slot.pointee.state = .refused
    slot.pointee.failure = status
    enqueue(slot)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether the bytes are exactly those of `text`.
  @safe
  @inline(__always)
  func matches(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount, let baseAddress else { return false }
    return unsafe memcmp(baseAddress, text.utf8Start, count) == 0
  }

  /// The same of letters of ASCII in either case.
  @safe
  func matches(_ text: StaticString, ignoringCase: Bool) -> Bool {
    guard count == text.utf8CodeUnitCount, let baseAddress else { return false }
    let first = unsafe baseAddress.assumingMemoryBound(to: CChar.self)
    return unsafe text.utf8Start.withMemoryRebound(to: CChar.self, capacity: count) {
      unsafe strncasecmp(first, $0, count) == 0
    }
  }
}
